"""What notebooks show: each cell is run by a real kernel, and the exported page is what a reader gets."""

import re
from pathlib import Path

import pytest
from generated import cases
from hypothesis import given
from nasty import NAMES
from test_escape import Page

from minigrad import escape, notebook

ROOT = Path(__file__).parent.parent
SETUP = """
import time
from types import SimpleNamespace

import numpy as np

import minigrad as mg
from minigrad import data, nn, optim, train
from minigrad.kernels import progress

digits = data.digits()
net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, rng=0))


def fit():
    batches = [(digits.train.x[:32], digits.train.y[:32])] * 20
    return train.fit(net, optim.SGD(net.parameters(), lr=0.1), batches, batches[:1], epochs=3)


def compile(names):
    def until_told(signature):
        said = progress.report.said
        while progress.report.said == said:
            time.sleep(0.01)

    progress.PATIENCE, progress.PACE = 0, 0.01
    for name in names:
        kernel = SimpleNamespace(__module__="conv", __name__=name, overloads={}, compile=until_told)
        progress.told(kernel, kept=False)("signature")
"""
SHOWN = {  # cell: the kinds of its outputs, in order
    "nn.summary(net, digits.train.x[:4])": [{"text/plain", "text/html"}],
    "fit()": [{"text/plain"}, {"text/plain", "text/html"}],  # the bar, and the records
    "fit();": [{"text/plain"}],
    "compile(['slow', 'slower'])": [{"text/plain"}],
    "compile(['slowest'])": [{"text/plain"}],
    "net": [{"text/plain"}],
    "optim.minimize(lambda x: (x**2).sum(), np.ones(3))": [{"text/plain"}],
    "mg.explain(lambda a, b: a * b + a, 0.5, -1.0)": [{"text/plain", "text/html", "image/svg+xml"}],
    "mg.graph(net(digits.train.x[:4]))": [{"text/plain", "image/svg+xml"}],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The notebook after its cells were run, in order."""
    import nbclient  # which takes a while, as does nbconvert
    import nbformat

    folder = tmp_path_factory.mktemp("notebook")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (SETUP, *SHOWN)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("MINIGRAD_JIT", "0")
        patch.delenv("MINIGRAD_QUIET", raising=False)
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(folder / name))
        nbclient.NotebookClient(book, timeout=60, kernel_name="python3").execute(cwd=folder)
    return book


@pytest.mark.slow
def test_every_cell_shows_what_it_should_and_nothing_else(run):
    first, *cells = run.cells
    assert not first.outputs
    assert {c.source: [set(o.get("data", o)) for o in c.outputs] for c in cells} == SHOWN


@pytest.mark.slow
def test_the_exported_page_has_each_line_once_and_no_trace_of_how_it_came(run):
    import nbconvert

    page, _ = nbconvert.HTMLExporter(template_name="basic").from_notebook_node(run)
    seen = " ".join(Page(page).texts)
    assert "\r" not in page and "Traceback" not in page and "Warning" not in page
    assert page.count("100%|") == 2 and "%|" not in page.replace("100%|", "")  # once for each of two runs
    assert seen.count("epoch 3/3") == 2 and "epoch 2/3" not in seen
    assert len(re.findall(r"minigrad: compiled kernels, once, in \d+ s", seen)) == 2 and "compiling" not in seen
    assert page.count("<table>") == 2 and page.count("data:image/svg+xml;base64,") == 1


@pytest.mark.slow
def test_a_run_leaves_as_much_as_a_short_one(run):
    """However long a line was updated: what is saved is its last state."""
    (bar,) = next(cell for cell in run.cells if cell.source == "fit();").outputs
    assert len(bar["data"]["text/plain"]) < 200


@pytest.mark.slow
def test_the_page_within_a_frame_is_whole(run):
    """A character that is replaced changes its script, which the page's own policy then refuses to run."""
    (shown,) = next(cell for cell in run.cells if cell.source.startswith("mg.explain")).outputs
    ((page,),) = ([v for k, v in attrs if k == "srcdoc"] for tag, attrs in Page(shown["data"]["text/html"]).tags)
    assert page.rstrip().endswith("</html>") and "\ufffd" not in page


class Things(notebook.Table):
    def __init__(self, rows, notes=()):
        self.cells = rows, list(notes)

    def _cells(self):
        return self.cells


@cases(40)
@given(NAMES, NAMES, NAMES)
def test_what_users_name_is_text(head, name, note):
    rows, notes = [(head, "n"), (name, "1")], [note]
    page = Page(Things(rows, notes)._repr_mimebundle_()["text/html"])
    plain = Page(Things([("a", "b")] * len(rows), ["c"] * len(notes))._repr_mimebundle_()["text/html"])
    assert page.tags == plain.tags
    assert "".join(page.texts) == "".join(map(escape.printable, [*(name for row in rows for name in row), *notes]))


def test_names_are_to_the_left_figures_to_the_right_and_no_colour_is_said():
    bundle = Things([("name", "n"), ("a", "1"), ("long", "1,000")])._repr_mimebundle_()
    assert bundle["text/plain"] == "name      n\n-----------\na         1\nlong  1,000"
    assert bundle["text/html"].count("text-align: left") == bundle["text/html"].count("text-align: right") == 3
    assert "color" not in bundle["text/html"] and "background" not in bundle["text/html"]


def test_outside_of_notebooks_there_is_no_shell(monkeypatch):
    assert notebook.shell() is None
    monkeypatch.setitem(notebook.sys.modules, "IPython", type("IPython", (), {"get_ipython": staticmethod(object)}))
    assert notebook.shell() is None  # IPython in a terminal: it has no kernel
