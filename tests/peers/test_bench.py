"""The contenders of the benchmark compute the same: whatever a row times, its results are minigrad's."""

import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg

sys.path.append(str(Path(__file__).parents[1] / "bench"))
import nets
import timing
import workloads

pytestmark = pytest.mark.filterwarnings("ignore")  # of other people's


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Without torch.compile, which takes minutes; and the threads put back."""
    before = mg.get_num_threads()
    for peer in workloads.PEERS:
        if peer.__name__ == "torch_peer":
            monkeypatch.setattr(peer, "_compiles", lambda step, what: False)
    workloads.set_threads(2)
    yield
    mg.set_num_threads(before)


def lengths(result):
    """The length of each array: the same in every memory layout."""
    if not isinstance(result, (list, tuple)):
        result = [result]
    arrays = [getattr(a, "data", a) if isinstance(a, mg.Tensor) else a for a in result]
    arrays = [a.detach().numpy() if hasattr(a, "detach") else np.asarray(a) for a in arrays]
    return [float(np.linalg.norm(a.astype(np.float64).ravel())) for a in arrays]


@pytest.mark.parametrize("name", workloads.ALL)
def test_every_contender_computes_the_same(name):
    steps = workloads.ALL[name]()
    expected = {suffix: lengths(steps[timing.OWN + suffix]()) for suffix in ("", timing.GRADIENT)
                if timing.OWN + suffix in steps}  # fmt: skip
    for contender, step in steps.items():
        suffix = timing.GRADIENT if contender.endswith(timing.GRADIENT) else ""
        close = {"rtol": 2e-3, "atol": 1e-3 * max(expected[suffix])}
        np.testing.assert_allclose(lengths(step()), expected[suffix], **close, err_msg=contender)


@pytest.mark.parametrize("name, lr", [("digits_cnn", 0.02), ("mlp", 1e-4), ("tiny_mlp", 0.5)])
def test_every_contender_trains_alike(name, lr, monkeypatch):
    make, shape, rule, options = nets.NETS[name]
    monkeypatch.setitem(nets.NETS, name, (make, shape, rule, options | {"lr": lr}))
    steps = workloads.training(name)
    losses = {who: [lengths(step())[0] for _ in range(5)] for who, step in steps.items()}
    expected = losses[timing.OWN]
    assert expected[-1] < 0.97 * expected[0]
    for who, values in losses.items():
        np.testing.assert_allclose(values, expected, rtol=2e-3, err_msg=who)
