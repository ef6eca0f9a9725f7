"""Still pictures of the ledger: all that the trace has is in them, nothing covers anything, and names are only text."""

import itertools
import sys
import xml.etree.ElementTree as ET

import pytest
from explain.handmade import array, blocks, fan, leaf, operation, trace, traces
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad.explain import still
from minigrad.explain.layout import Box, Gray, Line, Words, fit, rows_of, scene, width

SVG = "{http://www.w3.org/2000/svg}"


def said(picture):
    return [shape.text for part in picture.parts for shape in part.shapes if isinstance(shape, Words)]


def placed(words):
    """The box around a text."""
    size = width(words.text, words.size, words.bold)
    left = words.x - {"start": 0, "middle": size / 2, "end": size}[words.anchor]
    return left, words.y - 0.8 * words.size, left + size, words.y + 0.22 * words.size


def apart(a, b):
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def check_picture(picture):
    """Nothing covers a text or leaves the paper, and no two cells or leaves overlap."""
    shapes = [shape for part in picture.parts for shape in part.shapes]
    texts = [placed(shape) for shape in shapes if isinstance(shape, Words) and shape.text]
    grays = [(g.x, g.y, g.x + g.size, g.y + g.size) for g in shapes if isinstance(g, Gray)]
    for a, b in itertools.combinations(texts + grays, 2):
        assert apart(a, b)
    assert all(min(a, b) >= 0 and c <= picture.width and d <= picture.height for a, b, c, d in texts)
    cells = [s for s in shapes if isinstance(s, Box) and (s.fill.endswith("-fill") or s.fill == "ghost")]
    boxes = [(s.x, s.y, s.x + s.w, s.y + s.h) for s in cells]
    for a, b in itertools.combinations(boxes, 2):
        inner = abs(a[0] - b[0]) == 4 and abs(a[1] - b[1]) == 4  # the second sheet of a pile
        assert apart(a, b) or inner
    for line in (s for s in shapes if isinstance(s, Line)):
        assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in line.points)


def test_a_scalar_function_in_numbers():
    picture = scene(fan())
    texts = said(picture)
    assert {"value", "adjoint", "tangent", "adjoint's tangent", "add → s", "mul", "#2", "#3"} <= set(texts)
    assert {"↑ ×1", "↑ ×1.5, ×1"} <= set(texts)  # passed on as it is, or times the other factor
    assert "⊕ 1.5 + 1 = 2.5" in texts and "a, as above" in texts and "H·v 2" in texts
    check_picture(picture)


def test_no_gradient_is_a_dash_and_never_a_zero():
    made = trace([leaf(0, "x", 1.0), operation(1, "floor", [0], 1.0, None), operation(2, "add", [1], 2.0, 1.0)])
    texts = said(scene(made))
    assert texts.count("–") == 1 and "no gradient flows here" in texts and "∂ –" in texts
    assert "0" not in texts and "∂ 0" not in texts


def test_what_is_not_finite_is_seen():
    nodes = [leaf(0, "x", array(nonfinite=3), "nan"), operation(1, "log", [0], "-inf", "inf")]
    texts = said(scene(trace(nodes)))
    assert "! 3 not finite" in texts and "∂ nan" in texts and "-inf" in texts


def test_every_operation_is_in_the_picture_once():
    made = blocks(3, dropped=[1])
    rows = rows_of(made, 5, 1000)
    assert [row.node["id"] for row in rows if row.kind == "operation"] == [
        node["id"] for node in made["nodes"] if node["kind"] == "operation"
    ]
    assert [row.kind for row in rows].count("head") == 3 and [row.kind for row in rows].count("ghost") == 1
    texts = said(scene(made, depth=5))
    assert "blocks.1: not executed, p = 0.5" in texts and "blocks.2" in texts
    check_picture(scene(made, depth=5))


@pytest.mark.parametrize("count", [2, 40, 400])
def test_repeats_are_folded_until_it_fits(count):
    made = blocks(count)
    rows = rows_of(made, None, 60)
    assert len(rows) <= 60
    operations = [node["id"] for row in rows for node in row.operations]
    assert operations == [node["id"] for node in made["nodes"] if node["kind"] == "operation"]
    more = count - 1
    title, times = (f"blocks.1 … {more}", f" × {more} of 4 operations") if more > 1 else ("blocks.1", ", 4 operations")
    texts = said(scene(made))
    assert title in texts and f"Block{times}" in texts
    check_picture(scene(made))
    assert len(rows_of(made, 0, 60)) == 2 and "blocks" in said(scene(made, depth=0))


def test_what_has_no_modules_loses_its_middle():
    nodes = [leaf(0, "x", 0.5, 1.0)]
    nodes += [operation(i, "sin", [i - 1], 0.5, local=[0.9]) for i in range(1, 1001)]
    made = trace(nodes)
    rows = rows_of(made, None, 60)
    assert len(rows) == 61 and sum(len(row.operations) for row in rows) == 1000
    assert "⋮ 940 operations more" in said(scene(made))
    check_picture(scene(made))


