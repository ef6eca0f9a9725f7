"""Threads: same results for one and two, bit for bit every time, two Python threads at once, and after a fork."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import crew, rules, threads


def everything(seed=0):
    """The result of every kernel that may use threads, on data of that seed."""
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((12, 5, 9, 7)).astype("f"), rng.standard_normal((18, 5, 3, 3)).astype("f")
    window = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}
    y = kernels.conv2d(x, w, stride=(2, 2))
    gx = kernels.conv2d_input(y, w, size=(9, 7), stride=(2, 2))
    gw = kernels.conv2d_weight(x, y, kernel=(3, 3), stride=(2, 2))
    own = rng.standard_normal((5, 1, 3, 3)).astype("f")
    depth = kernels.conv2d(x, own, groups=5)
    own_g = kernels.conv2d_weight(x, depth, kernel=(3, 3), groups=5)
    taken, index = kernels.max_pool2d(x, **window)
    put, mean = kernels.pool_put(taken, index, size=(9, 7), **window), kernels.avg_pool2d(x, **window)
    spread = kernels.avg_pool2d_input(mean, size=(9, 7), **window)
    gamma, beta = rng.standard_normal((2, 5)).astype("f")
    m, variance = kernels.channel_moments(x)
    z = kernels.normalize(x, m, gamma, beta)
    back = kernels.batch_norm_backward(x[::-1], x, gamma, m, variance)
    logits, labels = y.reshape(12, -1), np.arange(12)
    losses, slopes = kernels.softmax_cross_entropy(logits, labels, smoothing=0.1)
    p, v, s = w.copy(), w * 2, w * w
    kernels.update(rules.momentum, [p], [w], [[v]], [0.1, 0.9, 1.0])
    kernels.update(rules.adam, [p], [w], [[v], [s]], [0.1, 0.1, 0.999, 0.001, 0.0, 1e-8])
    return [
        y,
        gx,
        gw,
        depth,
        own_g,
        index,
        taken,
        put,
        mean,
        spread,
        z,
        m,
        variance,
        *back,
        losses,
        slopes,
        p,
        v,
        s,
    ]


def test_one_and_two_threads_agree(eager_threads):
    kernels.set_num_threads(1)
    one = everything()
    kernels.set_num_threads(2)
    for a, b in zip(one, everything(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_same_bits_every_time(n, eager_threads):
    kernels.set_num_threads(n)
    once = everything()
    for _ in range(5):
        for a, b in zip(once, everything(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_two_python_threads_at_once(eager_threads):
    kernels.set_num_threads(2)
    expected = [everything(seed) for seed in range(2)]
    wrong = []

    def train(seed):
        for _ in range(40):
            if not all(map(np.array_equal, everything(seed), expected[seed])):
                wrong.append(seed)

    trainers = [threading.Thread(target=train, args=(seed,)) for seed in range(2)]
    for trainer in trainers:
        trainer.start()
    for trainer in trainers:
        trainer.join()
    assert not wrong


AFTER_FORK = """
import os
import numpy as np
from minigrad import kernels
from minigrad.kernels import rules, threads

threads.WORTH = threads.WORTH_CALLING = 0
kernels.set_num_threads(2)
x, w = np.ones((8, 3, 9, 9), "f"), np.ones((4, 3, 3, 3), "f")
before = kernels.conv2d(x, w)
child = os.fork()
same = np.array_equal(kernels.conv2d(x, w), before)
if child == 0:
    os._exit(0 if same else 1)
assert same and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_work_goes_on_after_a_fork():
    # Python 3.12 and later warn that a process with threads forks: that is what is tested here.
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", AFTER_FORK], check=True, timeout=60)


def test_parts_are_equal_and_cover_the_range(monkeypatch):
    monkeypatch.setattr(threads, "_threads", 3)
    assert threads.spans(10, 2 * threads.WORTH) == [(0, 3), (3, 6), (6, 10)]
    assert threads.spans(10, threads.WORTH) == [(0, 5), (5, 10)]  # so little is not for all
    assert threads.spans(2, threads.WORTH) == [(0, 1), (1, 2)]
    assert threads.spans(10, threads.WORTH - 1) == [(0, 10)]
    assert threads.spans(0, threads.WORTH) == [(0, 0)]


def test_large_work_is_cut_finer_than_there_are_threads(monkeypatch):
    monkeypatch.setattr(threads, "_threads", 3)
    many = 3 * threads.SHARES
    assert len(threads.spans(1000, 2 * many * threads.WORTH)) == many
    assert len(threads.spans(1000, 6 * threads.WORTH)) == 6  # no part is less than is worth handing out
    assert len(threads.spans(1000, 2 * many * threads.WORTH, 1)) == 3
    assert len(threads.spans(many - 1, 2 * many * threads.WORTH)) == many - 1
    monkeypatch.setattr(threads, "_threads", 1)
    assert threads.spans(1000, 2 * many * threads.WORTH) == [(0, 1000)]


def test_each_call_is_made_once_whoever_makes_it(eager_threads):
    kernels.set_num_threads(3)
    for count in (2, 3, 40):
        made, held = [], threading.Barrier(2)

        def note(i, made=made, held=held):
            if i < 2:
                held.wait(10)  # so that one thread alone cannot make them all
            made.append((i, threading.get_ident()))

        crew.call(note, [(i,) for i in range(count)])
        assert sorted(i for i, _ in made) == list(range(count)) and len({who for _, who in made}) > 1


