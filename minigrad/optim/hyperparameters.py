"""How a rule declares its hyperparameters: each once, as `name: Annotated[type, range, meaning] = default`.

A rule is a dataclass of them, so its constructor takes them in this order, after the parameters, and editors know its
signature. The checks, the groups, the repr, what `help` says and the table in docs/optimizers.md read the same lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from .. import ranges
from ..declared import ONCE as ONCE
from ..declared import Count as Count
from ..declared import CountOrNone as CountOrNone
from ..declared import Declared as Declared
from ..declared import Fraction as Fraction
from ..declared import Hyperparameter as Hyperparameter
from ..declared import NotNegative as NotNegative
from ..declared import Number as Number
from ..declared import Positive as Positive
from ..ranges import FRACTION, INDEX, NOT_NEGATIVE, UNIT, Range

# hyperparameters of many rules
Rate = Annotated[
    float | Callable[[int], float],
    Range(lambda v: callable(v) or NOT_NEGATIVE.holds(v), "≥ 0"),
    "the learning rate, or a function that gives it for the number of steps taken before",
]
Decay = Annotated[
    NotNegative, "the part of θ that is added to the gradient (L2) or, if decoupled, taken from θ, times lr"
]
DecoupledDecay = Annotated[NotNegative, "the part of θ that is taken from θ, times lr, beside the step"]
Decoupled = Annotated[bool, "shrink θ by the weight decay before the step, instead of adding to the gradient"]
Maximize = Annotated[bool, "step along the gradient, not against it"]
Epsilon = Annotated[NotNegative, "added to what is divided by, against division by 0"]
EpsInside = Annotated[bool, "add eps under the root, not to the root"]
Betas = Annotated[
    tuple[float, float],
    ranges.two(FRACTION, "two numbers in [0, 1)"),
    "what the two running means keep of their value, (β₁, β₂)",
]
Power = Annotated[
    float,
    UNIT,
    "of the curvature, which is divided by: 1 as Newton, 0 not at all",
]
Every = Annotated[Count, "the steps from one estimate of the curvature to the next"]
Curvature = Annotated[Fraction, "the least sᵀy / (‖s‖ ‖y‖) of a pair (s, y) to learn from"]
OnReject = Annotated[
    Literal["skip", "damp", "reset"], "what becomes of another pair: left out, mended, or taken to start afresh"
]
History = Annotated[Count, "pairs that are kept"]
Damping = Annotated[NotNegative, "added to the diagonal, as a part of the largest curvature, or of that along g"]
Forcing = Annotated[Fraction, "the largest part of g that is left over when a system is solved"]
Products = Annotated[CountOrNone, "products with the curvature in one iteration, at most"]
Seed = Annotated[int, INDEX, "of the random draws"]
