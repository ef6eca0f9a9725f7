"""Every Python block of README.md and docs/ runs, in order, each page in a namespace and a folder of its own."""

import html
import json
import re
from pathlib import Path

import documents
import pytest
from documents import hold

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NO_PAGE = '<script type="application/json" id="trace">{"traces": []}</script>'
BLOCK = re.compile(r"^```python\n(.*?)^```(?:\n\n^```text\n(.*?)^```)?", re.M | re.S)  # the second is what it prints


@pytest.mark.slow
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
    for drawn in tmp_path.glob("*.svg"):  # of graphs; where Graphviz sets the words differs from version to version
        if f"images/{drawn.name}" in text:
            hold(ROOT / "docs" / "images" / drawn.name, drawn.read_text(encoding="utf-8"), exact=words)
    for saved in tmp_path.glob("*.html"):
        if f"pages/{saved.name}" in text:
            hold(ROOT / "docs" / "pages" / saved.name, saved.read_text(encoding="utf-8"), exact=lasting)


def lasting(page):
    """Of a page of `mg.explain`: the viewer, and what is computed of what; not times and the last digits of numbers."""
    viewer, payload, end = re.split(
        r'(?<=json" id="trace">)(.*?)(?=</script>)', page or NO_PAGE, maxsplit=1, flags=re.S
    )
    nodes = [n for trace in json.loads(payload)["traces"] for n in trace["nodes"]]
    return viewer, end, [(n["op"], n["name"], n["shape"], n.get("inputs")) for n in nodes]


def words(svg):  # but not a loss, which differs from machine to machine
    return [re.sub(r"^\d+\.\d+$", "…", html.unescape(text)) for text in re.findall(r">([^<>]*)</text>", svg)]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=lambda p: p.name)
def test_links(page):
    for target in re.findall(r"(?:\]\(|src=\")(?!https?:|#)([^)#\"]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} points to {target}, which does not exist"


def test_a_stale_document_fails_and_is_renewed_only_on_request(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("old 1.5")
    monkeypatch.setattr(documents, "WRITE", False)
    with pytest.raises(AssertionError, match=r"page.md is stale: run `make docs`"):
        hold(page, "new 1.5")
    hold(page, "old 1.4", exact=lambda text: text.split()[0])
    assert page.read_text() == "old 1.5"
    monkeypatch.setattr(documents, "WRITE", True)
    hold(page, "new 1.4")
    assert page.read_text() == "new 1.4"
