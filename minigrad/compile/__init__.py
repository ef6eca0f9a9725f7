"""Record a function once, then replay what it computed: for small networks, whose time goes into Python and not arrays.

capture.py   writes down every computation on arrays that a call makes
forms.py     writes some calls shorter, now that shapes are known
program.py   turns that into one straight Python function
guards.py    tells what else the call depended on, and whether it is still so
"""

from .api import compile

__all__ = ["compile"]
