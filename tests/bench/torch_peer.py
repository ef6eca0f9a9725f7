"""PyTorch's side of the benchmark: the same steps, eager, with channels last, and compiled."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

import torch
from nets import NETS, batch, directions, own
from timing import GRADIENT, Steps
from torch import nn
from torch.nn import functional as F

COMPILE_SECONDS = 120  # torch.compile is given up for a workload after this long; 0: not tried
EAGER_ONLY = ("tiny_mlp",)  # where torch.compile is slower, and a minute of waiting
VERSION = f"PyTorch {torch.__version__}"
LAYOUTS = {"torch": torch.contiguous_format, "torch channels_last": torch.channels_last}


def set_threads(n: int) -> None:
    torch.set_num_threads(n)


class Block(nn.Module):
    """conv – bn – relu – conv – bn, and the shortcut: the identity, strided and padded with zero channels."""

    def __init__(self, c: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.grow, self.stride = out - c, stride

    def forward(self, x: Any) -> Any:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.grow or self.stride > 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.grow))
        return self.relu(y + x)


class ResNet20(nn.Sequential):
    """He et al. 2016, for 32×32 images; other depths and widths on demand."""

    def __init__(self, blocks: int = 3, width: int = 16) -> None:
        layers, c = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)], width
        for stage in range(3):
            for i in range(blocks):
                out = width * 2**stage
                layers.append(Block(c, out, 2 if stage and not i else 1))
                c = out
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10))


def training(name: str, modes: tuple[str, ...] | None = None) -> Steps:
    """A training step in each mode. Optimizers are fused: PyTorch's fastest."""
    make, shape, rule, options = NETS[name]
    modes = modes or (*_layouts(shape), "torch compile")
    steps: Steps = {}
    for mode in modes:
        torch._dynamo.reset()
        model, (x, labels) = _made(make), _batch(shape)
        model, x = _laid_out(model, x, LAYOUTS.get(mode, torch.channels_last if len(shape) == 4 else None))
        opt = getattr(torch.optim, rule)(model.parameters(), fused=True, **options)
        forward = torch.compile(model) if mode == "torch compile" else model

        def step(forward=forward, opt=opt, x=x, labels=labels) -> Any:
            opt.zero_grad()
            loss = F.cross_entropy(forward(x), labels)
            loss.backward()
            opt.step()
            return loss

        if mode != "torch compile" or (name not in EAGER_ONLY and _compiles(step, f"{name}: torch compile")):
            steps[mode] = step
    return steps


def inference(name: str, n: int) -> Steps:
    """The logits of n inputs."""
    make, shape, *_ = NETS[name]
    steps: Steps = {}
    for mode in (*LAYOUTS, "torch compile"):
        torch._dynamo.reset()
        model, x = _laid_out(_made(make).eval(), _batch((n, *shape[1:]))[0], LAYOUTS.get(mode, torch.channels_last))
        forward = torch.compile(model) if mode == "torch compile" else model

        def step(forward=forward, x=x) -> Any:
            with torch.no_grad():
                return forward(x)

        if mode != "torch compile" or _compiles(step, f"{name} inference: torch compile"):
            steps[mode] = step
    return steps


def products(name: str, repeated: bool) -> Steps:
    """A Hessian-vector product, reverse over reverse; if `repeated`, of a gradient that was recorded before."""
    make, shape, *_ = NETS[name]
    steps: Steps = {}
    for mode, layout in _layouts(shape).items():
        model, (x, labels) = _made(make), _batch(shape)
        model, x = _laid_out(model, x, layout)
        params = list(model.parameters())
        vs = [torch.from_numpy(v) for v in directions(own(make))]

        def gradient(model=model, params=params, x=x, labels=labels, **options: bool) -> Any:
            return torch.autograd.grad(F.cross_entropy(model(x), labels), params, **options)

        recorded = gradient(create_graph=True) if repeated else None

        def step(gradient=gradient, params=params, vs=vs, recorded=recorded) -> Any:
            grads = recorded or gradient(create_graph=True)
            return torch.autograd.grad(grads, params, vs, retain_graph=recorded is not None)

        steps[mode], steps[mode + GRADIENT] = step, gradient
    return steps


