"""Schedules: each against its formula, where it begins and ends, and what is said of bad input."""

import math

import numpy as np
import pytest

from minigrad.optim import schedules


def values(schedule, n):
    return np.array([schedule(k) for k in range(n)])


def close(schedule, expected):
    np.testing.assert_allclose(values(schedule, len(expected)), expected, rtol=1e-12, atol=1e-15)


def test_constant_and_steps():
    close(schedules.constant(0.3), [0.3] * 3)
    close(schedules.step_decay(1.0, 3), [1, 1, 1, 0.1, 0.1, 0.1, 0.01])
    close(schedules.multi_step(1.0, [2, 3, 6], 0.5), [1, 1, 0.5, 0.25, 0.25, 0.25, 0.125])
    close(schedules.multi_step(1.0, []), [1, 1])


def test_the_lectures_decays():
    t = np.arange(50)
    close(schedules.exponential(0.3, 0.07), 0.3 * np.exp(-0.07 * t))
    close(schedules.inverse(0.3, 0.07), 0.3 / (1 + 0.07 * t))


def test_polynomial():
    t = np.arange(10)
    close(schedules.polynomial(0.5, 10, 3.0, 0.1), 0.1 + 0.4 * (1 - t / 10) ** 3)
    v = values(schedules.polynomial(0.5, 10, 0.0, 0.1), 13)
    assert (v[:10] == 0.5).all() and (v[10:] == 0.1).all()


def test_cosine_falls_from_start_to_end_and_stays():
    v = values(schedules.cosine(2.0, 10, end=0.5), 15)
    assert v[0] == 2 and v[5] == pytest.approx(1.25) and (v[10:] == 0.5).all() and (np.diff(v[:11]) < 0).all()


def test_warmup_rises_in_equal_parts_and_keeps_the_schedule():
    inner = schedules.step_decay(1.0, 6, 0.5)
    close(schedules.warmup(inner, 4), [0.25, 0.5, 0.75, 1, 1, 1, 0.5, 0.5])
    close(schedules.warmup(schedules.inverse(1.0, 1.0), 2), [0.5, 0.5, 1 / 3, 0.25])


def test_one_cycle_rises_to_the_peak_and_falls():
    v = values(schedules.one_cycle(2.0, 20, rise=0.25, start=0.1, end=0.01), 22)
    assert v[0] == pytest.approx(0.2) and v[4] == 2 == v.max() and v[19] == v[21] == pytest.approx(0.02)
    assert (np.diff(v[:5]) > 0).all() and (np.diff(v[4:20]) < 0).all()
    assert [values(schedules.one_cycle(1.0, n), n)[-1] for n in (2, 3, 4)] == [pytest.approx(1e-4)] * 3


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_warm_restarts_are_cosines_end_to_end(factor):
    expected, length = [], 3
    for _ in range(4):
        expected += [schedules.cosine(1.0, length, 0.2)(k) for k in range(length)]
        length *= factor
    close(schedules.warm_restarts(1.0, 3, factor=factor, end=0.2), expected)


def test_sequence_starts_each_part_anew():
    warm, decay = schedules.warmup(1.0, 2), schedules.step_decay(1.0, 2, 0.5)
    close(schedules.sequence([warm, decay, 0.7], [3, 6]), [0.5, 1, 1, 1, 1, 0.5, 0.7, 0.7])
    close(schedules.sequence([decay], []), [1, 1, 0.5, 0.5])


def test_a_schedule_of_steps_is_its_position():
    """Any schedule is a function of the step alone: asked in any order, it gives the same."""
    some = schedules.sequence([schedules.warmup(0.1, 5), schedules.warm_restarts(0.1, 4, factor=2)], [8])
    forward = [some(k) for k in range(40)]
    assert [some(k) for k in reversed(range(40))] == forward[::-1]


BAD = {
    "cosine": (lambda: schedules.cosine(0.1, 0), "cosine: steps is 0"),
    "warmup": (lambda: schedules.warmup(0.1, 0), "warmup: steps is 0"),
    "step_decay": (lambda: schedules.step_decay(0.1, 0), "step_decay: every is 0"),
    "one_cycle": (lambda: schedules.one_cycle(0.1, 5, rise=1.0), "one_cycle: rise is 1.0"),
    "polynomial": (lambda: schedules.polynomial(0.1, 5, -1.0), "polynomial: power is -1.0; it must be ≥ 0"),
    "exponential": (lambda: schedules.exponential(0.1, -1), "exponential: k is -1; it must be ≥ 0"),
    "inverse": (lambda: schedules.inverse(0.1, math.nan), "inverse: k is nan"),
    "warm_restarts": (lambda: schedules.warm_restarts(0.1, 5, factor=0), "warm_restarts: factor is 0"),
    "multi_step": (lambda: schedules.multi_step(0.1, [3, 2]), "multi_step: milestones are [3, 2]; they must ascend"),
    "sequence": (lambda: schedules.sequence([0.1, 0.2], [0]), "sequence: milestones are [0]; they must ascend from 1"),
    "sequence of": (lambda: schedules.sequence([0.1, 0.2], []), "2 schedules and 0 milestones; give one milestone"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    do, message = BAD[name]
    with pytest.raises(ValueError) as caught:
        do()
    assert message in str(caught.value)
