"""The folder of a run: its metrics, weights and checkpoint, always complete; and Ctrl-C, which waits for the step."""

from __future__ import annotations

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
from .state import State

CHECKPOINT, METRICS, WEIGHTS = "checkpoint.safetensors", "metrics.jsonl", "weights.safetensors"


class Saving:
    """Keeps the state of a run in a folder while it trains, and takes it up from there; without a folder, nothing.

    A checkpoint is written after each epoch, and each `every` steps. It holds the records too: `metrics.jsonl` is
    written from them as a whole, so no line is ever lost or doubled.
    """

    def __init__(self, state: State, out: str | os.PathLike | None, resume: bool, every: int | None) -> None:
        check("fit", COUNT.or_none, checkpoint_every=every)
        if out is None and (resume or every is not None):
            raise ValueError("fit: checkpoints need a folder; give it as out=…")
        self.state, self.every = state, every
        self.out = None if out is None else Path(out)
        self.interrupted = False
        self._handler: Any = None
        if self.out is not None:
            _ = state.settings  # taken down now, before anything changes
            self._begin(self.out, resume)

    def _begin(self, out: Path, resume: bool) -> None:
        out.mkdir(parents=True, exist_ok=True)
        sweep(out)
        path = out / CHECKPOINT
        if resume and path.exists():
            saved = load_tree(path)
            try:
                self.state.load_state_dict(saved)
            except CheckpointError as error:
                raise CheckpointError(f"fit: {path}: {error}") from None
        else:
            path.unlink(missing_ok=True)  # of another run
        self._write_metrics(out)

    def after_step(self) -> None:
        """Write a checkpoint if one is due; raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.out is not None and (self.interrupted or (self.every and self.state.step % self.every == 0)):
            self._write_checkpoint(self.out)

    def after_epoch(self) -> None:
        """Write weights, metrics and a checkpoint; raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.out is not None:
            self._write_metrics(self.out)
            self.write_weights()
            self._write_checkpoint(self.out)

    def write_weights(self) -> None:
        """Write the weights, those of the average if there is one."""
        if self.out is not None:
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
        if self.interrupted:
            raise KeyboardInterrupt(
                f"stopped after step {state.step}, {len(state.records)} of {state.epochs} epochs done; "
                f"{path} holds everything: fit(…, out={str(out)!r}, resume=True) goes on from there"
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
