"""Attention and transformers (Vaswani et al. 2017), with PyTorch's parameter names, so that state dicts carry over.

Sequences are (L, N, features), with `batch_first` (N, L, features), or of one sample (L, features). In masks, True or
−∞ stands where nothing may look; a mask of floats is added to the scores.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import check_function
from ..ops import activations, elementwise, linalg, loss, noise, reduce, shape
from ..ranges import COUNT, FRACTION, POSITIVE, SWITCH, check, instance
from ..tape import Array, Tensor, as_array, constant, dispatch, wrap
from ..typing import ArrayLike, DTypeLike, Rng
from . import init
from .containers import ModuleList
from .dropout import Dropout
from .layers import Linear, own_generator, transformed
from .modes import generators
from .module import MODULE, Module, Parameter
from .norm import LayerNorm

__all__ = [
    "MultiheadAttention", "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
    "TransformerEncoderLayer",
]  # fmt: skip


def _added(mask: Any, dtype: np.dtype) -> Tensor | None:
    """A mask as what is added to scores."""
    if mask is None:
        return None
    if isinstance(mask, Tensor) and mask.dtype.kind == "f":
        return mask
    return wrap(dispatch(_infinite, as_array(mask, name="attention"), dtype))


def _infinite(mask: Array, dtype: np.dtype) -> Array:
    return np.where(mask, -np.inf, 0).astype(dtype) if mask.dtype.kind == "b" else mask.astype(dtype)


def _go_together(who: str, sizes: Sequence[int], batch_first: bool, **given: Tensor) -> None:
    """Raise, in the name of a layer, unless these are sequences of so many features, all with the same batch or with none."""
    xs = list(given.values())
    for (what, x), size in zip(given.items(), sizes):
        if x.ndim not in (2, 3) or x.ndim != xs[0].ndim or x.shape[-1] != size:
            wanted = f"{'(N, L, ' if batch_first else '(L, N, '}{size}) or (L, {size})"
            alike = f"; {', '.join(given)} all have a batch or none" if len(xs) > 1 else ""
            raise ValueError(f"{who}: {what} has shape {x.shape}; it must be {wanted}{alike}")
    if xs[0].ndim == 3 and len({x.shape[not batch_first] for x in xs}) > 1:
        shapes = ", ".join(str(x.shape) for x in xs)
        raise ValueError(f"{who}: {', '.join(given)} have shapes {shapes}, which do not go together")


class MultiheadAttention(Module):
    """softmax(q kᵀ / √d + mask) v in each of num_heads heads, q, k and v being linear maps of query, key and value.

    The heads' results side by side, mapped once more, are the output (L, N, embed_dim); with `need_weights` comes the
    softmax, too, averaged over heads (N, L, S) or of each (N, num_heads, L, S), else None. `key_padding_mask` (N, S) says
    which keys nobody may look at, `attn_mask` (L, S) or (N · num_heads, L, S) which of them each query may not.
    `is_causal` says that `attn_mask` is the causal mask, and needs it. `kdim` and `vdim` are the features of key and value.

    >>> layer = MultiheadAttention(8, 2, batch_first=True, rng=0)
    >>> x = np.ones((3, 5, 8), np.float32)
    >>> y, weights = layer(x, x, x)
    >>> y.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        name = type(self).__name__
        check(name, COUNT, embed_dim=embed_dim, num_heads=num_heads)
        check(name, COUNT.or_none, kdim=kdim, vdim=vdim)
        check(name, FRACTION, dropout=dropout)
        switches = {"add_bias_kv": add_bias_kv, "add_zero_attn": add_zero_attn, "batch_first": batch_first}
        check(name, SWITCH, bias=bias, **switches)
        if embed_dim % num_heads:
            raise ValueError(f"{name}: num_heads={num_heads} must divide embed_dim={embed_dim}")
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.add_zero_attn, self.batch_first, self.rng = add_zero_attn, batch_first, own_generator(rng)
        kdim, vdim = kdim or embed_dim, vdim or embed_dim
        draw: dict[str, Any] = {"rng": self.rng, "dtype": dtype}
        if kdim == vdim == embed_dim:
            self.in_proj_weight = Parameter(init.xavier_uniform((3 * embed_dim, embed_dim), **draw))
        else:
            for which, size in (("q", embed_dim), ("k", kdim), ("v", vdim)):
                setattr(self, f"{which}_proj_weight", Parameter(init.xavier_uniform((embed_dim, size), **draw)))
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, dtype)) if bias else None
        if add_bias_kv:
            self.bias_k = Parameter(init.xavier_normal((1, 1, embed_dim), **draw))
            self.bias_v = Parameter(init.xavier_normal((1, 1, embed_dim), **draw))
        self.out_proj = Linear(embed_dim, embed_dim, bias, **draw)
        if self.out_proj.bias is not None:
            self.out_proj.bias.data = np.zeros(embed_dim, dtype)

    def forward(
        self,
        query: ArrayLike,
        key: ArrayLike,
        value: ArrayLike,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        if is_causal and attn_mask is None:
            raise ValueError("MultiheadAttention: is_causal says that attn_mask is the causal mask; give that, too")
        query, key, value = self._checked(query, key, value)
        single = query.ndim == 2
        if single:
            query, key, value = (shape.expand_dims(x, 1) for x in (query, key, value))
        elif self.batch_first:
            query, key, value = (shape.permute_dims(x, (1, 0, 2)) for x in (query, key, value))
        q, k, v = self._projected(query, key, value)  # (L,N,E), (S,N,E), (S,N,E)
        (length, n, _), source = q.shape, len(k)
        mask = _added(attn_mask, q.dtype)
        if mask is not None:
            if mask.shape not in ((length, source), (n * self.num_heads, length, source)):
                sizes = f"{(length, source)} or {(n * self.num_heads, length, source)}"
                raise ValueError(f"MultiheadAttention: attn_mask has shape {mask.shape}; it must be {sizes}")
            mask = shape.reshape(mask, (n if mask.ndim == 3 else 1, -1, length, source))
        padding = _added(key_padding_mask, q.dtype)
        if padding is not None:
            if padding.shape != ((source,) if single else (n, source)):
                wanted = (source,) if single else (n, source)
                raise ValueError(f"MultiheadAttention: key_padding_mask has shape {padding.shape}; it must be {wanted}")
            padding = shape.reshape(padding, (n, 1, 1, source))
            mask = padding if mask is None else mask + padding
        if "bias_k" in vars(self):
            k, v = (
                shape.concat([x, shape.broadcast_to(b, shape=(1, n, self.embed_dim))])
                for x, b in ((k, self.bias_k), (v, self.bias_v))
            )
        if self.add_zero_attn:
            k, v = (shape.pad(x, [(0, 1), 0, 0]) for x in (k, v))
        if mask is not None and len(k) > source:  # what was added can be looked at
            mask = shape.pad(mask, [0, 0, 0, (0, len(k) - source)])
        heads = self.num_heads, self.embed_dim // self.num_heads
        q, k, v = (shape.permute_dims(shape.reshape(x, (len(x), n, *heads)), (1, 2, 0, 3)) for x in (q, k, v))
        scores = linalg.matmul(q * (1 / math.sqrt(heads[1])), shape.matrix_transpose(k))  # (N,heads,L,S)
        weights = loss.softmax(scores if mask is None else scores + mask)
        weights = noise.dropout(weights, self.dropout, training=self.training, rng=self.rng)
        y = shape.reshape(shape.permute_dims(linalg.matmul(weights, v), (2, 0, 1, 3)), (length, n, self.embed_dim))
        y = self.out_proj(y)
        if single:
            y, weights = shape.squeeze(y, 1), shape.squeeze(weights, 0)
        elif self.batch_first:
            y = shape.permute_dims(y, (1, 0, 2))
        if not need_weights:
            return y, None
        return y, reduce.mean(weights, axis=-3) if average_attn_weights else weights

    def _checked(self, *given: ArrayLike) -> list[Tensor]:
        found = [shape.as_tensor(x) for x in given]
        own = vars(self)
        sizes = [own[f"{w}_proj_weight"].shape[1] if "q_proj_weight" in own else self.embed_dim for w in "qkv"]
        _go_together("MultiheadAttention", sizes, self.batch_first, **dict(zip(("query", "key", "value"), found)))
        _, key, value = found
        if key.shape[:-1] != value.shape[:-1]:
            shapes = f"{key.shape} and {value.shape}"
            raise ValueError(f"MultiheadAttention: key and value have shapes {shapes}, which do not go together")
        return found

    def _projected(self, *given: Tensor) -> list[Tensor]:
        e = self.embed_dim
        parts = [slice(i * e, (i + 1) * e) for i in range(3)]
        biases = [None if self.in_proj_bias is None else self.in_proj_bias[p] for p in parts]
        if "q_proj_weight" in vars(self):
            ws = [getattr(self, f"{w}_proj_weight") for w in "qkv"]
        elif given[0] is given[1] is given[2]:  # one product for all three
            y = transformed(given[0], self.in_proj_weight, self.in_proj_bias)
            return [y[..., p] for p in parts]
        else:
            ws = [self.in_proj_weight[p] for p in parts]
        return [transformed(x, w, b) for x, w, b in zip(given, ws, biases)]


_ACTIVATIONS: dict[str, Callable] = {"relu": elementwise.relu, "gelu": activations.gelu}


class _Layer(Module):
    """What encoder and decoder layers have in common: attention to oneself, and two linear layers."""

    self_attn: Module

    def _make(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int,
        dropout: float,
        activation: Any,
        eps: float,
        batch_first: bool,
        norm_first: bool,
        bias: bool,
        attentions: tuple[str, ...],
        dtype: DTypeLike,
        rng: Rng,
    ) -> None:
        name = type(self).__name__
        check(name, COUNT, d_model=d_model, nhead=nhead, dim_feedforward=dim_feedforward)
        check(name, FRACTION, dropout=dropout)
        check(name, POSITIVE, layer_norm_eps=eps)
        check(name, SWITCH, norm_first=norm_first, bias=bias, batch_first=batch_first)
        if isinstance(activation, str):
            if activation not in _ACTIVATIONS:
                raise ValueError(f"{name}: activation is {activation!r}; it must be 'relu', 'gelu' or a function")
            activation = _ACTIVATIONS[activation]
        check_function(name, "activation", activation)
        rng = own_generator(rng)
        made: dict[str, Any] = {"dtype": dtype, "rng": rng}
        for attention in attentions:
            setattr(self, attention, MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **made))
        self.linear1 = Linear(d_model, dim_feedforward, bias, **made)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **made)
        parts = range(1, len(attentions) + 2)
        for i in parts:
            setattr(self, f"norm{i}", LayerNorm(d_model, eps, bias=bias, dtype=dtype))
        for i in parts:
            setattr(self, f"dropout{i}", Dropout(dropout, rng=rng))
        self.activation, self.norm_first = activation, norm_first

    def _added(self, i: int, x: Tensor, branch: Callable[[Tensor], Tensor]) -> Tensor:
        """The i-th residual branch, with the norm before it or after the sum."""
        norm, drop = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
        return x + drop(branch(norm(x))) if self.norm_first else norm(x + drop(branch(x)))

    def _sequences(self, who: str, **given: ArrayLike) -> list[Tensor]:
        """What is given, as tensors that go together."""
        found = {what: shape.as_tensor(x) for what, x in given.items()}
        if isinstance(attention := self.self_attn, MultiheadAttention):
            _go_together(who, [attention.embed_dim] * len(found), attention.batch_first, **found)
        return list(found.values())

    def _fed(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself, then two linear layers with an activation, each a residual branch with layer norm.

    `activation` is 'relu', 'gelu' or a function. With `norm_first` the norm comes before each branch, else after the sum.

    >>> layer = TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True, rng=0)
    >>> layer(np.ones((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = elementwise.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        settings = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias
        self._make(*settings, ("self_attn",), dtype, rng)

    def forward(
        self, src: ArrayLike, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Tensor:
        (src,) = self._sequences("TransformerEncoderLayer", src=src)

        def attend(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        return self._added(2, self._added(1, src, attend), self._fed)


class TransformerDecoderLayer(_Layer):
    """As `TransformerEncoderLayer`, with attention to a second sequence, `memory`, in between."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = elementwise.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        settings = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias
        self._make(*settings, ("self_attn", "multihead_attn"), dtype, rng)

    def forward(
        self,
        tgt: ArrayLike,
        memory: ArrayLike,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        tgt, memory = self._sequences("TransformerDecoderLayer", tgt=tgt, memory=memory)

        def attend(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def look(x: Tensor) -> Tensor:
            masks = memory_key_padding_mask, False, memory_mask
            return self.multihead_attn(x, memory, memory, *masks, is_causal=memory_is_causal)[0]

        x = self._added(2, self._added(1, tgt, attend), look)
        return self._added(3, x, self._fed)


class _Stack(Module):
    def _make(self, layer: Any, num_layers: int, norm: Any) -> None:
        name = type(self).__name__
        check(name, MODULE, layer=layer)
        check(name, COUNT, num_layers=num_layers)
        check(name, instance((Module, type(None)), "a Module, or None"), norm=norm)
        one = {id(rng): rng for rng in generators(layer).values()}  # all layers go on drawing from it
        self.layers = ModuleList(copy.deepcopy(layer, dict(one)) for _ in range(num_layers))
        self.num_layers, self.norm = num_layers, norm

    def _run(self, sequences: dict[str, Any], *masks: Any) -> Tensor:
        x, *given = sequences.values()
        if isinstance(self.layers[0], _Layer):
            x, *given = self.layers[0]._sequences(type(self).__name__, **sequences)
        for layer in self.layers:
            x = layer(x, *given, *masks)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """num_layers copies of an encoder layer, one after the other, and a norm at the end, if given.

    As in PyTorch the copies start alike. `enable_nested_tensor` and `mask_check` have no effect.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        check("TransformerEncoder", SWITCH, enable_nested_tensor=enable_nested_tensor, mask_check=mask_check)
        self._make(encoder_layer, num_layers, norm)

    def forward(
        self, src: ArrayLike, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Tensor:
        return self._run({"src": src}, mask, src_key_padding_mask, bool(is_causal))


class TransformerDecoder(_Stack):
    """num_layers copies of a decoder layer, one after the other, and a norm at the end, if given."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self._make(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: ArrayLike,
        memory: ArrayLike,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self._run({"tgt": tgt, "memory": memory}, *masks, bool(tgt_is_causal), memory_is_causal)


class Transformer(Module):
    """An encoder of `src` and a decoder of `tgt` that looks at what it gives: the model of Vaswani et al. 2017.

    All matrices start Xavier-uniform. `custom_encoder` and `custom_decoder` take the places of its own.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = elementwise.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("Transformer", COUNT, num_encoder_layers=num_encoder_layers, num_decoder_layers=num_decoder_layers)
        check("Transformer", instance((Module, type(None)), "a Module, or None"), custom_encoder=custom_encoder)
        check("Transformer", instance((Module, type(None)), "a Module, or None"), custom_decoder=custom_decoder)
        rng = own_generator(rng)
        settings = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias
        made: dict[str, Any] = {"dtype": dtype, "rng": rng}

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*settings, **made), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*settings, **made), num_decoder_layers, norm()
        )
        for p in self.parameters():
            if p.ndim > 1:
                p.data = init.xavier_uniform(p.shape, **made)
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self,
        src: ArrayLike,
        tgt: ArrayLike,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        src, tgt = shape.as_tensor(src), shape.as_tensor(tgt)
        _go_together("Transformer", [self.d_model] * 2, self.batch_first, src=src, tgt=tgt)
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self.decoder(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz: int, *, dtype: DTypeLike = np.float32) -> Tensor:
        """The causal mask (sz, sz): 0 up to the diagonal, −∞ above it."""
        check("generate_square_subsequent_mask", COUNT, sz=sz)
        return wrap(constant(np.triu(np.full((sz, sz), -np.inf, dtype), 1)))
