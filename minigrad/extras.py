"""The door to what minigrad can do without: optional packages, imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any


def extra(module: str, purpose: str) -> Any:
    """Return the optional module; if it is not installed, raise a ModuleNotFoundError that says how to install it.

    >>> extra("no_such_module", "drawing unicorns")
    Traceback (most recent call last):
    ModuleNotFoundError: drawing unicorns needs no_such_module, which is not installed: pip install "minigrad-numba[app]"
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        name = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != name:
            raise  # it is there, but something that it needs is not
        text = f'{purpose} needs {name}, which is not installed: pip install "minigrad-numba[app]"'
        raise ModuleNotFoundError(text, name=name) from error
