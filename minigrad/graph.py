"""The tape as data to read and as a picture.

`graph(loss)` copies what the tape knows of a computation (operations, modules, shapes, lines of the program) into plain
values that hold no arrays, with the names that the program has for them (names.py). The picture is drawn by Graphviz: by its program `dot`, or else by pygraphviz, whose wheels
carry it. Nothing here walks the tape for derivatives, and nothing draws for longer than `TIME_LIMIT`.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import escape, names
from .errors import named
from .tape import Freed, Node, Tensor, history, state, where_is

TIME_LIMIT = 10.0  # seconds that a drawing may take
_ENTRIES = 4  # of values that are shown
_LARGE = 500  # edges, from which on Graphviz is to hurry: tapes of a walk that was recorded take it minutes
_HURRY = {"nslimit": "1", "nslimit1": "1", "mclimit": "0.1", "splines": "line"}
_FORMATS = ("svg", "png", "pdf")
_INSTALL = (
    'pip install "minigrad-numba[app]" (its pygraphviz carries Graphviz), or install Graphviz for its `dot` program'
)


class GraphNode(NamedTuple):
    """An operation of the tape, or a tensor that it began with. `id` counts in tape order."""

    id: int
    kind: str  # operation | parameter | input | constant | freed | skipped: a block that was not executed
    op: str  # '' for what the tape began with
    name: str  # the name it was given, a parameter's path, or the user's variable
    module: str  # dotted path, '' outside of modules
    shape: tuple[int, ...]
    dtype: str
    bytes: int  # of its value
    line: str  # 'file.py:12'
    params: dict[str, str]
    value: Any = None  # of few entries: a number or nested lists; 'nan' and 'inf' as text
    grad: Any = None  # likewise of a parameter; None until a backward walk has left one


class GraphEdge(NamedTuple):
    """The value of node `source` is argument number `argument` of the operation `target`."""

    source: int
    target: int
    argument: int


class Graph(NamedTuple):
    """The tape of a computation as data: `nodes` in tape order, `edges`, and the ids of the `outputs`.

    It draws itself in notebooks; `save` writes it to a file. `constants` says whether the picture shows them; the
    data always has them.
    """

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    outputs: tuple[int, ...]
    constants: bool = False

    @property
    def dot(self) -> str:
        """The picture in Graphviz' language: the same text for the same computation, byte for byte."""
        return _digraph(self).source

    def to_dict(self) -> dict[str, list]:
        """Nodes, edges and outputs as lists and dicts that `json.dumps` takes."""
        return {
            "nodes": [node._asdict() | {"shape": list(node.shape)} for node in self.nodes],
            "edges": [edge._asdict() for edge in self.edges],
            "outputs": list(self.outputs),
        }

    def save(self, path: str | os.PathLike) -> Path:
        """Write the file and return its path; its ending says what: .svg, .png, .pdf, .dot, or .json for the data.

        Raises ValueError for another ending, and RuntimeError when nothing can draw, or not within `TIME_LIMIT`; the
        DOT text is then saved beside `path`, to be drawn elsewhere.
        """
        path = Path(path)
        kind = path.suffix.removeprefix(".").lower()
        if kind not in (*_FORMATS, "dot", "gv", "json"):
            raise ValueError(f"graph: cannot save {path.name!r}; the ending must be one of .svg .png .pdf .dot .json")
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "json":
            path.write_text(json.dumps(self.to_dict(), indent=1), encoding="utf-8")
        elif kind in _FORMATS:
            try:
                path.write_bytes(self.svg.encode() if kind == "svg" else _draw(self.dot, kind))
            except RuntimeError as error:
                beside = path.with_suffix(".dot")
                beside.write_text(self.dot, encoding="utf-8")
                raise RuntimeError(f"{error}\nThe graph itself is saved in {beside}") from error
        else:
            path.write_text(self.dot, encoding="utf-8")
        return path

    @property
    def svg(self) -> str:
        """The picture in SVG; RuntimeError as from `save`."""
        drawn = _draw(self.dot, "svg").decode()
        return re.sub(
            r"<title>([^<]*)</title>", lambda title: f"<title>{escape.xml(self._said(title[1]))}</title>", drawn
        )

    def _said(self, title: str) -> str:
        """What a box or an edge is, of which Graphviz says 'n0' or 'n0->n1'; boxes of modules have a tooltip."""
        if title == "tape":
            return repr(self)
        ends = [self.nodes[int(i)] for i in re.findall(r"n(\d+)", title)] if title.startswith("n") else []
        return " → ".join(" ".join(filter(None, (node.name, node.op or node.kind))) for node in ends)

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        try:
            return bundle | {"image/svg+xml": self.svg}
        except RuntimeError as error:
            return {"text/plain": f"{self!r}\n{error}"}

    def __repr__(self) -> str:
        operations = sum(node.kind == "operation" for node in self.nodes)
        parameters = sum(node.kind == "parameter" for node in self.nodes)
        return f"Graph({operations} operations, {parameters} parameters, {len(self.edges)} edges)"


