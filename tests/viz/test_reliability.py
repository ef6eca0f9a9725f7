"""The reliability diagram shows the bins of a calibration."""

import numpy as np
import pytest

from minigrad import train, viz


@pytest.mark.slow
def test_it_shows_the_bins(tmp_path):
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.full(10, 0.1), 200)
    labels = rng.integers(0, 10, 200)
    sharp, flat = train.calibration(probs, labels), train.calibration((probs + 0.1) / 2, labels)
    figure = viz.reliability({"a member": sharp, "ensemble": flat}, tmp_path / "r.png")
    above = figure.axes[1]
    assert above.get_title(loc="left") == f"ensemble  ECE {flat.ece:.1%}"
    heights = [bar.get_height() for bar in above.patches[:15]]
    assert np.array_equal(heights, flat.accuracy, equal_nan=True) and (tmp_path / "r.png").stat().st_size


def test_there_must_be_something_to_draw():
    with pytest.raises(ValueError, match="nothing to draw"):
        viz.reliability({})
