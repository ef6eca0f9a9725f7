"""Record a function once, then replay what it computed: for small networks, whose time goes into Python and not arrays.

capture.py   writes down every computation on arrays that a call makes
forms.py     writes some calls shorter, now that shapes are known
program.py   turns that into one straight Python function
verify.py    runs a program beside the plain function
code.py      reads bytecode: what a function reads and sets outside of itself
places.py    remembers what a recording depends on, and tells whether it is still so
world.py     closes over what the call can reach, while it runs
"""

from .api import compile

__all__ = ["compile"]