@named
def graph(ys: Tensor | Sequence[Tensor], *, constants: bool = False) -> Graph:
    """Return the recorded computation of a tensor, or of several, as a `Graph`; with `constants`, its picture has them.

    Of a loss, before `backward`, this is the graph of one training step: backward walks the same tape upwards. Tensors
    without a name of their own have that of the caller's variable; values of up to four entries are shown, and the
    gradients that parameters have. Raises RuntimeError when nothing was recorded, or when a backward walk has freed the tape.

    >>> from minigrad import tensor
    >>> x = tensor([1.0, 2.0], requires_grad=True)
    >>> g = graph((x * x).sum())
    >>> [node.op or node.kind for node in g.nodes], [tuple(edge) for edge in g.edges]
    (['parameter', 'mul', 'sum_to'], [(0, 1, 0), (0, 1, 1), (1, 2, 0)])
    """
    ys = [ys] if isinstance(ys, Tensor) else list(ys)
    for y in ys:
        _check_recorded(y)
    values = in_order(ys)
    tape = [y for y, node in values if node is y.node]
    variables = names.held()
    known = variables | names.named_values(tape)
    numbers: dict[int, int] = {}
    nodes: list[GraphNode] = []
    skips = _skipped(tape)
    for y, node in values:
        while skips and skips[0].time < node.time:
            nodes.append(_ghost(len(nodes), skips.pop(0)))
        numbers[id(y)] = len(nodes)
        name = known.get(id(y)) or variables.get(id(y.read()), "")
        nodes.append(described(len(nodes), y, node, name))
    edges = [
        GraphEdge(numbers[id(x)], numbers[id(y)], argument)
        for y, node in values
        if node is y.node
        for argument, x in enumerate(node.inputs)
    ]
    return Graph(tuple(nodes), tuple(edges), tuple(numbers[id(y)] for y in ys), constants)


def in_order(ys: Sequence[Tensor]) -> list[tuple[Tensor, Node]]:
    """Every value behind the ys in tape order, what an operation begins with just before it; each with its own node, or, of
    what the tape began with, that of its first user."""
    found: dict[int, tuple[Tensor, Node]] = {}
    for y in history(ys):
        if isinstance(y.node, Node):
            for x in y.node.inputs:
                found.setdefault(id(x), (x, y.node))
            found[id(y)] = y, y.node
    return list(found.values())


def described(i: int, y: Tensor, node: Node, name: str) -> GraphNode:
    """The value number i as data; `node` is its own, or that of its first user."""
    return _operation(i, y, node, name) if node is y.node else _begun(i, y, node, y.name or name)


def _skipped(tape: list[Tensor]) -> list[Any]:
    """The blocks that this thread did not execute between the first and the last operation of the tape, or just before."""
    times = [y.node.time for y in tape if isinstance(y.node, Node)]
    skips: list[Any] = []
    first = min(times)
    for skip in reversed(state.skips):
        if first - 1 <= skip.time < max(times):
            skips.insert(0, skip)
            first = min(first, skip.time)
    return skips