def test_skips_have_lanes_and_those_that_find_none_are_named():
    nodes = [leaf(0, "x", 0.5, 1.0), *(operation(i, "sin", [0], 0.5) for i in range(1, 20))]
    nodes += [operation(20 + i, "add", [1 + i, 19 + i], 0.5) for i in range(18)]
    picture = scene(trace(nodes))
    check_picture(picture)
    texts = said(picture)
    edges = [s for part in picture.parts for s in part.shapes if isinstance(s, Line) and len(s.points) == 6]
    named = [text for text in texts if text.startswith("also from")]
    assert named and len([e for e in edges if e.ink == "edge"]) + len(named) == 18 + 17 - 17  # the chain needs none


def test_the_check_is_seen():
    row = {"node": 0, "name": "x", "order": 1, "verdict": "WRONG", "text": "WRONG"}
    suspect = {"node": 1, "op": "cube", "input": 0, "walk": "reverse", "got": 5.0, "expected": 7.5, "text": ""}
    check = {"ok": False, "summary": "FAILED: 1 WRONG", "rows": [row], "suspects": [suspect], "curves": []}
    made = trace([leaf(0, "x", 1.0, 1.0), operation(1, "cube", [0], 1.0)], check=check)
    texts = said(scene(made))
    assert {"✗ WRONG", "✗ rule of cube, input 0", "got 5, expected 7.5", "✗ gradient check FAILED: 1 WRONG"} <= set(
        texts
    )


@cases(60)
@given(traces(), st.sampled_from([None, 0, 1, 2]), st.integers(2, 8))
def test_nothing_covers_anything(made, depth, limit):
    check_picture(scene(made, depth, limit))


@cases(60)
@given(traces())
def test_svg_is_well_formed_and_the_same_twice(made):
    text = still.svg(made)
    assert text == still.svg(made)
    root = ET.fromstring(text)
    assert root.get("role") == "img" and root[0].tag == SVG + "title"
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
        "svg", "title", "style", "g", "rect", "text", "polyline", "polygon", "image"
    }  # fmt: skip


HOSTILE = "</title><script>alert(1)</script>&\"'\x00\x1b$\\frac{1}{0}$"


def test_hostile_names_are_text(tmp_path):
    nodes = [leaf(0, HOSTILE, array(), array(), module=HOSTILE), operation(1, HOSTILE, [0], array(), 1.0, HOSTILE)]
    made = trace(nodes, title=HOSTILE)
    root = ET.fromstring(still.svg(made))
    assert not [e for e in root.iter() if "script" in e.tag] and "<script>" in root[0].text
    for kind in ("png", "pdf"):
        assert still.save(made, tmp_path / f"x.{kind}").stat().st_size > 1000


def test_a_row_says_what_it_is_to_those_who_do_not_see_it():
    titles = [title.text for title in ET.fromstring(still.svg(fan())).iter(SVG + "title")]
    (row,) = (title for title in titles if title.startswith("#3"))
    assert row.startswith("#3 mul; value 1.5; adjoint 1; tangent 1; adjoint's tangent 2; back: 1 * 1.5, 1 * 1; f.py:1")


def test_files(tmp_path, monkeypatch):
    made = blocks(2)
    assert still.save(made, tmp_path / "x.svg").read_text(encoding="utf-8") == still.svg(made)
    assert still.save(made, tmp_path / "x.PNG").read_bytes().startswith(b"\x89PNG")
    assert still.save(made, tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(ValueError, match=r"'x.gif'.*\.svg \.png \.pdf"):
        still.save(made, tmp_path / "x.gif")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r'PNG .*pip install "minigrad-numba\[app\]"'):
        still.save(made, tmp_path / "y.png")
    assert still.save(made, tmp_path / "y.svg").exists()


def test_thumbnails_are_pictures():
    import io

    import numpy as np
    from matplotlib.image import imread

    shape = next(s for part in scene(blocks(1)).parts for s in part.shapes if isinstance(s, Gray))
    pixels = imread(io.BytesIO(still._png(shape)))
    assert (pixels == np.arange(0, 60, 10, dtype=np.uint8).reshape(2, 3) / np.float32(255)).all()


@cases(200)
@given(st.text(max_size=80), st.floats(5, 15), st.floats(30, 300))
def test_what_is_cut_fits(text, size, room):
    cut = fit(text, size, room)
    assert width(cut, size) <= room and "\n" not in cut
    assert cut == " ".join(text.split()) or cut.endswith("…")


def test_widths_are_not_less_than_those_of_the_font():
    from matplotlib import ft2font, get_data_path

    for weight in ("", "-Bold"):
        font = ft2font.FT2Font(f"{get_data_path()}/fonts/ttf/DejaVuSans{weight}.ttf")
        for c in [chr(c) for c in range(32, 127)] + list("‖·∂⊕×→↑✓✗…−αβé⋮∅∧"):
            advance = font.load_char(ord(c), flags=ft2font.LoadFlags.NO_SCALE).horiAdvance / font.units_per_EM
            assert advance <= width(c, 1, bold=weight != ""), (c, weight)
