"""The lecture's experiment: each technique with and without, everything else equal, on few images.

recipe.py trains one plain CNN under all the settings that a technique may change; techniques.py lists what is compared;
table.py runs the list over seeds, keeps the results, and makes the table of them; effects.py draws it.
"""

from .effects import effects
from .recipe import Recipe, source, test_error, training_half
from .table import EMPTY_PAGE, Row, complete, markdown, renewed, rows
from .techniques import TECHNIQUES, Technique

__all__ = [
    "EMPTY_PAGE", "TECHNIQUES", "Recipe", "Row", "Technique", "complete", "effects", "markdown", "renewed", "rows",
    "source", "test_error", "training_half",
]  # fmt: skip
