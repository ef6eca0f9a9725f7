"""The learning curves: they show the records, and touch no global state."""

import numpy as np
import pytest

from minigrad import viz

RECORDS = [
    {"epoch": e, "loss": 2 / e, "accuracy": 1 - 0.5 / e, "test_loss": 1.9 / e, "test_accuracy": 1 - 0.4 / e,
     "step_ms": 1.5, "seconds": 2.0, "lr": 0.1} for e in (1, 2, 3)
]  # fmt: skip


@pytest.mark.slow
def test_curves_show_the_records_and_touch_no_global_state(tmp_path):
    import matplotlib
    from matplotlib import _pylab_helpers

    settings = dict(matplotlib.rcParams)
    figure = viz.curves(RECORDS, tmp_path / "curves.png", title="run")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    loss, accuracy = figure.axes
    np.testing.assert_allclose([line.get_ydata() for line in loss.lines], [[2, 1, 2 / 3], [1.9, 0.95, 1.9 / 3]])
    np.testing.assert_allclose(accuracy.lines[1].get_ydata(), [60, 80, 100 - 40 / 3])
    assert dict(matplotlib.rcParams) == settings and not _pylab_helpers.Gcf.figs
    without_test = [{k: v for k, v in r.items() if not k.startswith("test")} for r in RECORDS[:1]]
    assert [len(axes.lines) for axes in viz.curves(without_test).axes] == [1, 1]
    with pytest.raises(ValueError, match="no records"):
        viz.curves([])
