"""The page as text: the bundled viewer of `static/` with a trace put in. The viewer's source is in `page/`."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any

from .. import escape

_MARKER = "%TRACE%"


@functools.cache
def _template() -> str:
    return (files(__package__) / "static" / "explain.html").read_text(encoding="utf-8")


def html(payload: dict[str, Any]) -> str:
    """The page that shows this payload, byte for byte the same for the same one."""
    before, _, after = _template().partition(_MARKER)
    return f"{before}{escape.script(payload)}{after}"


def frame(page: str, height: int = 640) -> str:
    """The page as an element of another one, which it can neither read nor change."""
    style = f"box-sizing:border-box;width:100%;height:{height}px;border:1px solid #8884;border-radius:8px"
    return f'<iframe sandbox="allow-scripts" title="explanation" style="{style}" srcdoc="{escape.page(page)}"></iframe>'
