"""Windows of signals, by PyTorch's names: `mg.signal.windows.hann(256)`. They are constants, and SciPy's.

>>> windows.hann(5).tolist()
[0.0, 0.5, 1.0, 0.5, 0.0]
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .errors import named
from .extras import extra
from .ranges import INDEX, NOT_NEGATIVE, NUMBER, POSITIVE, SWITCH, Range, check
from .tape import Tensor, tensor
from .typing import DTypeLike

__all__ = ["windows"]

_TERMS = Range(lambda v: isinstance(v, tuple | list) and len(v) > 0 and all(map(NUMBER.holds, v)), "a list of numbers")
_SETTINGS: dict[str, dict[str, tuple[Any, Range]]] = {  # of each window, with PyTorch's defaults
    "bartlett": {},
    "blackman": {},
    "cosine": {},
    "exponential": {"center": (None, NUMBER.or_none), "tau": (1.0, POSITIVE)},
    "gaussian": {"std": (1.0, POSITIVE)},
    "general_cosine": {"a": ((1.0,), _TERMS)},
    "general_hamming": {"alpha": (0.54, NUMBER)},
    "hamming": {},
    "hann": {},
    "kaiser": {"beta": (12.0, NOT_NEGATIVE)},
    "nuttall": {},
}


def _window(name: str) -> Callable[..., Tensor]:
    def window(
        M: int, *, sym: bool = True, dtype: DTypeLike | None = None, requires_grad: bool = False, **settings: Any
    ) -> Tensor:
        check(name, INDEX, M=M)
        check(name, SWITCH, sym=sym, requires_grad=requires_grad)
        known = _SETTINGS[name]
        if unknown := settings.keys() - known.keys():
            raise TypeError(
                f"{name}: there is no setting {min(unknown)}; its settings are {', '.join(known) or 'none'}"
            )
        for setting, value in settings.items():
            check(name, known[setting][1], **{setting: value})
        settings = {setting: default for setting, (default, _) in known.items()} | settings
        if dtype is not None and np.dtype(dtype).kind != "f":
            raise TypeError(f"{name}: dtype is {np.dtype(dtype)}; it must be a float dtype")
        values = getattr(extra("scipy.signal.windows", "mg.signal"), name)(M, sym=bool(sym), **settings)
        return tensor(np.asarray(values, dtype), requires_grad=requires_grad)

    window.__name__ = window.__qualname__ = name
    window.__doc__ = f"The {name.replace('_', ' ')} window of M entries, or unless `sym` of M + 1 without the last."
    return named(window)


windows = SimpleNamespace(**{name: _window(name) for name in _SETTINGS})
