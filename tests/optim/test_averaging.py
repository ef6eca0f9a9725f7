"""Averages equal their closed forms, leave no trace when swapped in, and resume exactly."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.optim import Average
from minigrad.optim.averaging import ema, equal

RNG = np.random.default_rng(0)
PATH = RNG.standard_normal((40, 3))  # θ₁ … θ₄₀
START = RNG.standard_normal(3)


def averaged(weight, path=PATH):
    x = mg.tensor(START, requires_grad=True)
    average = Average([x], weight)
    for theta in path:
        x.data = theta.copy()
        average.update()
    return average


def powers(d, count):
    return d ** np.arange(count - 1, -1, -1)


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.995])
def test_the_lectures_average_is_a_geometric_series(decay):
    """θ̄ₜ = dᵗ θ₀ + (1 − d) Σ dᵗ⁻ⁱ θᵢ."""
    wanted = decay**40 * START + (1 - decay) * powers(decay, 40) @ PATH
    assert np.allclose(averaged(ema(decay)).values[0], wanted, rtol=0, atol=1e-14)


def test_the_default_is_the_lectures():
    assert np.array_equal(averaged(None).values[0], averaged(ema(0.995)).values[0])
    assert ema()(1) == ema()(1000) == pytest.approx(0.005)


@pytest.mark.parametrize("decay", [0.5, 0.995])
def test_the_corrected_average_is_a_mean_with_geometric_weights(decay):
    weights = powers(decay, 40)
    wanted = weights @ PATH / weights.sum()
    assert np.allclose(averaged(ema(decay, "corrected")).values[0], wanted, rtol=0, atol=1e-14)


def test_the_warm_up_grows_until_the_decay_is_reached():
    """θ̄ₜ = Σ (1 − dᵢ) Πⱼ﹥ᵢ dⱼ θᵢ + Π dⱼ θ₀ with dₜ = min(d, (1 + t)/(10 + t))."""
    decays = np.minimum(0.8, (1 + np.arange(1, 41)) / (10 + np.arange(1, 41)))
    after = np.cumprod(decays[::-1])[::-1]  # Πⱼ≥ᵢ dⱼ
    wanted = after[0] * START + ((1 - decays) * np.append(after[1:], 1)) @ PATH
    assert np.allclose(averaged(ema(0.8, "warmup")).values[0], wanted, rtol=0, atol=1e-14)
    assert 1 - ema(0.8, "warmup")(1) == pytest.approx(2 / 11) and 1 - ema(0.8, "warmup")(35) == 0.8


def test_the_equal_average_is_the_mean_and_forgets_the_start():
    assert np.allclose(averaged(equal()).values[0], PATH.mean(0), rtol=0, atol=1e-15)


def test_small_weights_are_not_lost_in_float32():
    """A mean kept in float32 stands still from 2²⁴ updates on: 1/t is then less than its last digit."""
    x = mg.tensor(np.float32([0.0]), requires_grad=True)
    average = Average([x], equal())
    average.count = 2**25  # as many updates, all with the value 0
    x.data = np.float32([1.0])
    for _ in range(1000):
        average.update()
    assert average.values[0][0] == pytest.approx(1000 / (2**25 + 1000), rel=1e-12)


def test_swapped_in_and_out_even_after_an_error():
    average = averaged(equal())
    (x,) = average.tensors
    before = x.data
    with pytest.raises(ZeroDivisionError), average.swapped():
        assert np.array_equal(x.data, average.values[0])
        1 / 0  # noqa: B018
    assert x.data is before and np.array_equal(before, PATH[-1])
    with average.swapped():
        x.data[:] = 7  # what is done to the model inside does not reach the average
    assert x.data is before and np.allclose(average.values[0], PATH.mean(0))


@pytest.mark.parametrize("name", ["update", "reset", "put", "swapped"])
def test_inside_the_average_cannot_be_moved(name):
    average = averaged(equal())
    kept = average.values[0].copy()
    with average.swapped(), pytest.raises(RuntimeError, match=f"{name} was called inside swapped"):
        called = getattr(average, name)()
        called.__enter__()  # of `swapped`
    assert np.array_equal(average.values[0], kept)
    average.put()
    assert np.array_equal(average.tensors[0].data, kept)


@pytest.mark.parametrize("weight", [ema(0.9), ema(0.9, "warmup"), ema(0.9, "corrected"), equal()])
def test_saved_and_resumed_exactly(weight):
    first = averaged(weight, PATH[:17])
    saved = first.state_dict()
    second = Average([mg.tensor(np.zeros(3), requires_grad=True)], weight)
    second.load_state_dict(saved)
    for theta in PATH[17:]:
        second.tensors[0].data = theta
        second.update()
    whole = averaged(weight)
    assert second.count == whole.count == 40 and np.array_equal(second.values[0], whole.values[0])
    assert saved["count"] == 17  # a copy


def test_what_cannot_be_averaged():
    with pytest.raises(ValueError, match="no tensors"):
        Average([])
    with pytest.raises(TypeError, match="item 1 is"):
        Average([mg.tensor([1.0]), mg.tensor([1])])
    for bad in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="decay is"):
            ema(bad)
    with pytest.raises(ValueError, match="form is 'fast'"):
        ema(0.9, "fast")
    average = averaged(equal())
    with pytest.raises(ValueError, match="other tensors; it differs in 0, 1"):
        average.load_state_dict({"count": np.array(1), "0": np.zeros(2), "1": np.zeros(3)})
    assert average.count == 40
