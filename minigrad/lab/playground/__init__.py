"""The playground: optimizers race on a surface over the plane, with one budget of gradients, and leave pictures.

`race` runs them (`race.py`) on one of `SURFACES` (`surfaces.py`); `paths`, `losses` and `animate` draw what they did
(`pictures.py`, `animation.py`); `LECTURE` has the pictures of a first lecture on optimization ready (`lecture.py`).
"""

from .animation import animate
from .lecture import LECTURE
from .pictures import losses, paths
from .race import OPTIMIZERS, Racer, Track, race
from .surfaces import SURFACES, Surface

__all__ = ["LECTURE", "OPTIMIZERS", "SURFACES", "Racer", "Surface", "Track", "animate", "losses", "paths", "race"]