def _count():
    """A kernel that counts how often each place was visited, and by its part's number."""
    from minigrad.kernels.jit import kernel

    @kernel
    def count(visits, waste, number, lo, hi):
        spent = 0.0
        for i in range(lo, hi):
            for j in range(waste):
                spent += np.float64(j) * 1e-9
            visits[i] += number + 1 + min(spent, 0.0)

    return count


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("parts", [1, 2, 3, 40])
def test_each_part_is_made_once(n, parts):
    kernels.set_num_threads(n)
    count, cuts = _count(), [(i, 3 * i, 3 * i + 3) for i in range(parts)]
    for waste in (0, 100, 10_000):
        for _ in range(50):
            visits = np.zeros(3 * parts)
            crew.run(count, (visits, waste), cuts)
            np.testing.assert_array_equal(visits, np.repeat(np.arange(1.0, parts + 1), 3))


def test_other_threads_take_parts_and_do_so_again_after_they_slept():
    from minigrad.kernels import board
    from minigrad.kernels.jit import kernel

    @kernel
    def meet(at, number, lo, hi):  # a part waits until another one has begun, which one thread alone cannot do
        board._add(at, 0, 1)
        while board._read(at, 0) < 2:
            pass

    kernels.set_num_threads(2)
    crew.run(meet, (np.ones(8, np.int64),), [(0, 0, 1), (1, 1, 2)])  # compiled, and alone if need be
    for _ in range(3):
        crew.run(meet, (np.zeros(8, np.int64),), [(0, 0, 1), (1, 1, 2)])
        time.sleep(0.05)  # they have gone to sleep
        assert crew._board[board.ASLEEP] == 1


def test_who_finds_the_others_busy_works_alone():
    kernels.set_num_threads(2)
    visits, count = np.zeros(4), _count()
    with crew._using:
        crew.run(count, (visits, 0), [(0, 0, 2), (1, 2, 4)])
    np.testing.assert_array_equal(visits, [1, 1, 2, 2])


def test_a_kernel_without_memory_raises_in_every_thread():
    from minigrad.kernels.jit import kernel

    @kernel
    def greedy(out, number, lo, hi):
        for i in range(lo, hi):
            out[i] = np.empty(1 << 58)[i]

    kernels.set_num_threads(2)
    for parts in ([(0, 0, 1)], [(0, 0, 1), (1, 1, 2)]):
        with pytest.raises(MemoryError):
            crew.run(greedy, (np.zeros(2),), parts)


def test_what_is_not_contiguous_is_refused():
    kernels.set_num_threads(2)
    with pytest.raises(Exception, match="C-contiguous, writable"):
        crew.run(_count(), (np.zeros(8)[::2], 0), [(0, 0, 2), (1, 2, 4)])


def test_a_thread_that_wakes_late_does_not_end_the_wait_for_another():
    taken, leave = threading.Event(), threading.Event()

    def hold(i):
        taken.set()
        leave.wait(10)

    job = crew._Job(hold, [(0,)])
    helping = threading.Thread(target=job.help)
    helping.start()
    assert taken.wait(10)
    waiting = threading.Thread(target=job.wait)
    waiting.start()
    while not job.over:
        time.sleep(1e-3)
    job.help()  # late
    waiting.join(0.1)
    assert waiting.is_alive()
    leave.set()
    waiting.join(10), helping.join(10)
    assert not waiting.is_alive()


def test_a_thread_that_wakes_late_is_not_waited_for():
    kernels.set_num_threads(2)
    (worker,) = crew._at_work(1)
    asleep, leave = threading.Event(), threading.Event()

    class Sleep:
        def help(self):
            asleep.set()
            leave.wait(10)

    worker.call(Sleep())
    assert asleep.wait(10)
    made = []
    crew.call(lambda i: made.append(i), [(i,) for i in range(8)])  # the other thread makes none of them
    leave.set()
    assert made == list(range(8))


def test_an_error_in_any_thread_is_raised():
    kernels.set_num_threads(2)

    def fail(part):
        if part == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crew.call(fail, [(0,), (1,)])
    with pytest.raises(ZeroDivisionError):
        crew.call(fail, [(1,), (0,)])


def test_the_number_of_threads_is_checked_and_reaches_blas():
    from threadpoolctl import threadpool_info

    kernels.set_num_threads(2)
    assert kernels.get_num_threads() == 2
    kernels.set_num_threads(1)
    assert all(pool["num_threads"] == 1 for pool in threadpool_info() if pool["user_api"] == "blas")
    with pytest.raises(ValueError, match="n is 0; it must be a whole number ≥ 1"):
        kernels.set_num_threads(0)
    assert kernels.get_num_threads() == 1


@pytest.mark.slow
@pytest.mark.parametrize("asked, answer", [("1", "1"), ("3", "3"), ("0", "ValueError"), ("many", "ValueError")])
def test_the_environment_may_ask(asked, answer):
    code = "from minigrad.kernels import get_num_threads; print(get_num_threads())"
    environment = os.environ | {"MINIGRAD_NUM_THREADS": asked}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert answer in result.stdout + result.stderr
