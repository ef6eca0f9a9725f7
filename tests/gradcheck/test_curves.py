"""The curves of a report, and the report as HTML."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad import escape, nn
from minigrad.gradcheck import VERDICTS, Curve, Entry, Kink, Report, Row, Suspect, gradcheck
from minigrad.gradcheck.table import GLYPHS

EPS = np.finfo(float).eps


def curve_of_exp(**how):
    """Of exp at 0, where all derivatives are 1: along v = ±1 the errors are those of the series."""
    f = np.exp if how else mg.exp
    return gradcheck(f, np.zeros(1), curves=True, **how).curves[0]


@pytest.mark.parametrize("how", [{}, {"backward": lambda dout, x: dout * np.exp(x)}], ids=["tape", "backward"])
def test_errors_are_those_of_the_series_but_for_round_off(how):
    """Each value of exp near 1 is rounded by at most a few ε, and a quotient divides that by h."""
    curve = curve_of_exp(**how)
    h = np.array(curve.steps)
    sides = [np.abs(np.expm1(s * h) / (s * h) - 1) for s in (1, -1)]  # the direction may point either way
    assert (np.abs(np.array(curve.central) - (np.sinh(h) / h - 1)) <= 8 * EPS / h).all()
    assert (np.min([np.abs(np.array(curve.forward) - side) for side in sides], axis=0) <= 8 * EPS / h).all()
    assert (np.abs(np.array(curve.complex) - (1 - np.sin(h) / h)) <= 8 * EPS).all()  # nothing cancels: no right arm


def test_the_minimum_of_the_v_is_where_truncation_meets_round_off():
    """h²/6 = ε/h at ε^(1/3), h/2 = ε/h at ε^(1/2): beyond a factor of 100 above, truncation alone is larger."""
    curve = curve_of_exp()
    for errors, at, power in ((curve.central, EPS ** (1 / 3), 2), (curve.forward, EPS ** (1 / 2), 1)):
        best = min(errors)
        assert best <= at**power + 8 * EPS / (at / 2)
        assert all(error > best for h, error in zip(curve.steps, errors) if h > 100 * at)
    assert min(curve.complex) <= 8 * EPS


def test_every_kind_of_subject_has_curves_where_it_has_a_gradient():
    net = nn.Sequential(nn.Linear(3, 2, rng=0), nn.Tanh())
    report = gradcheck(net, np.ones((2, 3)), loss=mg.sum, curves=True)
    assert [c.name for c in report.curves] == ["0.weight", "0.bias"]
    report = gradcheck(
        lambda x, w: np.abs(x * w), *np.ones((2, 3)), backward=lambda d, x, w: (d * w, None), curves=True
    )
    assert [(c.name, c.complex) for c in report.curves] == [("x", None)]
    assert gradcheck(mg.exp, 1.0).curves == []
    (curve,) = json.loads(json.dumps(gradcheck(mg.log, np.array([1e-3]), curves=True).to_dict(), allow_nan=False))[
        "curves"
    ]
    assert curve["central"][0] == "nan" and len(curve["steps"]) == len(curve["central"]) == 29


def test_a_wrong_gradient_has_a_flat_curve():
    (curve,) = gradcheck(np.exp, np.zeros(1), backward=lambda dout, x: 2 * dout * np.exp(x), curves=True).curves
    h = np.array(curve.steps)
    assert (np.abs(np.array(curve.complex) - (1 - np.sin(h) / h / 2)) <= 8 * EPS).all()


# ---- as HTML


def reported(text):
    """A report with everything in it, and this text wherever a text is."""
    rows = [
        Row(text, (2, 3), 1, v, 1e-3, None, {text: None}, [Entry((0, 1), np.nan, 2.0, np.inf, text)], None, text)
        for v in VERDICTS
    ]
    rows[3].kink = Kink(text, (1,), text, text, 1)
    curve = Curve(text, [0.1, 1e-15], [0.0, np.nan], [1.0, np.inf], None)
    return Report(text, text, 1, rows, [Suspect(text, text, text, 0, 1, text, None, None, text)], 1, 0.5, [curve])


@pytest.mark.parametrize("text", ['<script>alert("x")</script>', 'a & b\' "c"', "\x00\u202e\ud800", "x" * 10_000])
def test_all_text_is_text(text):
    tree, plain = (ET.fromstring(reported(t)._repr_html_()) for t in (text, "plain"))
    shape = [[(e.tag, sorted(e.attrib)) for e in root.iter()] for root in (tree, plain)]
    assert shape[0] == shape[1]
    assert escape.printable(text) in "".join(tree.itertext())


def test_html_shows_what_the_text_does():
    report = gradcheck(mg.relu, np.array([1e-9, 2.0]), order=2, curves=True)
    bundle = report._repr_mimebundle_()
    assert bundle["text/plain"] == str(report)
    root = ET.fromstring(bundle["text/html"])
    said = "".join(root.itertext())
    for row in report.rows:
        assert row.text in said and f"{GLYPHS[row.verdict]}{row.text}" in said
    assert report.summary in said and len(root.findall(".//svg")) == 1
    assert set(GLYPHS) == set(VERDICTS) and len(set(GLYPHS.values())) == len(VERDICTS)
