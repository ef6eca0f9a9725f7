"""Documents that tests write: `make docs` renews them; in every other run a stale one fails."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITE = os.environ.get("MINIGRAD_WRITE_DOCS") == "1"


def hold(path: Path, text: str, exact: Callable[[str], Any] = str) -> None:
    """The document at `path` is `text`, as far as `exact` looks: not at what differs from machine to machine."""
    there = path.read_text(encoding="utf-8") if path.exists() else ""
    if WRITE and exact(there) != exact(text):
        path.write_text(text, encoding="utf-8")
        return
    assert exact(there) == exact(text), f"{path.name} is stale: run `make docs`"
