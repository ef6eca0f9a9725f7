"""Every number that a layer, a model or an optimizer takes, and values that it cannot be: the error names both."""

import inspect
import math
from dataclasses import MISSING

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import shown
from minigrad.nn import models
from minigrad.nn.function import Function
from minigrad.optim import averaging, schedules

COUNT, SIZE, PAIR, GAP, WHOLE = "count", "size", "pair", "gap", "whole"
DROP, PART, POSITIVE, NUMBER, RATE, DECAY = "drop", "part", "positive", "number", "rate", "decay"

# the least that a constructor needs, and the kind of each number that it takes
LAYERS = {
    nn.Linear: ({"in_features": 2, "out_features": 2}, {"in_features": COUNT, "out_features": COUNT}),
    nn.Bilinear: (
        {"in1_features": 2, "in2_features": 2, "out_features": 2},
        {"in1_features": COUNT, "in2_features": COUNT, "out_features": COUNT},
    ),
    nn.Conv2d: (
        {"in_channels": 2, "out_channels": 2, "kernel_size": 1},
        {"in_channels": COUNT, "out_channels": COUNT, "groups": COUNT}
        | {"kernel_size": PAIR, "stride": PAIR, "dilation": PAIR, "padding": GAP},
    ),
    nn.FractionalMaxPool2d: ({"output_size": 2}, {"output_size": PAIR, "samples": COUNT}),
    nn.Flatten: ({}, {"start_dim": WHOLE, "end_dim": WHOLE}),
    nn.Unflatten: ({"dim": 0, "unflattened_size": (1, 2)}, {"dim": WHOLE}),
    **{
        kind: (
            {"in_channels": 2, "out_channels": 2, "kernel_size": 1},
            {"in_channels": COUNT, "out_channels": COUNT, "groups": COUNT},
        )
        for kind in (nn.Conv1d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    },
    nn.BatchNorm1d: ({"num_features": 2}, {"num_features": COUNT, "eps": POSITIVE, "momentum": PART}),
    nn.BatchNorm2d: ({"num_features": 2}, {"num_features": COUNT, "eps": POSITIVE, "momentum": PART}),
    nn.BatchNorm3d: ({"num_features": 2}, {"num_features": COUNT, "eps": POSITIVE, "momentum": PART}),
    **{
        kind: ({"num_features": 2}, {"num_features": COUNT, "eps": POSITIVE, "momentum": PART})
        for kind in (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
    },
    nn.LayerNorm: ({"normalized_shape": 2}, {"normalized_shape": COUNT, "eps": POSITIVE}),
    nn.RMSNorm: ({"normalized_shape": 2}, {"normalized_shape": COUNT, "eps": POSITIVE}),
    nn.GroupNorm: (
        {"num_groups": 1, "num_channels": 2},
        {"num_groups": COUNT, "num_channels": COUNT, "eps": POSITIVE},
    ),
    nn.EmbeddingBag: (
        {"num_embeddings": 3, "embedding_dim": 2},
        {
            "num_embeddings": COUNT,
            "embedding_dim": COUNT,
            "norm_type": POSITIVE,
            "padding_idx": WHOLE,
            "max_norm": POSITIVE,
        },
    ),
    nn.Embedding: (
        {"num_embeddings": 3, "embedding_dim": 2},
        {
            "num_embeddings": COUNT,
            "embedding_dim": COUNT,
            "norm_type": POSITIVE,
            "padding_idx": WHOLE,
            "max_norm": POSITIVE,
        },
    ),
    **{
        kind: ({"input_size": 2, "hidden_size": 2}, {"input_size": COUNT, "hidden_size": COUNT})
        for kind in (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
    },
    **{
        kind: (
            {"input_size": 2, "hidden_size": 2},
            {"input_size": COUNT, "hidden_size": COUNT, "num_layers": COUNT, "dropout": PART, "proj_size": GAP},
        )
        for kind in (nn.LSTM,)
    },
    **{
        kind: (
            {"input_size": 2, "hidden_size": 2},
            {"input_size": COUNT, "hidden_size": COUNT, "num_layers": COUNT, "dropout": PART},
        )
        for kind in (nn.RNN, nn.GRU)
    },
    nn.MultiheadAttention: (
        {"embed_dim": 2, "num_heads": 1},
        {"embed_dim": COUNT, "num_heads": COUNT, "dropout": DROP, "kdim": COUNT, "vdim": COUNT},
    ),
    **{
        kind: (
            {"d_model": 2, "nhead": 1},
            {"d_model": COUNT, "nhead": COUNT, "dim_feedforward": COUNT, "dropout": DROP, "layer_norm_eps": POSITIVE},
        )
        for kind in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    },
    nn.TransformerEncoder: ({"encoder_layer": nn.ReLU(), "num_layers": 1}, {"num_layers": COUNT}),
    nn.TransformerDecoder: ({"decoder_layer": nn.ReLU(), "num_layers": 1}, {"num_layers": COUNT}),
    nn.Transformer: (
        {"d_model": 2, "nhead": 1, "dim_feedforward": 2, "num_encoder_layers": 1, "num_decoder_layers": 1},
        {"d_model": COUNT, "nhead": COUNT, "dim_feedforward": COUNT, "dropout": DROP, "layer_norm_eps": POSITIVE}
        | {"num_encoder_layers": COUNT, "num_decoder_layers": COUNT},
    ),
    nn.Dropout: ({}, {"p": DROP}),
    **{
        k: ({}, {"p": DROP})
        for k in (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
    },
    nn.PReLU: ({}, {"num_parameters": COUNT, "init": NUMBER}),
    nn.DropConnect: ({"layer": nn.Linear(2, 2, rng=0)}, {"p": DROP}),
    nn.StochasticDepth: ({"p": 0.5}, {"p": DROP}),
    nn.Residual: ({"branch": nn.ReLU()}, {"drop": DROP}),
    models.LeNet: (
        {},
        {"num_classes": COUNT, "in_channels": COUNT, "image_size": COUNT, "dropout": DROP},
    ),
    models.ResNet: (
        {"blocks": 1},
        {"blocks": COUNT, "num_classes": COUNT, "in_channels": COUNT, "width": COUNT}
        | {"stochastic_depth": DROP, "dropout": DROP},
    ),
    models.ImageNetResNet: (
        {"layers": (1, 1, 1, 1)},
        {"num_classes": COUNT, "in_channels": COUNT},
    ),
    models.MobileNetV2: (
        {"blocks": ((1, 2, 1, 1),)},
        {"num_classes": COUNT, "in_channels": COUNT, "last": COUNT, "dropout": DROP},
    ),
    models.UNet: (
        {"width": 1, "depth": 1},
        {"num_classes": COUNT, "in_channels": COUNT, "width": COUNT, "depth": COUNT},
    ),
    models.TextTransformer: (
        {"vocabulary": 2, "width": 2, "heads": 1, "layers": 1},
        {"vocabulary": COUNT, "width": COUNT, "heads": COUNT, "layers": COUNT, "context": COUNT, "dropout": DROP},
    ),
    models.Subsample: ({"channels": 2, "stride": 1}, {"channels": COUNT, "stride": COUNT}),
    schedules.constant: ({"lr": 0.1}, {"lr": RATE}),
    schedules.step_decay: ({"lr": 0.1, "every": 2}, {"lr": RATE, "every": SIZE, "factor": RATE}),
    schedules.exponential: ({"lr": 0.1, "k": 0.1}, {"lr": RATE, "k": RATE}),
    schedules.inverse: ({"lr": 0.1, "k": 0.1}, {"lr": RATE, "k": RATE}),
    schedules.polynomial: ({"lr": 0.1, "steps": 2}, {"lr": RATE, "steps": SIZE, "power": RATE, "end": RATE}),
    schedules.cosine: ({"lr": 0.1, "steps": 2}, {"lr": RATE, "steps": SIZE, "end": RATE}),
    schedules.warmup: ({"lr": 0.1, "steps": 2}, {"lr": RATE, "steps": SIZE}),
    schedules.one_cycle: (
        {"lr": 0.1, "steps": 2},
        {"lr": RATE, "steps": SIZE, "rise": DECAY, "start": RATE, "end": RATE},
    ),
    schedules.warm_restarts: ({"lr": 0.1, "steps": 2}, {"lr": RATE, "steps": SIZE, "factor": SIZE, "end": RATE}),
    averaging.ema: ({}, {"decay": DECAY}),
}

OUTSIDE = {
    COUNT: st.one_of(st.integers(max_value=0), st.floats(allow_nan=False).filter(lambda v: v != 0.5)),
    SIZE: st.one_of(st.integers(max_value=0), st.floats(max_value=0.99)),
    PAIR: st.one_of(st.integers(max_value=0), st.floats(), st.just((1, 2, 3)), st.just((1, 0.5)), st.just((1, "1"))),
    GAP: st.one_of(st.integers(max_value=-1), st.floats(), st.just((1, 1, 1)), st.just((1, -1))),
    WHOLE: st.floats(),
    DROP: st.one_of(st.floats(max_value=-1e-9), st.floats(min_value=1)),
    PART: st.one_of(st.floats(max_value=-1e-9), st.floats(min_value=1.001)),
    POSITIVE: st.one_of(st.floats(max_value=0), st.just(math.inf)),
    NUMBER: st.just(math.inf),
    RATE: st.one_of(st.floats(max_value=-1e-9), st.just(math.inf)),
    DECAY: st.one_of(st.floats(max_value=-1e-9), st.floats(min_value=1)),
}
NO_NUMBERS = st.sampled_from(["0.5", "1", True, False, math.nan, np.float32(np.nan), 1j, [], {}, b"1", np.ones(3)])
FUNCTIONS = [c for c in vars(nn).values() if inspect.isclass(c) and issubclass(c, Function)]
OPTIMIZERS = {name: rule for name in optim.__all__ if inspect.isclass(rule := getattr(optim, name))}
OPTIMIZERS = {n: r for n, r in OPTIMIZERS.items() if issubclass(r, optim.Optimizer) and r is not optim.Optimizer}


def refused(make, name, value):
    """Whether that is a TypeError or ValueError that names the argument, and shows the value or its type."""
    with pytest.raises((TypeError, ValueError)) as error:
        make()
    text = str(error.value)
    forms = [shown(value)]
    if isinstance(value, int | float | np.floating) and not isinstance(value, bool):
        forms.append(str(value))
    elif isinstance(value, str | tuple | list):  # where a choice or a pair is wanted
        forms.append(repr(value))
    assert name in text and any(form in text for form in forms), text


def test_no_number_of_a_layer_is_left_out():
    kinds = [c for c in vars(nn).values() if inspect.isclass(c) and issubclass(c, nn.Module)]
    models_ = [c for c in vars(models).values() if inspect.isclass(c) and issubclass(c, nn.Module)]
    for kind in [*kinds, *models_]:
        if kind is models.BasicBlock:
            continue
        for p in inspect.signature(kind).parameters.values():
            taken = f"{p.annotation}".split("|")[0].strip() in ("int", "float", "OneOrTwo")
            if not issubclass(kind, Function) and taken:
                assert p.name in LAYERS[kind][1], f"{kind.__name__}.{p.name}"


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
@cases(12)
@given(st.data())
def test_a_number_that_a_layer_cannot_take_is_named_with_its_type(kind, data):
    given, numbers = LAYERS[kind]
    for name, range_ in numbers.items():
        for value in data.draw(OUTSIDE[range_]), data.draw(NO_NUMBERS):
            refused(lambda: kind(**{**given, name: value}), name, value)
    kind(**given)


@pytest.mark.parametrize("kind", FUNCTIONS, ids=lambda kind: kind.__name__)
@cases(4)
@given(st.data())
def test_a_setting_that_a_layer_cannot_take_is_named_with_its_type(kind, data):
    needs = {h.name: 2 for h in kind.hyperparameters.values() if h.default is MISSING}
    kind(**needs)
    for h in kind.hyperparameters.values():
        value = data.draw(NO_NUMBERS)
        if h.range.text and not h.range.holds(value):
            refused(lambda: kind(**{**needs, h.name: value}), h.name, value)


@pytest.mark.parametrize("name", OPTIMIZERS)
@cases(4)
@given(st.data())
def test_a_number_that_an_optimizer_cannot_take_is_named_with_its_type(name, data):
    rule, p = OPTIMIZERS[name], mg.tensor([1.0], requires_grad=True)
    needs = {"lr": 0.1} if "lr" in rule.hyperparameters else {}
    rule([p], **needs)
    for h in rule.hyperparameters.values():
        value = data.draw(NO_NUMBERS)
        if h.given and h.range.text and not h.range.holds(value):
            refused(lambda: rule([p], **{**needs, h.name: value}), h.name, value)
            if not h.once and h.name not in getattr(rule, "_shared", ()):
                refused(lambda: rule([{"params": [p], h.name: value}], **needs), h.name, value)


@pytest.mark.parametrize("rate", ["0.1", True, None, -1.0, math.nan, 1j, np.ones(2)])
def test_a_rate_that_a_schedule_gives_or_a_group_is_set_to(rate):
    p = mg.tensor([1.0], requires_grad=True)
    p.grad = np.ones(1)
    refused(optim.SGD([p], lr=lambda step: rate).step, "lr", rate)
    opt = optim.SGD([p], lr=0.1)
    opt.param_groups[0]["lr"] = rate
    refused(opt.step, "lr", rate)
    optim.SGD([p], lr=lambda step: np.where(step < 5, 0.1, 0.01)).step()
    assert p.data == 0.9
