"""Whatever users name, what is written parses as if the name were harmless, and reads as the name."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from functools import cache
from html.parser import HTMLParser

import pytest
from generated import cases
from hypothesis import example, given
from hypothesis import strategies as st
from nasty import FRAGMENTS, NAMES

from minigrad import escape
from minigrad.graph import Graph, GraphEdge, GraphNode


class Page(HTMLParser):
    """The tags of a page with their attributes, and its texts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.texts.append(data)


@cases(200)
@given(NAMES)
def test_xml_reads_as_the_text(name):
    seen = escape.printable(name)
    written = f'<a b="{escape.xml(name)}">{escape.xml(name)}</a>'
    root = ET.fromstring(written)
    assert root.text == (seen or None) and root.attrib == {"b": re.sub(r"[\n\t]", " ", seen)} and not len(root)
    page = Page(written)
    assert page.tags == [("a", [("b", seen)])] and "".join(page.texts) == seen


@cases(40)
@given(st.recursive(NAMES | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=5))
def test_a_script_ends_where_it_ends(value):
    page = Page(f"<script>{escape.script(value)}</script><p>after</p>")
    assert page.tags == [("script", []), ("p", [])] and page.texts[-1] == "after"
    assert json.loads("".join(page.texts[:-1])) == value


@cases(60)
@given(NAMES)
def test_no_name_is_a_formula(name):
    from matplotlib.text import Text

    assert Text()._preprocess_math(escape.mathtext(name)) == (escape.printable(name), False)


# ---- the graph -------------------------------------------------------------------------------------------------------


def graph_of(op, name, module, key, line):
    """Two operations in a module, a parameter of its own and an input."""
    nodes = [
        GraphNode(0, "parameter", "", f"{module}.{name}", module, (2, 2), "float32", 16, "", {}),
        GraphNode(1, "input", "", name, "", (2, 2), "float32", 16, "", {}),
        GraphNode(2, "operation", op, name, module, (2, 2), "float32", 16, line, {key: key}),
        GraphNode(3, "operation", op, "", module, (2, 2), "float32", 16, line, {}),
        GraphNode(4, "operation", "sum", "", "", (), "float32", 4, line, {}),
    ]
    return Graph(tuple(nodes), (GraphEdge(0, 2, 0), GraphEdge(1, 2, 1), GraphEdge(2, 3, 0), GraphEdge(3, 4, 0)), (4,))


TOKENS = re.compile(r'\s+|([{}\[\];,=]|->)|("(?:[^"\\]|\\.)*")|([-\w.\x80-\U0010ffff]+)|(<)', re.DOTALL)


def tokens(dot):
    """The tokens of a text in DOT: strings and markup as a kind and their meaning, others as they are."""
    at, found = 0, []
    while at < len(dot):
        match = TOKENS.match(dot, at)
        assert match, dot[at : at + 50]
        sign, string, word, markup = match.groups()
        end = match.end()
        if markup:
            depth = 1
            while depth:
                depth += {"<": 1, ">": -1}.get(dot[end], 0)
                end += 1
            text = dot[at + 1 : end - 1]
            found.append(("markup", "".join(ET.fromstring(f"<x>{text}</x>").itertext())))
        elif string:
            found.append(("string", string[1:-1]))
        elif word:
            found.append(("string", word))
        elif sign:
            found.append(("sign", sign))
        at = end
    return found


def any_name(random):
    """Quickly drawn, for what takes long to look at."""
    return "".join(random.choices(FRAGMENTS, k=random.randint(1, 4))).replace(".", ":")


NODOTS = NAMES.map(lambda name: name.replace(".", ":"))  # a dot in the name of a module is the next module


@cases(60)
@given(st.lists(NODOTS, min_size=5, max_size=5))
@example(['<a> URL="javascript:alert(1)" x=<b>'] * 5)
@example(["\\"] * 5)
def test_dot_parses_as_with_harmless_names(names):
    found, plain = tokens(graph_of(*names).dot), tokens(graph_of("op", "n", "m", "k", "l").dot)
    assert [kind for kind, _ in found] == [kind for kind, _ in plain]
    assert [text for kind, text in found if kind == "sign"] == [text for kind, text in plain if kind == "sign"]
    assert all(len(text) < 8000 for _, text in found)


def parts(svg):
    return [(e.tag, sorted(e.attrib)) for e in ET.fromstring(svg).iter()]


@cache
def harmless_parts():
    return parts(graph_of("op", "n", "m", "k", "l").svg)


@pytest.mark.slow
@cases(4)  # each starts Graphviz
@given(st.randoms(use_true_random=True).map(lambda random: [any_name(random) for _ in range(5)]))
@example(['<a> URL="javascript:alert(1)" x=<b>'] * 5)
@example(["\\"] * 5)
@example(["x" * 100_000] * 5)
def test_svg_parses_as_with_harmless_names(names):
    op, _, _, _, line = names
    svg = graph_of(*names).svg
    assert parts(svg) == harmless_parts()
    title = "{http://www.w3.org/1999/xlink}title"
    titles = [e.get(title).replace("\xa0", " ") for e in ET.fromstring(svg).iter() if title in e.attrib]
    seen = escape.printable(f"{op}()\nfloat32 (2, 2)\n{line}").replace("\t", " ").replace("\\", "⧵")
    assert len(seen) > 400 or seen in titles


# ---- no other door ---------------------------------------------------------------------------------------------------


def test_nothing_else_escapes():
    """One function for each language, in one place."""
    from pathlib import Path

    import minigrad

    root = Path(minigrad.__file__).parent
    found = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"html\.escape|import html|nohtml|graphviz\.escape|saxutils", path.read_text(encoding="utf-8"))
    ]
    assert found == ["escape.py"] and "graphviz" not in vars(sys.modules["minigrad.escape"])
