"""Memory that is shared with other libraries' arrays, by DLPack: whoever writes to it, no gradient is of other numbers."""

import numpy as np
import pytest

import minigrad as mg


def others():
    return [np.from_dlpack, lambda x: pytest.importorskip("torch").from_dlpack(x).numpy()]


@pytest.mark.parametrize("taken", others(), ids=["numpy", "torch"])
def test_memory_given_away_is_watched(taken):
    x = mg.tensor(np.arange(3.0))
    w = mg.tensor(np.ones(3), requires_grad=True)
    theirs = taken(x)
    assert np.shares_memory(theirs, x.data)
    y = (x * w).sum()
    theirs[0] = 5.0
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()
    assert x[0].item() == 5.0


@pytest.mark.parametrize("taken", others(), ids=["numpy", "torch"])
def test_what_is_computed_is_given_away_as_a_copy(taken):
    y = mg.tensor(np.arange(3.0)) * 2
    theirs = taken(y)
    theirs[0] = 5.0
    assert y.tolist() == [0.0, 2.0, 4.0]
    with pytest.raises(BufferError, match="detach"):
        taken(mg.tensor(np.ones(2), requires_grad=True))


@pytest.mark.parametrize("made", [lambda: np.arange(3.0), lambda: pytest.importorskip("torch").arange(3.0)])
def test_memory_taken_over_is_watched(made):
    theirs = made()
    x = mg.from_dlpack(theirs)
    w = mg.tensor(np.ones(3, x.dtype), requires_grad=True)
    assert np.shares_memory(x.data, np.asarray(theirs))
    assert not np.shares_memory(mg.from_dlpack(theirs, copy=True).data, np.asarray(theirs))
    y = (x * w).sum()
    theirs[0] = 5.0
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()


def test_without_a_copy_means_read_only():
    y = mg.tensor(np.arange(3.0)) * 2
    theirs = np.from_dlpack(y, copy=False)
    assert np.shares_memory(theirs, y.data) and not theirs.flags.writeable
