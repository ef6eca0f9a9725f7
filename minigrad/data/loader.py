"""Batches of a data set: the order and the changes of the samples depend on (seed, epoch), and on nothing else.

Background workers are those of any `concurrent.futures.Executor`. They change when a batch is made, never what it is.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import numpy as np

from ..errors import check_function, named, shown
from ..ranges import COUNT, INDEX, SWITCH, WHOLE, Range, check, whole
from ..typing import Array
from .augment.compose import Transform
from .augment.mix import Mix, distributions
from .datasets import Dataset
from .streams import Streams

Batch = tuple[Array, Array]
_WORKERS = Range(lambda v: isinstance(v, Executor) or INDEX.holds(v), "a whole number of threads ≥ 0, or an Executor")
_PARTNERS, _MIXING = 1, 2  # uses of the samples' streams, apart from what transforms draw


class Loader:
    """Batches (x, y) of a data set. Each `for` over it is one epoch; `epoch` counts those begun.

    The order depends on (seed, epoch), what `transform(x, streams)` makes of a sample on (seed, epoch, sample). With
    `mix`, a `Mixup` or `CutMix`, so does the other sample that is mixed into it, and y holds distributions (N, K).
    The last batch holds what is left, unless `drop_last`.

    With `workers`, transforms run in the background, `prefetch` batches ahead (by default two for each worker): in so
    many threads, which end with the epoch; or in an `Executor` of the caller's, such as a ProcessPoolExecutor, which
    stays open (for processes, transforms must be picklable). The batches are the same. A worker's error is raised here,
    its traceback with it, and a note names the batch.

    `state_dict` is the position in the epoch begun last: load it, and the next `for` gives the batches that were left.
    Raises ValueError for a batch size below 1, or if no batch would be left.

    >>> loader = Loader(Dataset(np.zeros((5, 2)), np.arange(5)), batch_size=2, seed=1)
    >>> [len(y) for x, y in loader], len(loader), loader.epoch
    ([2, 2, 1], 3, 1)
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        transform: Transform | None = None,
        drop_last: bool = False,
        *,
        mix: Mix | None = None,
        workers: int | Executor = 0,
        prefetch: int | None = None,
    ) -> None:
        if isinstance(dataset, str | bytes | dict) or not (
            hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
        ):
            raise TypeError(f"Loader: dataset is {shown(dataset)}; it must be a data.Dataset: Dataset(x, y)")
        check("Loader", COUNT, batch_size=batch_size)
        check("Loader", SWITCH, shuffle=shuffle, drop_last=drop_last)
        if drop_last and batch_size > len(dataset):
            raise ValueError(f"Loader: drop_last leaves no batch of {batch_size} of {len(dataset)} samples")
        check("Loader", whole(0, 2**63 - 1, "a whole number in [0, 2^63)"), seed=seed)
        check_function("Loader", "transform", transform, None)  # data.Compose joins several
        check_function("Loader", "mix", mix, None)
        check("Loader", _WORKERS, workers=workers)
        check("Loader", COUNT.or_none, prefetch=prefetch)
        self.dataset, self.batch_size, self.shuffle, self.seed = dataset, batch_size, shuffle, seed
        self.transform, self.drop_last, self.mix = transform, drop_last, mix
        self.workers, self.prefetch = workers, prefetch
        self.epoch = 0

    @property
    def epoch(self) -> int:
        """How many epochs were begun; set it, and the next `for` is that epoch."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        check("Loader", INDEX, epoch=epoch)
        self._epoch, self._position = epoch, (epoch, 0)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        epoch = self._epoch
        skip = self._position[1] if self._position[0] == epoch else 0
        self._epoch, self._position = epoch + 1, (epoch, skip)
        with closing(self._batches(epoch, skip)) as batches:
            for i in range(skip, len(self)):
                try:
                    batch = next(batches)
                except Exception as error:
                    error.add_note(f"Loader: this was batch {i} of epoch {epoch}")
                    raise
                self._position = epoch, i + 1
                yield batch

    @named
    def look(self, epoch: int, samples: Any) -> Batch:
        """These samples, by their indices, as that epoch gives them; the position of the loader stays as it is.

        >>> loader = Loader(Dataset(np.arange(3.0), np.arange(3)), batch_size=2)
        >>> loader.look(epoch=7, samples=[2, 0])
        (array([2., 0.]), array([2, 0]))
        """
        check("Loader.look", INDEX, epoch=epoch)
        return _made(*self._recipe(epoch, np.atleast_1d(np.arange(len(self.dataset))[samples])))

    def state_dict(self) -> dict[str, int]:
        """The epoch and the batch that come next, and what the loader must be for that to mean the same: ints."""
        epoch, batch = self._position if self._position[1] < len(self) else (self._epoch, 0)
        return {"epoch": epoch, "batch": batch, **self._kind()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to that position. Raises ValueError if it is of another seed, batch size, order or number of samples."""
        if not isinstance(state, dict) or not all(WHOLE.holds(state.get(key)) for key in ("epoch", "batch")):
            raise TypeError(f"Loader: the state is {shown(state)}; it must be what state_dict() returned")
        for key, value in self._kind().items():
            if state.get(key) != value:
                raise ValueError(f"Loader: the state has {key} {state.get(key)}, the loader {value}; they must agree")
        if state["epoch"] < 0 or not 0 <= state["batch"] < len(self):
            raise ValueError(f"Loader: the state is {state}; an epoch has batches 0 to {len(self) - 1}")
        self.epoch = state["epoch"]
        self._position = state["epoch"], state["batch"]

    def _kind(self) -> dict[str, int]:
        order = {"shuffle": int(self.shuffle), "drop_last": int(self.drop_last)}
        return {"seed": self.seed, "batch_size": self.batch_size, "samples": len(self.dataset), **order}

    def _batches(self, epoch: int, skip: int) -> Generator[Batch]:
        """An epoch without its first batches."""
        order = np.arange(len(self.dataset))
        if self.shuffle:
            np.random.default_rng((self.seed, epoch)).shuffle(order)
        starts = range(skip * self.batch_size, len(self) * self.batch_size, self.batch_size)
        recipes = (self._recipe(epoch, order[start : start + self.batch_size]) for start in starts)
        if isinstance(self.workers, Executor):
            yield from _ahead(self.workers, recipes, self.prefetch or 2 * getattr(self.workers, "_max_workers", 2))
        elif self.workers:
            pool = ThreadPoolExecutor(self.workers, "minigrad-loader")
            try:
                yield from _ahead(pool, recipes, self.prefetch or 2 * self.workers)
            finally:
                pool.shutdown(wait=False)  # nobody waits for a batch that nobody wants
        else:
            yield from (_made(*recipe) for recipe in recipes)

    def _recipe(self, epoch: int, samples: Array) -> tuple:
        """All that a batch is made of, which is what a worker needs: not the data set, but the samples picked from it."""
        picked = [(samples, *self.dataset[samples])]
        if self.mix is not None:
            partners = Streams(self.seed, epoch, samples, _PARTNERS).integers(len(self.dataset))
            picked.append((partners, *self.dataset[partners]))
        return self.seed, epoch, picked, self.transform, self.mix


def _ahead(pool: Executor, recipes: Iterable[tuple], prefetch: int) -> Iterator[Batch]:
    """The batches in order; so many more are under way while the caller is busy with one."""
    futures: deque[Future[Batch]] = deque()
    try:
        for recipe in recipes:
            futures.append(pool.submit(_made, *recipe))
            if len(futures) > prefetch:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()


def _made(
    seed: int, epoch: int, picked: list[tuple[Array, Array, Array]], transform: Transform | None, mix: Any
) -> Batch:
    """A batch, from (samples, x, y) and perhaps the same of their partners."""
    looks = [x if transform is None else transform(x, Streams(seed, epoch, samples)) for samples, x, _ in picked]
    samples, _, y = picked[0]
    if mix is None:
        return looks[0], y
    x, share = mix(*looks, Streams(seed, epoch, samples, _MIXING))
    return x, distributions(y, picked[1][2], share, mix.classes)


def end_with_parent() -> None:
    """For ProcessPoolExecutor(initializer=…): the worker ends with the process that began it, even if that is killed.

    Otherwise the workers of a killed process wait for ever for work. Threads need no such care.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("end_with_parent: this is no worker; pass it to ProcessPoolExecutor as its initializer")

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="minigrad-parent", daemon=True).start()
