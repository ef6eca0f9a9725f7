"""The picture of schedules: all of them in one call, each rate as it is."""

import numpy as np
import pytest

from minigrad import viz
from minigrad.optim import schedules


@pytest.mark.slow
def test_all_schedules_are_plotted_in_one_call(tmp_path):
    shown = {
        "constant": 0.1,
        "warm-up": schedules.warmup(schedules.cosine(0.1, 50), 10),
        "inverse": schedules.inverse(0.1, 1),
    }
    figure = viz.schedules(shown, 50, tmp_path / "rates.png")
    lines = {line.get_label(): line.get_ydata() for axes in figure.axes for line in axes.get_lines()}
    assert (tmp_path / "rates.png").stat().st_size > 5000
    for name, rate in shown.items():
        expected = [rate(k) for k in range(50)] if callable(rate) else np.full(50, 0.1)
        assert any(np.array_equal(y, expected) for label, y in lines.items() if label == name), name
    (one,) = viz.schedules(schedules.cosine(0.1, 50), 50).axes[:1]
    assert len(one.get_lines()) == 1


def test_what_cannot_be_plotted_is_refused():
    with pytest.raises(ValueError, match="schedules: there is nothing to plot"):
        viz.schedules({}, 10)
    with pytest.raises(ValueError, match="schedules: steps is 0; it must be a whole number from 1"):
        viz.schedules(0.1, 0)
