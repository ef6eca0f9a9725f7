"""Batches of a data set: the order and the changes of the samples depend on (seed, epoch), and on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .datasets import Dataset
from .streams import Streams

Array = np.ndarray
Transform = Callable[[Array, Streams], Array]


class Loader:
    """Batches (x, y) of a data set. Each `for` over it is one epoch; `epoch` counts those begun.

    The order depends on (seed, epoch), what `transform(x, streams)` makes of a sample on (seed, epoch, sample): set
    `epoch` and a run resumes where it stopped. The last batch holds what is left, unless `drop_last`.
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
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"Loader: batch_size is {batch_size}; it must be at least 1")
        if drop_last and batch_size > len(dataset):
            raise ValueError(f"Loader: drop_last leaves no batch of {batch_size} of {len(dataset)} samples")
        self.dataset, self.batch_size, self.shuffle, self.seed = dataset, batch_size, shuffle, seed
        self.transform, self.drop_last = transform, drop_last
        self.epoch = 0

    def __len__(self) -> int:
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        order = np.arange(len(self.dataset))
        if self.shuffle:
            np.random.default_rng((self.seed, epoch)).shuffle(order)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            chosen = order[start : start + self.batch_size]
            x, y = self.dataset[chosen]
            yield (x if self.transform is None else self.transform(x, Streams(self.seed, epoch, chosen))), y
