"""Data sets: the digits, and what is no data set."""

import sys

import numpy as np
import pytest

from minigrad.data import Dataset, digits


def test_digits_are_scikit_learns_own_split():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    parts = train_test_split(bunch.images, bunch.target, test_size=0.5, shuffle=False)
    train, test = digits()
    np.testing.assert_array_equal(16 * train.x[:, 0], parts[0])
    np.testing.assert_array_equal(16 * test.x[:, 0], parts[1])
    np.testing.assert_array_equal(train.y, parts[2])
    np.testing.assert_array_equal(test.y, parts[3])
    assert train.x.dtype == np.float32 and train.y.dtype == np.int64 and train.x.max() == 1


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "sklearn.datasets", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r'data.digits needs sklearn.*pip install "minigrad-numba\[app\]"'):
        digits()


@pytest.mark.parametrize(("x", "y"), [(np.ones((2, 3)), np.ones(3)), (np.ones(()), np.ones(())), ([], [])])
def test_a_dataset_that_does_not_fit_is_refused(x, y):
    with pytest.raises(ValueError, match="Dataset"):
        Dataset(x, y)
