"""The report: every section there, well formed, self-contained, nothing unescaped."""

import io
import struct
import sys
import xml.etree.ElementTree as ET
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st
from nasty import NAMES

import minigrad as mg
from minigrad import escape, lab, nn
from minigrad.gradcheck import KINK, Kink, Report, Row, Suspect, gradcheck
from minigrad.lab.report import png

RECORDS = [
    {"epoch": e, "loss": 2 / e, "accuracy": 1 - 0.5 / e, "test_loss": 1.9 / e, "test_accuracy": 1 - 0.4 / e,
     "step_ms": 1.5, "seconds": 2.0, "lr": 0.1} for e in (1, 2, 3)
]  # fmt: skip
LABELS = np.array([0, 1, 2, 1])
LOGITS = np.array([[3.0, 0, 0], [0, 3, 0], [0, 2, 0], [1, 0, 0]])  # the last two are wrong
SECTIONS = ["Result", "Learning curves", "Confusion matrix", "The 2 it got wrong", "One training step",
            "Model", "Settings"]  # fmt: skip


class Text(HTMLParser):
    """The words of a page, and the balance of its tags."""

    void = ("meta", "img", "br")

    def __init__(self):
        super().__init__()
        self.words, self.open, self.links, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, sorted(key for key, _ in attrs)))
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [value for key, value in attrs if key in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.words.append(text)


@pytest.fixture
def findings():
    net = nn.Sequential(nn.Linear(4, 3, rng=0), nn.ReLU(), nn.Linear(3, 3, rng=0))
    x = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
    net.parameters()
    return lab.Findings(
        title="Digits <&> friends",
        records=RECORDS,
        images=np.linspace(0, 1, 4 * 64).reshape(4, 1, 8, 8),
        logits=LOGITS,
        labels=LABELS,
        rivals={"RBF SVM": 0.969},
        check=gradcheck(net, x, LABELS),
        step=mg.explain(net, x, LABELS, check=True),
        summary="a table <of> layers",
        settings={"seed": 0, "note": "<script>alert(1)</script>"},
    )


def parsed(page):
    text = Text()
    text.feed(page)
    text.close()
    assert not text.open
    return text


@pytest.mark.slow
def test_every_section_is_there_and_the_page_is_well_formed(findings, tmp_path):
    page = lab.report(findings, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page
    text = parsed(page)
    words = " ".join(text.words)
    for part in [*SECTIONS, "50.00%", "2 of 4 images", "96.90%", "1.5 ms", "6 s", findings.check.summary, "0.weight"]:
        assert part in words, part
    assert [f'id="{i}"' in page for i in ("result", "confusion-matrix", "one-training-step")] == [True] * 3
    ET.fromstring(page.partition("\n")[2])  # XML too


@pytest.mark.slow
def test_the_page_needs_nothing_else(findings):
    text = parsed(lab.report(findings))
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in text.links)
    page = lab.report(findings)
    assert "<script" not in page and "@import" not in page and "url(" not in page


@pytest.mark.slow
def test_what_users_write_is_escaped(findings):
    page = lab.report(findings)
    assert "alert(1)" in page and "<script>" not in page
    assert "Digits &lt;&amp;&gt; friends" in page and "a table &lt;of&gt; layers" in page


@pytest.mark.slow
@cases(20)
@given(st.lists(NAMES, min_size=12, max_size=12))
def test_any_name_leaves_the_page_as_a_harmless_one_does(findings, names):
    module = sys.modules["minigrad.lab.report"]

    def page(names):
        title, rival, summary, key, value, name, verdict, op, scope, suspect, first, said = names
        row = Row(name, (2,), 1, KINK, kink=Kink(op, (1,), first, scope, 1), detail=said)
        check = Report(title, "float64", 1, [row], [Suspect(suspect, first, scope, 0, 1, "reverse", None, None, said)])
        settings, rivals = {key: value, "verdict": verdict}, {rival: 0.5}
        return lab.report(
            findings._replace(title=title, rivals=rivals, summary=summary, settings=settings, check=check)
        )

    with pytest.MonkeyPatch.context() as patch:  # what is drawn is not about names, and takes long
        patch.setattr(module, "_curves", lambda f: "")
        patch.setattr(module, "frame", lambda page, height: "")
        found, plain = page(names), page([*"abcdefghijkl"])
    assert parsed(found).tags == parsed(plain).tags
    shape = [[(e.tag, sorted(e.attrib)) for e in ET.fromstring(p.partition("\n")[2]).iter()] for p in (found, plain)]
    assert shape[0] == shape[1]
    said = "".join(parsed(found).words)
    assert all(escape.printable(name) in said for name in names[:6])


@pytest.mark.slow
def test_confusion_and_mistakes_are_those_of_the_logits(findings):
    page = lab.report(findings)
    assert page.count("<figure>") == 2
    first, second = page.index("test image 2: 2, taken for 1"), page.index("test image 3: 1, taken for 0")
    assert first < second  # the surest first
    e = np.e
    assert f"{e**2 / (e**2 + 2):.0%}" in page and f"{e / (e + 2):.0%}" in page
    rows = ET.fromstring(page.partition("\n")[2]).findall('.//table[@class="confusion"]/tr')[1:]
    cells = [[c.text for c in row.findall("td")] for row in rows]
    assert cells == [["1", "·", "·", "100.0%"], ["1", "1", "·", "50.0%"], ["·", "1", "·", "0.0%"]]


@pytest.mark.slow
def test_no_mistakes_and_a_wrong_gradient_are_said(findings):
    page = lab.report(findings._replace(labels=LOGITS.argmax(1)))
    assert "Every test image was recognised" in page and "<figure>" not in page
    findings.check.rows[0].verdict = "WRONG"
    page = lab.report(findings)
    assert "FAILED" in page and "✗</span>WRONG" in page


def test_png_holds_the_pixels():
    gray = np.array([[0.0, 1.0, 0.5], [2.0, -1.0, 0.2]])
    content = png(gray)
    start = content.index(b"IDAT")
    size = struct.unpack(">I", content[start - 4 : start])[0]
    rows = np.frombuffer(zlib.decompress(content[start + 4 : start + 4 + size]), np.uint8).reshape(2, 4)
    np.testing.assert_array_equal(rows, [[0, 0, 255, 128], [0, 255, 0, 51]])
    from matplotlib.image import imread

    np.testing.assert_allclose(
        imread(io.BytesIO(content))[..., :3].reshape(2, 3, -1)[..., 0], rows[:, 1:] / 255, atol=1e-6
    )


@pytest.mark.slow
def test_the_step_is_the_page_of_an_explanation(findings):
    page = lab.report(findings)
    assert escape.page(findings.step.html) in page and 'sandbox="allow-scripts"' in page
