"""The progress bar of `fit`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .. import notebook
from ..extras import extra
from .state import State


@contextmanager
def bar(visible: bool, state: State, accumulate: int = 1) -> Iterator[Callable[[], None]]:
    """Give a function that is to be called after each step."""
    if not visible:
        yield lambda: None
        return
    tqdm = extra("tqdm", "train.fit's progress bar (progress=False does without)").tqdm
    total = None
    if hasattr(state.train, "__len__"):
        total = state.epochs * -(-len(state.train) // accumulate)  # type: ignore[arg-type]
    file = notebook.Line() if notebook.shell() else None  # None: stderr
    with tqdm(total=total, initial=state.step, unit="step", dynamic_ncols=True, file=file) as line:

        def tick() -> None:
            line.set_description_str(f"epoch {state.epoch}/{state.epochs}", refresh=False)
            text = f"loss {state.seen.loss:.3f}"
            if state.seen.accuracy is not None:
                text += f", accuracy {state.seen.accuracy:.1%}"
            if state.records and "test_accuracy" in state.records[-1]:
                text += f", test {state.records[-1]['test_accuracy']:.1%}"
            line.set_postfix_str(text, refresh=False)
            line.update()

        yield tick