def _ghost(i: int, skip: Any) -> GraphNode:
    return GraphNode(i, "skipped", "", skip.text, skip.scope, (), "", 0, "", {})


def _check_recorded(y: Any) -> None:
    if not isinstance(y, Tensor):
        raise TypeError(f"graph: expected a tensor or a list of tensors, not {type(y).__name__}")
    if isinstance(y.node, Freed):
        name, line, freed_by, _ = y.node
        raise RuntimeError(
            f"graph: the tape of {name} ({where_is(line)}) has been freed by the backward at {where_is(freed_by)}; "
            "take the graph before backward, or pass retain_graph=True to it"
        )
    if y.node is None:
        raise RuntimeError(
            "graph: nothing was recorded: this tensor is a leaf, no input of it requires grad, or it was computed "
            "under no_grad"
        )


def _operation(i: int, y: Tensor, node: Node, name: str) -> GraphNode:
    return _described(i, "operation", y, name, node.op.name, node.scope, where_is(node.line), node.params)


def _begun(i: int, x: Tensor, user: Node, name: str) -> GraphNode:
    """What the tape began with; its first user is the operation `user`."""
    if isinstance(x.node, Freed):
        return _described(i, "freed", x, name, x.node.name, user.scope, where_is(x.node.line))
    if x.requires_grad:
        return _described(i, "parameter", x, name, module=x.name.rpartition(".")[0] if x.name else user.scope)
    # The tape does not tell data from constants. Data is named, or has axes to spare and meets no computed value.
    if name or (x.ndim > 1 and x.size > 1 and all(other.node is None for other in user.inputs)):
        return _described(i, "input", x, name)
    return _described(i, "constant", x, module=user.scope)


def _described(
    i: int,
    kind: str,
    x: Tensor,
    name: str = "",
    op: str = "",
    module: str = "",
    line: str = "",
    params: dict[str, Any] | None = None,
) -> GraphNode:
    texts = {key: _short(value) for key, value in (params or {}).items()}
    seen = _few(x.read()), None if x.grad is None else _few(x.grad)
    return GraphNode(i, kind, op, name, module, x.shape, x.dtype.name, x.nbytes, line, texts, *seen)


def _few(array: np.ndarray) -> Any:
    """A number, or nested lists, that JSON takes, of an array of few entries; None of a larger one."""
    if array.size > _ENTRIES:
        return None
    if array.ndim:
        return [_few(row) for row in array]
    number = np.asarray(array).item()
    return (
        number if isinstance(number, (bool, int)) or (type(number) is float and math.isfinite(number)) else str(number)
    )


