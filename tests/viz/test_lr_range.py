"""The picture of a range of learning rates marks the one to begin with."""

import numpy as np
import pytest

from minigrad import viz
from minigrad.train import RateRange


@pytest.mark.slow
def test_the_rates_are_logarithmic_and_the_suggestion_is_named(tmp_path):
    rates = np.geomspace(1e-4, 1, 30)
    losses = 1 - rates + rates**3
    figure = viz.lr_range(RateRange(rates, losses, losses, 0.058), tmp_path / "range.png", title="A cubic")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and "0.058" in axes.get_legend().get_texts()[-1].get_text()
    assert (tmp_path / "range.png").read_bytes()[:4] == b"\x89PNG"
