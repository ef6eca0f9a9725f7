"""The page on which backpropagation can be watched, and its trace as data.

api.py         `explain` and the Explanation that it gives
run.py         what is explained, run once
by_hand.py     a forward and a backward on arrays as one operation
record.py      what is seen on the way forward and back
memory.py      what the tape keeps for the way back
rules.py       derivatives as text, read off their declarations
statistics.py  values as JSON has them
trace.py       all of it as one document
still.py       the document as a picture
pages.py       the document as a page: static/ is the viewer, page/ its source
"""

from .api import Explanation, explain

__all__ = ["Explanation", "explain"]
