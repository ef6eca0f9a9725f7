"""Layers that are one function of `ops`: a name, settings, and what they mean.

`class ELU(Function, f=activations.elu)` with the annotated attribute `alpha: Number = 1.0` is a layer with a checked
constructor; its `forward` calls the function, which takes the settings by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, dataclass_transform

import numpy as np

from ..declared import Hyperparameter, declare
from ..ranges import COUNT, INDEX, WHOLE, Range, check
from ..tape import Tensor
from .module import Buffer, Module


def sizes(each: Range, text: str) -> Range:
    """One number for all axes, or one for each."""
    kind = tuple, list
    return Range(
        lambda v: each.holds(v) or (isinstance(v, kind) and 0 < len(v) < 7 and all(map(each.holds, v))), text, int
    )


# types with a range
Inplace = Annotated[bool, "has no effect: results are new tensors"]
Dim = Annotated[int, WHOLE, "the axis"]
Sizes = Annotated[Any, sizes(COUNT, "a whole number ≥ 1, or one for each axis")]
SizesOrNone = Annotated[Any, sizes(COUNT, "a whole number ≥ 1, or one for each axis").or_none]
Widths = Annotated[Any, sizes(INDEX, "a whole number ≥ 0, or one for each axis")]
ANY_ARRAY = Range(lambda v: v is None or isinstance(v, Tensor | np.ndarray | list | tuple), "an array, or None")
Weights = Annotated[Any, ANY_ARRAY]  # kept as a buffer

_AS = {"dim": "axis", "keepdim": "keepdims"}  # PyTorch's name of a setting, and the function's


@dataclass_transform()
class Function(Module):
    """A layer that is a function: `forward(x, …)` is f(x, …, **settings).

    The annotated attributes of a class of the library are its settings. What the function does not know (`inplace`) is
    only kept; `training` and `rng`, if it knows them, are the layer's.
    """

    f: ClassVar[Callable[..., Any]]
    hyperparameters: ClassVar[dict[str, Hyperparameter]]
    _takes: ClassVar[dict[str, str]]  # the function's name for what it takes of the layer's attributes
    _many: ClassVar[int] = 0  # how many numbers a setting has, if it has one for each axis (…2d)

    def __init_subclass__(cls, f: Callable[..., Any] | None = None, **options: Any) -> None:
        if cls.__module__.startswith(__package__):  # a user's class is as it is
            declare(cls, "Settings")
        super().__init_subclass__(**options)
        if cls.__name__[-2:] in ("1d", "2d", "3d") and cls.__module__.startswith(__package__):
            cls._many = int(cls.__name__[-2]) * (2 if "Pad" in cls.__name__ else 1)
        if f is not None:
            known = inspect.signature(f).parameters
            unknown = {*cls.hyperparameters} - {*known, *_AS, "inplace", "rng"}
            if unknown:
                raise TypeError(f"{cls.__name__}: {f} takes no {', '.join(sorted(unknown))}")
            named = {
                name: name if name in known else _AS.get(name, "") for name in (*cls.hyperparameters, "training", "rng")
            }
            cls.f, cls._takes = staticmethod(f), {name: to for name, to in named.items() if to in known}

    def __post_init__(self) -> None:
        for h in self.hyperparameters.values():
            value = getattr(self, h.name)
            check(type(self).__name__, h.range, **{h.name: value})
            if self._many and isinstance(value, tuple | list) and len(value) not in (1, self._many):
                check(
                    type(self).__name__,
                    Range(lambda v: False, f"one number, or {self._many}", tuple),
                    **{h.name: value},
                )
            if h.range is ANY_ARRAY and value is not None:
                setattr(self, h.name, Buffer(value))

    def forward(self, *inputs: Any) -> Any:
        return self.f(*inputs, **{to: getattr(self, name) for name, to in self._takes.items()})
