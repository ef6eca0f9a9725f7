"""Ensembles: models trained apart from one another, or taken along one cyclic run, whose predictions are averaged.

Members are trained through any `concurrent.futures.Executor`: processes of our own, or what dask and mpi4py offer under
the same interface. What the members together say, how far they disagree, and whether their probabilities can be
believed, are plain functions of an array of probabilities (members, samples, classes).
"""

from __future__ import annotations

import copy
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..errors import check_function, named, shown
from ..nn import Module
from ..ops.loss import cross_entropy, softmax
from ..optim import Optimizer
from ..optim.schedules import warm_restarts
from ..ranges import COUNT, WHOLE, check
from ..tape import Array
from .evaluate import Batches, Loss, predict
from .given import (
    check_batches,
    check_kind,
    check_model,
    check_models,
    check_optimizer,
    named_within,
    probabilities_of,
)
from .loop import fit

# ---- training the members ------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What f(item) returned; or, if it failed, None and the traceback as text."""

    item: Any
    value: Any
    error: str | None = None


class MembersFailed(RuntimeError):
    """Some members of an ensemble could not be trained; `finished` holds the others by their seed."""

    def __init__(self, finished: dict[int, Module], failed: dict[int, str]) -> None:
        super().__init__(finished, failed)
        self.finished, self.failed = finished, failed

    def __str__(self) -> str:
        head = f"ensemble: {len(self.failed)} of {len(self.failed) + len(self.finished)} members failed"
        told = [f"member with seed {seed}:\n{text.rstrip()}" for seed, text in self.failed.items()]
        return "\n\n".join([f"{head}; `finished` of this error holds the others", *told])


@named
def ensemble(
    member: Callable[[int], Module],
    seeds: int | Iterable[int],
    executor: Executor | None = None,
    *,
    workers: int | None = None,
    threads: int | None = None,
    watch: Callable[[Outcome], None] | None = None,
) -> list[Module]:
    """Return the models member(seed), one for each seed (for an int n, the seeds 0 to n − 1), in the seeds' order.

    `member` builds and trains a model from its seed alone; where it runs in another process, it must be a function
    that pickles (defined in a module, or a functools.partial of one), and so must the model. `executor`, `workers` and
    `threads` are those of `each`. `watch` is called with each outcome as it comes. The same seeds and number of threads
    give the same models, bit for bit, whatever the executor.

    Raises MembersFailed when a member fails: its traceback is shown with its seed, and the others are not lost.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from minigrad import nn
    >>> with ThreadPoolExecutor() as pool:
    ...     models = ensemble(lambda seed: nn.Linear(3, 2, rng=seed), 4, pool)
    >>> len(models)
    4
    """
    check_function("ensemble", "member", member)
    check_function("ensemble", "watch", watch, None)
    check_kind(
        "ensemble", "seeds", seeds, WHOLE.holds(seeds) or isinstance(seeds, Iterable), "a number or a list of seeds"
    )
    pool = executor is None or hasattr(executor, "submit")
    check_kind("ensemble", "executor", executor, pool, "a concurrent.futures.Executor or None")
    check("ensemble", COUNT.or_none, workers=workers, threads=threads)
    seeds = list(range(seeds) if isinstance(seeds, int | np.integer) else seeds)
    check("ensemble", WHOLE, **{f"seeds[{i}]": seed for i, seed in enumerate(seeds)})
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"ensemble: the seeds are {seeds}; give one or more, all different: equal seeds, equal models")
    finished: dict[int, Module] = {}
    failed: dict[int, str] = {}
    for outcome in each(member, seeds, executor, workers=workers, threads=threads):
        if outcome.error is not None:
            failed[outcome.item] = outcome.error
        elif isinstance(outcome.value, Module):
            finished[outcome.item] = outcome.value
        else:
            failed[outcome.item] = f"it returned a {type(outcome.value).__name__}; it must return the trained Module"
        if watch is not None:
            watch(outcome)
    if failed:
        raise MembersFailed(finished, {seed: failed[seed] for seed in seeds if seed in failed})
    return [finished[seed] for seed in seeds]


def each(
    f: Callable[[Any], Any],
    items: Sequence[Any],
    executor: Executor | None = None,
    *,
    workers: int | None = None,
    threads: int | None = None,
) -> Iterator[Outcome]:
    """Yield the outcome of f(item) for each item, as they come; one that fails does not stop the others.

    Without an `executor`, so many `workers` processes are started anew, by default one for each core that there is
    work for, and the cores are dealt out among them: `threads` each. Processes are spawned, never forked: a fork would
    copy the locks of running threads, and no threads to open them. A script that calls this must therefore guard its
    main part by `if __name__ == "__main__":`. An executor of the caller's stays open, and its threads are its owner's:
    `threads`, if given, holds for the time of each call, in whatever process it runs.
    """
    if executor is not None:
        yield from _outcomes(executor, f, items, threads)
        return
    with processes(len(items), workers=workers, threads=threads) as pool:
        yield from _outcomes(pool, f, items, None)


