"""Logs of a training run beside `metrics.jsonl`: callbacks of `fit` that write a CSV file, or TensorBoard's event files.

A run that is resumed leaves the same logs as one that was never interrupted.
"""

from __future__ import annotations

import csv
import io
import os
import time
from numbers import Real
from pathlib import Path
from typing import Any

from ..errors import named
from ..extras import extra
from ..ranges import SWITCH, check
from .checkpoint import write_atomically
from .given import check_path
from .state import State


class CSVLog:
    """Write the records of all epochs to a CSV file, each time as a whole: a column for each metric, a row for each epoch.

    A metric that an epoch lacks is left empty. Whoever reads the file finds complete rows. It is written when the epoch's
    checkpoint is, so that an old file stands until a new run has its first.

    >>> log = CSVLog("metrics.csv")
    """

    moment = "after_checkpoint"

    @named
    def __init__(self, path: str | os.PathLike) -> None:
        check_path("CSVLog", "path", path)
        self.path = Path(path)

    def __call__(self, state: State) -> None:
        columns = dict.fromkeys(key for record in state.records for key in record)
        text = io.StringIO()
        table = csv.DictWriter(text, list(columns), lineterminator="\n")
        table.writeheader()
        table.writerows(state.records)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, text.getvalue().encode())

    def at_end(self, state: State) -> None:
        """Write it once more: the process may have been killed between the last checkpoint and its row."""
        if state.records:
            self(state)

    def __repr__(self) -> str:
        return "CSVLog()"


class TensorBoardLog:
    """Write the numbers of each record as scalars, with the epoch as step, to event files in a folder.

    `tensorboard --logdir FOLDER` shows them. Names group there: 'test_loss' becomes 'loss/test', 'loss' 'loss/train'.
    With `weights`, a histogram of each parameter is written too. The files are written by tensorboardX, which needs no
    TensorFlow. Where a resumed run repeats an epoch, TensorBoard shows it once (`purge_step`).

    >>> log = TensorBoardLog("runs/one", weights=True)
    """

    @named
    def __init__(self, folder: str | os.PathLike, *, weights: bool = False) -> None:
        check_path("TensorBoardLog", "folder", folder)
        check("TensorBoardLog", SWITCH, weights=weights)
        self.folder, self.weights = Path(folder), weights
        self._writer: Any = None

    def __call__(self, state: State) -> None:
        if self._writer is None:
            make = extra("tensorboardX", "train.TensorBoardLog").SummaryWriter
            suffix = (
                f".from{state.epoch}.{time.time_ns()}"  # the name has the second only: another run would overwrite it
            )
            self._writer = make(str(self.folder), purge_step=state.epoch, filename_suffix=suffix)
        for key, value in (state.record or {}).items():
            if isinstance(value, Real) and key != "epoch":
                self._writer.add_scalar(_tag(key), float(value), state.epoch)
        if self.weights:
            for path, p in state.model.named_parameters():
                self._writer.add_histogram(path.replace(".", "/"), p.read(), state.epoch)
        self._writer.flush()

    def at_end(self, state: State) -> None:
        """Close the file; another run begins another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __repr__(self) -> str:
        return f"TensorBoardLog(weights={self.weights})"


def _tag(key: str) -> str:
    """Metrics of training and test in one chart."""
    if key in ("loss", "accuracy"):
        return f"{key}/train"
    part, _, rest = key.partition("_")
    return f"{rest}/{part}" if rest in ("loss", "accuracy") else key
