"""PyTorch's `torch.nn.functional`, by its names: `import minigrad.nn.functional as F`. They are functions of `mg`.

`inplace=` changes nothing here, since tensors do not change; the old `size_average=` and `reduce=` raise. `dim=` and
`input=` are known as everywhere.

>>> import minigrad as mg
>>> import minigrad.nn.functional as F
>>> F.relu(mg.tensor([-1.0, 2.0]), inplace=True)
tensor([0., 2.])
"""

from typing import Any

from ..ops.spelling import FUNCTIONAL, functional


def __getattr__(name: str) -> Any:
    if name not in FUNCTIONAL:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return functional(name)


def __dir__() -> list[str]:
    return sorted(FUNCTIONAL)
