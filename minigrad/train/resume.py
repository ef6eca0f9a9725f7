"""The folder of a run: its metrics, weights and checkpoint, always complete; and Ctrl-C, which waits for the step."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Self

from ..ranges import COUNT, check
from .averaging import swapped
from .checkpoint import CheckpointError, load_tree, number, save_tree, save_weights, sweep, write_atomically
from .given import check_path
from .state import State

CHECKPOINT, METRICS, WEIGHTS = "checkpoint.safetensors", "metrics.jsonl", "weights.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"  # of the run that a new one takes the folder over from


class Saving:
    """Keeps the state of a run in a folder while it trains, and takes it up from there; without a folder, nothing.

    A checkpoint is written after each epoch, and each `every` steps. It holds the records too: `metrics.jsonl` is
    written from them as a whole, so no line is ever lost or doubled.

    A new run in the folder of an old one sets its checkpoint aside and touches nothing else. Only when it has written a
    checkpoint of its own, which is one step to the file system, does it remove what the old one left.
    """

    def __init__(self, state: State, out: str | os.PathLike | None, resume: bool, every: int | None) -> None:
        check("fit", COUNT.or_none, checkpoint_every=every)
        if out is not None:
            check_path("fit", "out", out)
        if out is None and (resume or every is not None):
            raise ValueError("fit: checkpoints need a folder; give it as out=…")
        self.state, self.every = state, every
        self.out = None if out is None else Path(out)
        self.interrupted = False
        self._taken_over = False
        self._handler: Any = None
        if self.out is not None:
            _ = state.settings  # taken down now, before anything changes
            self._begin(self.out, resume)

    def _begin(self, out: Path, resume: bool) -> None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(error.errno, f"fit: out is no folder that can be made: {error.strerror}", str(out)) from error
        if not os.access(out, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "fit: out is a folder that cannot be written to", str(out))
        sweep(out)
        path = out / CHECKPOINT
        if path.exists() and resume:
            self._load(path)
            self._take_over(out)  # unless the run that was killed has done so
        elif path.exists():
            os.replace(path, out / PREVIOUS)

    def _load(self, path: Path) -> None:
        saved = load_tree(path)
        missing = self.state.state_dict().keys() - (saved if isinstance(saved, dict) else {})
        if missing:
            what = f"it has no {', '.join(sorted(missing))}: another version wrote it, or not `fit`; begin anew"
            raise CheckpointError(f"fit: {path}: {what}")
        try:
            self.state.load_state_dict(saved)
        except CheckpointError as error:
            raise CheckpointError(f"fit: {path}: {error}") from None
        except (KeyError, IndexError, ValueError) as error:
            raise CheckpointError(
                f"fit: {path}: what it holds does not fit this run ({error!r}); begin anew"
            ) from error

    def _take_over(self, out: Path) -> None:
        """There is a checkpoint of this run: from here on, the folder is its own."""
        if (out / PREVIOUS).exists() or not self.state.records:
            (out / WEIGHTS).unlink(missing_ok=True)
        self._write_metrics(out)
        (out / PREVIOUS).unlink(missing_ok=True)
        self._taken_over = True

    def after_step(self) -> None:
        """Write a checkpoint if one is due; raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.out is not None and (self.interrupted or (self.every and self.state.step % self.every == 0)):
            self._write_checkpoint(self.out)
            self._stop_if_interrupted()

    def after_epoch(self) -> None:
        """Write a checkpoint, then metrics, weights and logs; raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.out is not None:
            self._write_checkpoint(self.out)
            self._write_metrics(self.out)
            self.write_weights()
        self.state.call("after_checkpoint")
        self._stop_if_interrupted()

    def write_weights(self) -> None:
        """Write the weights, those of the average if there is one."""
        if self.out is not None:
            if not self._taken_over:
                self._write_checkpoint(self.out)
            with swapped(self.state.average):
                save_weights(self.state.model, self.out / WEIGHTS)

    def _write_metrics(self, out: Path) -> None:
        lines = (json.dumps(record, default=number) + "\n" for record in self.state.records)
        write_atomically(out / METRICS, "".join(lines).encode())

    def _write_checkpoint(self, out: Path) -> None:
        path, state = out / CHECKPOINT, self.state
        try:
            save_tree(state.state_dict(), path)
        except OSError as error:
            kept = f"the one before stands in {path}" if path.exists() else "there is none yet"
            error.add_note(f"fit: the checkpoint of step {state.step} was not written; {kept}")
            raise
        if not self._taken_over:
            self._take_over(out)

    def _stop_if_interrupted(self) -> None:
        if self.interrupted and self.out is not None:
            state, out = self.state, self.out
            raise KeyboardInterrupt(
                f"stopped after step {state.step}, {len(state.records)} of {state.epochs} epochs done; "
                f"{out / CHECKPOINT} holds everything: fit(…, out={str(out)!r}, resume=True) goes on from there"
            )

    # ---- Ctrl-C

    def __enter__(self) -> Self:
        """From here on, the first Ctrl-C lets the step end and be saved; the second works as ever."""
        ours = self.out is not None and threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def _interrupt(self, number: int, frame: Any) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, self._handler)
        print("\nStopping after this step. Press Ctrl-C again to stop at once.", file=sys.stderr)

    def __exit__(self, *error: Any) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
