"""Every Python block of README.md and docs/ runs, in order, each page in a namespace and a folder of its own."""

import re
from pathlib import Path

import pytest
from documents import hold

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```(?:\n\n^```text\n(.*?)^```)?", re.M | re.S)  # the second is what it prints


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_page(page, tmp_path, monkeypatch, capsys):
    text = page.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names = {"__name__": "page"}
    for match in BLOCK.finditer(text):
        line = text[: match.start(1)].count("\n")
        code = compile("\n" * line + match.group(1), str(page), "exec")  # tracebacks name the page's own lines
        capsys.readouterr()
        exec(code, names)
        assert match.group(2) in (None, capsys.readouterr().out)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=lambda p: p.name)
def test_links(page):
    for target in re.findall(r"(?:\]\(|src=\")(?!https?:|#)([^)#\"]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} points to {target}, which does not exist"


def test_the_first_picture_is_that_of_the_first_lines(tmp_path, monkeypatch):
    """Its words are; where Graphviz sets them differs from version to version."""
    monkeypatch.chdir(tmp_path)
    exec(BLOCK.search(PAGES[0].read_text(encoding="utf-8")).group(1), {})
    drawn = (tmp_path / "neuron.svg").read_text(encoding="utf-8")
    hold(ROOT / "docs" / "images" / "neuron.svg", drawn, exact=lambda svg: re.findall(r">([^<>]+)</text>", svg))