def _digits(value: Any) -> str:
    """What `_few` gave, to four digits."""
    if isinstance(value, list):
        return f"[{', '.join(map(_digits, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _short(value: Any) -> str:
    """A parameter as a few words; arrays by dtype and shape."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{value.dtype} {value.shape}"
    text = "(" + ", ".join(map(_short, value)) + ")" if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


# ---- the picture ---------------------------------------------------------------------------------------------------

_INK, _PALE = "#1f2933", "#7b8794"
_STYLES = {  # kind: fill, border, style
    "operation": ("#ffffff", "#9aa5b1", "rounded,filled"),
    "parameter": ("#e3ecf9", "#6f94c9", "rounded,filled"),
    "input": ("#e3f3e8", "#68a67d", "rounded,filled"),
    "constant": ("#f5f7fa", "#b8c2cc", "rounded,filled,dashed"),
    "freed": ("#ffffff", "#c0504d", "rounded,filled,dashed"),
    "skipped": ("#f5f7fa", "#7b8794", "rounded,filled,dotted"),
    "output": ("#fdf0d5", "#d9a441", "rounded,filled"),
}
_GAP = '<font point-size="3"> <br/></font>'  # so that an underscore does not touch the line below
_DTYPES = {"float": "f", "complex": "c", "uint": "u", "int": "i"}


def _digraph(graph: Graph) -> Any:
    import graphviz  # 35 ms, which `import minigrad` need not pay

    is_large = len(graph.edges) > _LARGE
    layout = {"newrank": "true", "nodesep": "0.18", "ranksep": "0.28", "pad": "0.2", **(_HURRY if is_large else {})}
    picture = graphviz.Digraph(
        "tape",
        graph_attr={"fontname": "Helvetica", "bgcolor": "transparent", **layout},
        node_attr={"shape": "box", "fontname": "Helvetica", "fontsize": "11", "height": "0.3", "margin": "0.12,0.04"},
        edge_attr={"color": "#7b8794", "arrowsize": "0.55", "penwidth": "0.9"},
    )

    def fill(part: Any, box: _Box) -> None:
        for node in box.nodes:
            part.node(f"n{node.id}", **_look(node, box.path, node.id in graph.outputs))
        for inner in box.boxes:
            while not inner.nodes and len(inner.boxes) == 1:
                (inner,) = inner.boxes
            with part.subgraph(name=f"cluster_{inner.number}") as cluster:
                label = inner.path.removeprefix(box.path + ".")
                shade = ("#f7f9fb", "#eff2f6")[inner.depth % 2]
                cluster.attr(label=f"<{_line(label)}>", tooltip=escape.dot(inner.path), labeljust="l", margin="7")
                cluster.attr(style="rounded,filled", fillcolor=shade, color="#d5dce4", fontsize="10", fontcolor=_PALE)
                fill(cluster, inner)

    fill(picture, _boxed(graph))
    beside: dict[int, int] = {}  # parameter: the operation that first uses it, on whose rank it is drawn
    neighbours = [0] * len(graph.nodes)
    for source, target, argument in graph.edges:
        if not _is_shown(graph, graph.nodes[source]):
            continue
        tip = escape.dot(f"argument {argument} of {graph.nodes[target].op}")
        if graph.nodes[source].kind == "parameter" and source not in beside and not is_large:
            beside[source] = target
            neighbours[target] += 1
            picture.body.append(f"\t{{rank=same n{source} n{target}}}\n")
        if beside.get(source) == target and neighbours[target] % 2 == 0:  # every other one to the right
            picture.edge(f"n{target}", f"n{source}", dir="back", tooltip=tip)
        else:
            picture.edge(f"n{source}", f"n{target}", tooltip=tip)
    for ghost in graph.nodes:
        if ghost.kind == "skipped":
            for step in (-1, 1):  # between the operations before and after it
                near = graph.nodes[ghost.id + step :: step] if ghost.id else graph.nodes[1:] * (step == 1)
                other = next((node.id for node in near if node.kind == "operation"), None)
                if other is not None:
                    picture.edge(
                        f"n{min(ghost.id, other)}", f"n{max(ghost.id, other)}", style="dotted", arrowhead="none"
                    )
    return picture


def _is_shown(graph: Graph, node: GraphNode) -> bool:
    return graph.constants or node.kind != "constant"


class _Box(NamedTuple):
    """One call of a module: what lies in it, and the calls within."""

    path: str
    number: int
    depth: int
    nodes: list[GraphNode]
    boxes: list[_Box]


def _boxed(graph: Graph) -> _Box:
    """The nodes in nested boxes, one for each call of a module: an uninterrupted stretch of its tape.

    A module called twice is drawn twice. A call of one operation and no parameters (a ReLU) needs no box.
    """
    root = _Box("", 0, 0, [], [])
    stack, count, waiting = [root], 0, []
    for node in graph.nodes:
        if not _is_shown(graph, node):
            continue
        if node.kind not in ("operation", "skipped"):
            waiting.append(node)  # until the operation that uses it says where we are
            continue
        while stack[-1].path and not f"{node.module}.".startswith(stack[-1].path + "."):
            stack.pop()
        for path in _prefixes(node.module)[len(stack) - 1 :]:
            count += 1
            stack.append(_Box(path, count, len(stack), [], []))
            stack[-2].boxes.append(stack[-1])
        for begun in waiting:
            home = next((box for box in reversed(stack) if box.path == begun.module), stack[-1])
            home.nodes.append(begun)
        waiting = []
        stack[-1].nodes.append(node)
    _unwrap(root)
    return root


def _unwrap(box: _Box) -> None:
    for inner in list(box.boxes):
        _unwrap(inner)
        if not inner.boxes and len(inner.nodes) == 1:
            box.nodes.append(inner.nodes[0])
            box.boxes.remove(inner)
    box.nodes.sort()


def _prefixes(path: str) -> list[str]:
    """'a.b.c' → ['a', 'a.b', 'a.b.c']: every module on the way."""
    parts = path.split(".") if path else []
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _look(node: GraphNode, box: str, is_output: bool) -> dict[str, str]:
    fill, border, style = _STYLES["output" if is_output else node.kind]
    name = node.name.removeprefix(box + ".") if box else node.name
    title = f"{node.op} → {name}" if node.op and name else node.op or name or node.kind
    if node.kind == "freed":
        title += ", freed"
    size = "×".join(map(str, node.shape)) or "scalar"
    kind = node.dtype
    for long, short in _DTYPES.items():
        if kind.startswith(long):
            kind = short + kind.removeprefix(long)
            break
    label = _line(title)
    is_number = node.value is not None and not isinstance(node.value, list)
    if node.kind != "skipped" and not is_number:
        label += f"<br/>{_GAP}{_small(f'{size} {kind}')}"
    if is_number or (node.value is not None and not node.module):  # layers have biases in plenty
        label += f"<br/>{_GAP}{_small(_digits(node.value), _INK)}"
        if node.kind == "parameter":
            label += f"<br/>{_GAP}{_small('∂ ' + ('–' if node.grad is None else _digits(node.grad)), '#2f5d9b')}"
    params = [f"{key} = {value}" for key, value in node.params.items()]
    facts = [node.name, f"{node.op}({', '.join(params)})" if node.op else "", f"{node.dtype} {node.shape}", node.line]
    tip = "\n".join(fact for fact in facts if fact)
    return {
        "label": f"<{label}>",
        "tooltip": escape.dot(tip),
        "fillcolor": fill,
        "color": border,
        "style": style,
        "fontcolor": _INK,
    }


def _small(text: str, color: str = "#52606d") -> str:
    return f'<font face="Courier" point-size="9" color="{color}">{_line(text)}</font>'


def _line(text: str) -> str:
    """A line of an HTML-like label."""
    return escape.xml(_short(" ".join(text.split()))) or " "


def _draw(dot: str, kind: str) -> bytes:
    """The picture's bytes, by the first of the two ways that can; both are processes that can be stopped."""
    said = []
    for command in _ways(kind):
        try:
            done = subprocess.run(command, input=dot.encode(), capture_output=True, timeout=TIME_LIMIT, check=True)
            if done.stdout:
                return done.stdout
            error = "it wrote nothing"
        except subprocess.TimeoutExpired as late:
            count = dot.count("[label=")
            raise RuntimeError(
                f"graph: Graphviz did not lay out {count} nodes in {TIME_LIMIT:g} s; take the graph of a smaller part"
            ) from late
        except (OSError, subprocess.CalledProcessError) as failed:
            error = (getattr(failed, "stderr", None) or str(failed).encode()).decode(errors="replace").strip()
        said.append(f"{os.path.basename(command[0])} could not draw it: {error}")
    raise RuntimeError(f"graph: {said[0] if said else f'nothing here can draw it: {_INSTALL}'}")


def _ways(kind: str) -> Iterator[list[str]]:
    if program := shutil.which("dot"):
        yield [program, f"-T{kind}"]
    if _has_pygraphviz():
        yield [sys.executable, "-c", _BY_PYGRAPHVIZ, kind]


_BY_PYGRAPHVIZ = """
import sys, pygraphviz
picture = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(picture.draw(format=sys.argv[1], prog="dot"))
"""


def _has_pygraphviz() -> bool:
    from importlib.util import find_spec

    return find_spec("pygraphviz") is not None