@named
def processes(
    tasks: int, *, workers: int | None = None, threads: int | None = None
) -> AbstractContextManager[Executor]:
    """Processes for so many tasks, with the cores dealt out among them; whoever leaves early waits for no task.

    Raises ValueError if workers or threads is below 1.
    """
    check("processes", COUNT, tasks=tasks)
    check("processes", COUNT.or_none, workers=workers, threads=threads)
    return _processes(tasks, workers, threads)


@contextmanager
def _processes(tasks: int, workers: int | None, threads: int | None) -> Iterator[Executor]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = max(1, min(tasks, cores)) if workers is None else min(workers, tasks)
    threads = max(1, cores // workers) if threads is None else threads
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=kernels.set_num_threads, initargs=(threads,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _outcomes(pool: Executor, f: Callable, items: Sequence[Any], threads: int | None) -> Iterator[Outcome]:
    futures = {pool.submit(_outcome, f, item, threads): item for item in items}
    try:
        for future in as_completed(futures):
            try:
                yield future.result()
            except Exception as error:  # not f's own: it could not be sent or fetched, or its process is gone
                yield Outcome(futures[future], None, "".join(traceback.format_exception(error)))
    finally:
        for future in futures:
            future.cancel()


def _outcome(f: Callable, item: Any, threads: int | None) -> Outcome:
    before = kernels.get_num_threads()
    try:
        if threads is not None:
            kernels.set_num_threads(threads)
        return Outcome(item, f(item))
    except Exception:  # told as text: not every traceback can be sent to another process
        return Outcome(item, None, traceback.format_exc())
    finally:
        kernels.set_num_threads(before)  # the process may be the caller's own


@named_within
def snapshots(
    model: Module,
    optimizer: Optimizer,
    train: Batches,
    *,
    cycles: int,
    epochs: int,
    loss: Loss = cross_entropy,
    progress: bool = True,
) -> list[Module]:
    """Train one model through so many cycles of `epochs` epochs; return a copy of it at the end of each cycle.

    In each cycle the learning rate falls along half a cosine from the rate that the optimizer was given to nearly
    zero, where the model settles into a minimum; then it jumps up and leaves it again. One run gives several models
    (G. Huang, Y. Li, G. Pleiss, Z. Liu, J. Hopcroft, K. Weinberger, "Snapshot ensembles", 2017). The optimizer's rate
    is put back afterwards. Raises ValueError if a rate is a function: give the peak, a number.
    """
    check("snapshots", COUNT, cycles=cycles, epochs=epochs)
    check_model("snapshots", model)
    check_optimizer("snapshots", optimizer)
    check_batches("snapshots", train, "train")
    if "lr" not in optimizer.defaults:
        raise ValueError(f"snapshots: {type(optimizer).__name__} has no lr to let fall; give an optimizer that has one")
    peaks = [group["lr"] for group in optimizer.param_groups]
    if any(callable(peak) for peak in peaks):
        raise ValueError("snapshots: the optimizer's lr is a function; give a number, the peak of each cycle")
    if not isinstance(train, Sized):
        raise TypeError(f"snapshots: train, a {type(train).__name__}, has no len(); a cycle counts its batches")
    begun, length = optimizer.steps, epochs * len(train)
    try:
        for group, peak in zip(optimizer.param_groups, peaks):
            group["lr"] = _from_step(begun, warm_restarts(peak, length))
        taken = []
        for _ in range(cycles):
            fit(model, optimizer, train, epochs=epochs, loss=loss, progress=progress)
            taken.append(copy.deepcopy(model))
        return taken
    finally:
        for group, peak in zip(optimizer.param_groups, peaks):
            group["lr"] = peak


def _from_step(begun: int, schedule: Callable[[int], float]) -> Callable[[int], float]:
    return lambda step: schedule(step - begun)


# ---- what they say together ----------------------------------------------------------------------------------------


@named_within
def probabilities(models: Sequence[Module], batches: Batches) -> tuple[Array, Array]:
    """Return the probabilities (M, N, K) that each of M models gives the N samples, and their labels (N,).

    Average them over the first axis for the ensemble's. Probabilities, not logits: the mean of distributions is the
    distribution of a member picked at random, whatever logits of one member mean beside those of another, and one
    member that is sure cannot outvote the others. (Averaged logits give the geometric mean, which one probability near
    zero vetoes.)
    """
    check_models("probabilities", models)
    outputs = [predict(model, batches) for model in models]
    if any(not np.array_equal(labels, outputs[0][1]) for _, labels in outputs):
        raise ValueError("probabilities: the batches came in another order for another model; give shuffle=False")
    return np.stack([softmax(logits).data for logits, _ in outputs]), outputs[0][1]


class Disagreement(NamedTuple):
    """How often members predict different classes.

    `pairwise` (M, M): the fraction of samples on which two members differ; `mean` is that of all pairs. `by_label` (K,):
    the same mean over the samples of each class, nan for a class without samples.
    """

    pairwise: Array
    mean: float
    by_label: Array


@named
def disagreement(probs: Array, labels: Array) -> Disagreement:
    """Return the Disagreement of M ≥ 2 members with probabilities (M, N, K) on samples with labels (N,).

    >>> one, two = np.eye(2)[[0, 1, 1, 0]], np.eye(2)[[0, 1, 0, 0]]
    >>> found = disagreement(np.stack([one, two]), np.array([0, 0, 1, 1]))
    >>> found.mean, found.by_label
    (0.25, array([0. , 0.5]))
    """
    want = "(M, N, K) with two members or more, and (N,)"
    probs, labels = probabilities_of("disagreement", probs, labels, 3, want)
    if len(probs) < 2:
        raise ValueError(f"disagreement: probs is {shown(probs)} and labels {shown(labels)}; they must be {want}")
    members, _, classes = probs.shape
    said = probs.argmax(2)  # (M,N)
    differ = said[:, None] != said[None]  # (M,M,N)
    of_pairs = differ[np.triu_indices(members, 1)]  # (M(M−1)/2,N)
    by_label = [of_pairs[:, labels == k].mean() if (labels == k).any() else np.nan for k in range(classes)]
    return Disagreement(differ.mean(2), float(of_pairs.mean()), np.array(by_label))


class Calibration(NamedTuple):
    """Bins of confidence, and how often the predictions in each are right.

    `edges` (B + 1,); `confidence`, `accuracy` (B,): means over the samples of a bin, nan where there are none; `samples`
    (B,), how many. `ece` is the expected calibration error: the mean of |accuracy − confidence|, bins weighted by their samples.
    """

    edges: Array
    confidence: Array
    accuracy: Array
    samples: Array
    ece: float


@named
def calibration(probs: Array, labels: Array, bins: int = 15) -> Calibration:
    """Return the Calibration of probabilities (N, K) for labels (N,): can the confidence be believed?

    The confidence of a prediction is its largest probability. It falls into `bins` intervals of equal width, open
    below and closed above: (0, 1/B], …, (1 − 1/B, 1]. The expected calibration error and its 15 bins are those of
    C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On calibration of modern neural networks", 2017.

    >>> calibration(np.array([[0.75, 0.25], [0.75, 0.25]]), np.array([0, 1])).ece  # sure of 75 %, right in 50 %
    0.25
    """
    check("calibration", COUNT, bins=bins)
    want = "(N, K) and (N,), of one sample at least; average the members' first"
    probs, labels = probabilities_of("calibration", probs, labels, 2, want)
    if not np.allclose(probs.sum(1), 1, atol=1e-3) or probs.min() < 0:
        raise ValueError(f"calibration: probs is {shown(probs)}, whose rows need sum one; apply softmax to logits")
    confidence = probs.max(1).astype(np.float64)
    right = probs.argmax(1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):
        confident = np.bincount(bin_of, confidence, bins) / count
        accurate = np.bincount(bin_of, right, bins) / count
    gap = np.where(count > 0, np.abs(accurate - confident), 0)
    return Calibration(np.linspace(0, 1, bins + 1), confident, accurate, count, float(count @ gap / len(labels)))


class Judgement(NamedTuple):
    """An ensemble beside its members: accuracies, mean −log p(label), calibration and disagreement. It prints itself."""

    accuracies: list[float]  # of the members
    losses: list[float]
    calibrations: list[Calibration]
    accuracy: float  # of the averaged probabilities
    loss: float
    calibration: Calibration
    disagreement: Disagreement

    def __str__(self) -> str:
        ece = [c.ece for c in self.calibrations]
        lines = [
            f"{'':22}{'accuracy':>9}{'loss':>9}{'ECE':>8}",
            *(f"member {i:<15}{a:>9.2%}{b:>9.4f}{e:>8.2%}" for i, (a, b, e) in enumerate(zip(self.accuracies, self.losses, ece))),
            f"{'mean of the members':22}{np.mean(self.accuracies):>9.2%}{np.mean(self.losses):>9.4f}{np.mean(ece):>8.2%}",
            f"{'ensemble':22}{self.accuracy:>9.2%}{self.loss:>9.4f}{self.calibration.ece:>8.2%}",
            f"two members disagree on {self.disagreement.mean:.2%} of the samples; by label: "
            + ", ".join(f"{k}: {d:.1%}" for k, d in enumerate(self.disagreement.by_label)),
        ]  # fmt: skip
        return "\n".join(lines)


@named
def judge(models: Sequence[Module], batches: Batches, bins: int = 15) -> Judgement:
    """Return the Judgement of two or more models on these batches, which must come in the same order each time."""
    probs, labels = probabilities(models, batches)
    apart, mean = disagreement(probs, labels), probs.mean(0)
    one = [(*_scores(p, labels), calibration(p, labels, bins)) for p in probs]
    accuracies, losses, calibrations = (list(column) for column in zip(*one))
    return Judgement(accuracies, losses, calibrations, *_scores(mean, labels), calibration(mean, labels, bins), apart)


def _scores(probs: Array, labels: Array) -> tuple[float, float]:
    chosen = probs[np.arange(len(labels)), labels].astype(np.float64)
    tiny = np.finfo(np.float32).tiny
    return float((probs.argmax(1) == labels).mean()), float(-np.log(np.maximum(chosen, tiny)).mean())
