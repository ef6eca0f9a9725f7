"""The picture of a spectrum."""

import numpy as np
import pytest

from minigrad import viz
from minigrad.optim.curvature import Density, density


@pytest.mark.slow
def test_it_shows_the_density_and_is_saved(tmp_path):
    found = density(np.diag([0.0, 0.1, 5.0]), probes=4, steps=3, rng=0)
    figure = viz.spectrum(found, tmp_path / "spectrum.png", title="three")
    assert (tmp_path / "spectrum.png").read_bytes().startswith(b"\x89PNG")
    (axes,) = figure.axes
    x, y = axes.lines[0].get_data()
    assert axes.get_title(loc="left") == "three" and axes.get_yscale() == "log"
    grid, height = found.smoothed()
    assert np.array_equal(x, grid) and np.allclose(y, np.maximum(height, height.max() * 1e-6))


def test_one_eigenvalue_can_be_drawn():
    figure = viz.spectrum(Density(np.array([[2.0]]), np.array([[1.0]])), width=0.1)
    assert abs(figure.axes[0].lines[0].get_xdata().mean() - 2) < 1e-12
