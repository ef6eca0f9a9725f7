"""Text that users chose (names of modules, tensors, operations and settings; titles) in the languages of pictures and
pages: one function for each language, and nothing is written in one but through it. What comes out means the text.
"""

from __future__ import annotations

import html
import json
from typing import Any

_LONG = 500  # characters; Graphviz itself refuses strings of 16 kB


def xml(text: object) -> str:
    """Text between tags or in a quoted attribute, of XML, HTML and Graphviz' HTML-like labels.

    >>> xml('<a> & "b"')
    '&lt;a&gt; &amp; &quot;b&quot;'
    """
    return html.escape(printable(text))


def page(text: str) -> str:
    """A whole page of HTML in a quoted attribute (`srcdoc`), where it stays what it is, character by character."""
    return html.escape(text)


def dot(text: object) -> str:
    """An attribute of the package `graphviz` that is a quoted string in DOT, whatever it looks like; long ones are cut.

    There, a backslash begins `\\N` and the like, in tooltips even where it is doubled: it becomes ⧵, which does not.
    Entities mean something too, and the package takes `<…>` for markup.
    """
    from graphviz import nohtml  # 35 ms, which `import minigrad` need not pay

    text = printable(text)
    text = text if len(text) <= _LONG else text[: _LONG - 1] + "…"
    return nohtml(text.replace("\\", "⧵").replace("&", "&amp;").replace("\n", "&#10;"))


def script(value: Any) -> str:
    """A value as JSON within a <script>, which ends at any `</script`.

    >>> script(["</script>"])
    '["\\\\u003c/script\\\\u003e"]'
    """
    text = json.dumps(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def mathtext(text: object) -> str:
    """A text of Matplotlib, where what stands between two `$` would be a formula."""
    return printable(text).replace("$", r"\$")


def printable(text: object) -> str:
    """The text with � for what is no character of a line of text: controls, halves of surrogates, and the like."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in str(text))
