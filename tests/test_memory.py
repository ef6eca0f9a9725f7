"""Memory does not grow: not over 1,000 training steps with the garbage collector off, nor by inference or products.

Python's and NumPy's allocations are traced. The tape has no cycles, so reference counts alone free everything.
"""

import gc
import tracemalloc

import numpy as np
import pytest

import minigrad as mg
from minigrad import kernels, nn, optim

SLACK = 8_000  # bytes: numbers that grow a digit, a dict that is resized. Less than one activation of these networks


@pytest.fixture
def growth():
    """How many bytes more are held after repeat(count) than before; whatever repeat(10) allocates first is not counted.

    The collector is off meanwhile. It then runs once, because only it empties the interpreter's lists of free objects,
    and must find nothing. Other threads allocate too, such as the test runner's when it is sent what to run: where more
    than SLACK is held, it is measured again, up to three times. What every repetition keeps is seen each time.
    """
    gc.collect()
    gc.disable()

    def growth(repeat, count):
        repeat(2)  # compiles, which is slow when it is traced
        if not tracemalloc.is_tracing():
            tracemalloc.start()
        repeat(10)  # fills what is kept from step to step
        gc.collect()
        for _ in range(3):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            repeat(count)
            assert gc.collect() == 0, "there were cycles"
            if (held := tracemalloc.get_traced_memory()[0] - before) < SLACK:
                break
        return held

    yield growth
    tracemalloc.stop()
    gc.enable()


def small_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


def data(n=16):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 1, 8, 8)).astype("f"), rng.integers(0, 10, n)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam])
def test_training(rule, growth):
    """500 steps with each rule: an object that is kept takes 16 bytes at least, so one of each step would be seen."""
    model, (x, labels) = small_cnn(), data()
    opt = rule(model.parameters(), lr=1e-3)

    def train(steps):
        for _ in range(steps):
            opt.zero_grad()
            mg.cross_entropy(model(x), labels).backward()
            opt.step()

    assert growth(train, 500) < SLACK


@pytest.fixture
def one_thread(monkeypatch):
    """How many threads have a scratch at a time is luck."""
    monkeypatch.setattr(kernels.threads, "_threads", 1)


@pytest.mark.slow
def test_inference(growth, one_thread):
    """Nothing stays, and a hundred calls need no more at a time than one."""
    model, (x, _) = small_cnn().eval(), data()
    peaks = []

    def infer(calls):
        with mg.no_grad():
            for _ in range(calls):
                model(x)
        peaks.append(tracemalloc.get_traced_memory()[1] - tracemalloc.get_traced_memory()[0])

    assert growth(infer, 1) < SLACK
    assert growth(infer, 100) < SLACK
    peaks.clear()
    for calls in (1, 100) * 5:  # the least of five: other threads allocate too
        tracemalloc.reset_peak()
        infer(calls)
    assert min(peaks[1::2]) < min(peaks[::2]) + SLACK


@pytest.mark.slow
def test_products_on_one_recorded_gradient(growth):
    model, (x, labels) = small_cnn(), data()
    params = list(model.parameters())
    product = mg.linearize_grad(lambda: mg.cross_entropy(model(x), labels), params)[2]
    vs = [np.ones_like(p.data) for p in params]
    assert growth(lambda n: [product(*vs) for _ in range(n)] and None, 50) < SLACK


@pytest.mark.slow
def test_models_that_are_dropped(growth):
    """So too when the step is given up half-way: after a forward pass without a backward one."""
    x, labels = np.ones((2, 3, 8, 8), "f"), np.array([1, 2])

    def use(times):
        for backward in [True, False] * times:
            loss = mg.cross_entropy(nn.models.resnet8(width=8)(x), labels)
            if backward:
                loss.backward()

    assert growth(use, 5) < SLACK


@pytest.mark.slow
def test_growth_would_be_seen(growth):
    model, (x, labels), kept = small_cnn(), data(), []
    assert growth(lambda n: kept.append(mg.cross_entropy(model(x), labels)), 1) > SLACK  # one tape is kept


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_inference_allocates_the_same_after_the_first_call(compiled, one_thread):
    model = nn.models.resnet8(rng=0).eval()
    run = mg.compile(model) if compiled else model
    x = np.random.default_rng(0).standard_normal((32, 3, 16, 16)).astype(np.float32)  # beside which weights are small
    with mg.no_grad():
        run(x), run(x)
        gc.collect()
        gc.disable()  # what other tests left behind would be freed in between
        tracemalloc.start()
        try:
            peaks = []
            for _ in range(30):
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                run(x)
                peaks.append(tracemalloc.get_traced_memory()[1] - before)
        finally:
            tracemalloc.stop()
            gc.enable()
    assert max(peaks[5:]) <= 1.01 * min(peaks[5:])
    assert min(peaks) < 8 * len(x) * 16 * 16 * 16 * 4, "a few activations at a time, not those of all layers"