def layer(build: Callable[[Any], Any], shape: tuple[int, ...]) -> Steps:
    """Forward and backward through one layer, gradients in its input and its parameters."""
    steps: Steps = {}
    for mode, layout in _layouts(shape).items():
        module, x = _laid_out(_made(build), _batch(shape)[0], layout)
        x.requires_grad_()
        y = module(x)
        g = torch.empty_like(y).copy_(_batch(y.shape)[0])

        def step(module=module, x=x, g=g) -> Any:
            x.grad = None
            module.zero_grad()
            module(x).backward(g)
            return [x.grad, *(p.grad for p in module.parameters())]

        steps[mode] = step
    return steps


def cross_entropy(n: int, classes: int) -> Steps:
    logits, labels = _batch((n, classes), classes)
    logits.requires_grad_()

    def step() -> Any:
        logits.grad = None
        F.cross_entropy(logits, labels).backward()
        return [logits.grad]

    return {"torch": step}


def attention(shape: tuple[int, ...], causal: bool) -> Steps:
    qkv, g = [_batch(shape)[0].requires_grad_() for _ in range(3)], _batch(shape)[0]

    def step() -> Any:
        return torch.autograd.grad(F.scaled_dot_product_attention(*qkv, is_causal=causal), qkv, g)

    return {"torch": step}


def embedding(n: int, shape: tuple[int, int]) -> Steps:
    weight, ids, g = _batch(shape)[0].requires_grad_(), _batch((n, 1), shape[0])[1], _batch((n, shape[1]))[0]

    def step() -> Any:
        return torch.autograd.grad(F.embedding(ids, weight), [weight], g)

    return {"torch": step}


def adam(name: str) -> Steps:
    """One step of Adam over the parameters of a network, in PyTorch's three implementations."""
    steps: Steps = {}
    for mode, options in {"torch": {}, "torch foreach": {"foreach": True}, "torch fused": {"fused": True}}.items():
        params = list(_made(NETS[name][0]).parameters())
        for p in params:
            p.grad = torch.ones_like(p)
        opt = torch.optim.Adam(params, **options)

        def step(opt=opt, params=params) -> Any:
            opt.step()
            return params

        steps[mode] = step
    return steps


def scalar_chain(length: int) -> Steps:
    x = torch.tensor(1.0, requires_grad=True)

    def step() -> Any:
        x.grad, y = None, x
        for _ in range(length):
            y = y * 1.0000001
        y.backward()
        return [x.grad]

    return {"torch": step}


def gradient_of_resnet(blocks: int, width: int, x: Any, labels: Any) -> Callable[[], object]:
    """Forward and backward of a residual network, channels last."""
    model, x = _laid_out(ResNet20(blocks, width), torch.from_numpy(x), torch.channels_last)
    labels = torch.from_numpy(labels)

    def step() -> None:
        model.zero_grad()
        F.cross_entropy(model(x), labels).backward()

    return step


def _made(build: Callable[[Any], Any]) -> Any:
    """PyTorch's module with the weights of minigrad's."""
    module = build(nn)
    with torch.no_grad():
        for p, q in zip(module.parameters(), own(build).parameters(), strict=True):
            p.copy_(torch.from_numpy(q.data))
    return module


def _layouts(shape: tuple[int, ...]) -> dict[str, Any]:
    """Memory layouts matter for images only."""
    return LAYOUTS if len(shape) == 4 else {"torch": None}


def _laid_out(model: Any, x: Any, layout: Any) -> tuple[Any, Any]:
    return (model, x) if layout is None else (model.to(memory_format=layout), x.to(memory_format=layout))


def _batch(shape: tuple[int, ...], classes: int = 2) -> tuple[Any, Any]:
    x, labels = batch(shape, classes)
    return torch.from_numpy(x), torch.from_numpy(labels)


def _compiles(step: Callable[[], object], what: str) -> bool:
    """Run a compiled step once; if that fails or takes too long, say so and go on without it."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"gave up after {COMPILE_SECONDS} s")

    if not COMPILE_SECONDS:
        return False
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(COMPILE_SECONDS)
    try:
        step()
        return True
    except Exception as error:  # no C++ compiler, an unsupported operation, the time limit: there are many ways
        print(f"  ({what} left out: {str(error).splitlines()[0][:120]})", file=sys.stderr)
        return False
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
