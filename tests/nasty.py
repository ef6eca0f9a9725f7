"""Names that mean something in DOT, HTML, XML, JavaScript or Matplotlib's formulas; for tests of whatever writes these."""

from hypothesis import strategies as st

FRAGMENTS = [
    "<", ">", "&", '"', "'", "\\", "\\N", "\\l", "\n", "\r", "\t", "\0", "\x1b[31m", "\ud800", "\ufffe", "\u202e", "%s", "{|}",
    "$", "$\\frac$", "${title}", "]]>", "-->", "<!--", "</script>", "</pre>", "<script>alert(1)</script>", "&lt;", "&#10;",
    '<a> URL="javascript:alert(1)" x=<b>', '" URL="javascript:alert(1)', '" onload="alert(1)', "javascript:", "];}", "//",
    "=HYPERLINK(1)", "../../etc/passwd", "<<b>>", "</td>", "<br/>", "é", "名", " ", "x" * 1000,
]  # fmt: skip
NAMES = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5), min_size=1, max_size=6).map("".join).filter(bool)
