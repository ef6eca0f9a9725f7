"""Values as JSON has them: a number as itself, an array as statistics with a small picture. Nothing is judged here."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from ..typing import Array

SMALL = 64  # entries up to which an array is shown whole
_BINS, _PIXELS, _SAMPLE = 16, 16, 4096


def number(x: Any) -> Any:
    """A number that JSON knows, or 'nan', 'inf', '-inf'; a complex one by its real part.

    >>> number(np.float32(0.5)), number(-np.inf), number(np.True_)
    (0.5, '-inf', 1)
    """
    x = x.real if isinstance(x, complex | np.complexfloating) else x
    x = int(x) if isinstance(x, bool | np.bool_ | np.integer | int) else float(x)
    return x if math.isfinite(x) else str(x)


def statistics(a: Array, only: bool = False) -> Any:
    """The number, of an array of one entry; else norm, mean, std, min, max of its finite entries, how many are zero and how
    many are not finite; and, if not `only` these, histogram, entries and thumbnail.

    >>> statistics(np.array([3.0, -4.0, 0.0]))["norm"], statistics(np.array([[2.5]]))
    (5.0, 2.5)
    """
    a = a.real if a.dtype.kind == "c" else a
    if a.size == 1:
        return number(a.item())
    wide = a.ravel("K").astype(np.float64)
    total = float(wide.sum())
    finite = wide if math.isfinite(total) else wide[np.isfinite(wide)]
    found: dict[str, Any] = dict.fromkeys(("norm", "mean", "std", "min", "max"))
    low = high = 0.0
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        top = max(-low, high)
        scale = top if top > 1e150 or 0 < top < 1e-150 else 1.0  # squares must neither overflow nor vanish
        part = finite / scale if scale != 1 else finite
        mean = float(part.mean())
        off = part - mean
        found["norm"] = number(scale * math.sqrt(float(part @ part)))
        found["mean"] = number(scale * mean)
        found["std"] = number(scale * math.sqrt(float(off @ off) / finite.size))
        found["min"], found["max"] = number(low), number(high)
    found["nonfinite"] = int(wide.size - finite.size)
    found["zeros"] = int(a.size - np.count_nonzero(a))
    if only or not finite.size:
        return found
    if a.size <= SMALL:
        found["values"] = _nested(a.tolist())
    sample = finite[:: -(-finite.size // _SAMPLE)]
    if math.isfinite(high - low):
        width = (high - low) / _BINS  # of one bin; 0 if they are too near to each other to be told apart
        places = ((sample - low) / (width or 1.0)).clip(0, _BINS - 1).astype(int)
        counts = np.bincount(places, minlength=_BINS)
        found["histogram"] = {"low": low, "high": high, "counts": counts.tolist()}
        if a.ndim >= 2 and min(a.shape[-2:]) > 1:
            found["thumb"] = _thumbnail(a[(0,) * (a.ndim - 2)])
    return found


def brief(said: Any) -> Any:
    """What was said of an array, without the pictures and entries."""
    if not isinstance(said, dict):
        return said
    return {key: value for key, value in said.items() if key not in ("values", "histogram", "thumb")}


def _nested(values: Any) -> Any:
    return [_nested(v) for v in values] if isinstance(values, list) else number(values)


def _thumbnail(image: Array) -> dict[str, Any]:
    """At most 16 × 16 pixels of a matrix, from its least entry (0) to its largest (255)."""
    rows, columns = (np.arange(min(n, _PIXELS)) * n // min(n, _PIXELS) for n in image.shape)
    pixels = np.nan_to_num(image[np.ix_(rows, columns)].astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(pixels.min()), float(pixels.max())
    gray = np.round((pixels - low) * (255 / (high - low)) if high > low else pixels * 0).astype(np.uint8)
    text = base64.b64encode(gray.tobytes()).decode()
    return {"rows": len(rows), "columns": len(columns), "gray": text, "low": low, "high": high}
