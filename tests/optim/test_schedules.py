"""Schedules: their values where they are known, and their shape in between."""

import numpy as np
import pytest

from minigrad.optim import schedules


def values(schedule, n):
    return np.array([schedule(k) for k in range(n)])


def test_constant_and_step_decay():
    assert values(schedules.constant(0.3), 3).tolist() == [0.3] * 3
    np.testing.assert_allclose(values(schedules.step_decay(1.0, 3), 7), [1, 1, 1, 0.1, 0.1, 0.1, 0.01])


def test_cosine_falls_from_start_to_end_and_stays():
    v = values(schedules.cosine(2.0, 10, end=0.5), 15)
    assert v[0] == 2 and v[5] == pytest.approx(1.25) and (v[10:] == 0.5).all() and (np.diff(v[:11]) < 0).all()


def test_warmup_rises_in_equal_parts_and_keeps_the_schedule():
    inner = schedules.step_decay(1.0, 6, 0.5)
    v = values(schedules.warmup(inner, 4), 8)
    np.testing.assert_allclose(v, [0.25, 0.5, 0.75, 1, 1, 1, 0.5, 0.5])


def test_one_cycle_rises_to_the_peak_and_falls():
    v = values(schedules.one_cycle(2.0, 20, rise=0.25, start=0.1, end=0.01), 21)
    assert v[0] == pytest.approx(0.2) and v[5] == 2 == v.max() and v[20] == pytest.approx(0.02)
    assert (np.diff(v[:6]) > 0).all() and (np.diff(v[5:]) < 0).all()
