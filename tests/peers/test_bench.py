"""The contenders of the benchmark compute the same: whatever a row times, its results are minigrad's."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg

sys.path.append(str(Path(__file__).parents[1] / "bench"))
import drawn
import nets
import page
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


@pytest.mark.parametrize("block", drawn.draw(0, 12), ids=str)
def test_drawn_blocks_are_held_against_a_twin(block):
    steps = drawn.checked(block, workloads.layer_beside_torch(block.build, block.shape))
    assert any(who.startswith(timing.TORCH) for who in steps)
    results = steps[timing.OWN]()
    wrong = [results[0], *(1.01 * r.data for r in results[1:])]
    with pytest.raises(AssertionError, match="spoilt is off by"):
        drawn.checked(block, {"spoilt": lambda: wrong})


def test_blocks_are_drawn_from_the_seed_and_of_all_classes():
    blocks = drawn.draw(3, 60)
    assert blocks == drawn.draw(3, 60) != drawn.draw(4, 60) and len(set(map(str, blocks))) == 60
    assert {name for block in blocks for name in block.classes} >= {
        "depthwise", "grouped", "1×1", "3×3", "5×5 and 7×7", "at most 8 channels out", "channels that fill no vector"
    }  # fmt: skip
    assert all(drawn.WORK[0] <= block.work <= drawn.WORK[1] for block in blocks)


def test_the_page_tells_of_drawn_blocks():
    blocks = drawn.draw(0, 12)
    columns = drawn.columns([1, 2])
    assert list(map(str, columns)) == ["1 thread", "2 threads", "2 threads, one core busy"]
    assert list(map(str, drawn.columns([1, 2], "AVX2"))) == ["1 thread, AVX2 only", "2 threads, AVX2 only"]
    rows = {
        column: [timing.Row(str(b), column.threads, {"minigrad": [1.0] * 2, "torch": [2.0 + i] * 2}, 0.0) for i, b in enumerate(blocks)]
        for column in columns
    }  # fmt: skip
    told = [timing.from_dict(json.loads(json.dumps(row.as_dict()))) for row in rows[columns[1]]]
    assert told == rows[columns[1]]
    assert drawn.by_class(blocks, rows[columns[0]])["all"] == [2.0 + i for i in range(12)]
    assert "| all | 12 | 6.55, 3.10, 2.00 |" in page._drawn(blocks, rows)
    worst = page._worst(rows, 3).splitlines()
    assert [line.split(" | ")[0] for line in worst[2:]] == [f"| {b}" for b in blocks[:3]]
    assert "5×5: " in drawn.distribution(blocks)["kernels"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no other system tells what its cores do")
def test_a_busy_core_is_busy():
    with timing.busy():
        before = timing._busy_elsewhere()
        time.sleep(1)
        assert timing._busy_elsewhere() - before > 0.1


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
