"""Traces as `mg.explain` writes them, made by hand or drawn: what a picture has to cope with."""

import base64

from hypothesis import strategies as st


def array(norm=1.5, nonfinite=0, thumb=True):
    stats = {"norm": norm, "mean": 0.1, "std": 1.0, "min": -2.0, "max": 2.0, "nonfinite": nonfinite, "zeros": 0}
    if thumb:
        gray = base64.b64encode(bytes(range(0, 60, 10))).decode()
        stats["thumb"] = {"rows": 2, "columns": 3, "gray": gray, "low": -2.0, "high": 2.0}
    return stats


def leaf(id, name, value, adjoint=None, kind="parameter", group=None, **more):
    shape = [2, 3] if isinstance(value, dict) else []
    common = {"id": id, "kind": kind, "op": "", "name": name, "module": "", "group": group, "shape": shape}
    return common | {"dtype": "float64", "bytes": 8, "value": value, "adjoint": adjoint, "addends": []} | more


def operation(id, op, inputs, value, adjoint=1.0, name="", group=None, module="", **more):
    node = leaf(id, name, value, adjoint, "operation", group) | {"op": op, "module": module, "inputs": list(inputs)}
    return node | {"params": {}, "line": [0, 1], "step": 0, "kept": 8, "freed": 8, "back": "rule"} | more


def trace(nodes, groups=(), skipped=(), order=1, title="f", check=None):
    for node in nodes:  # what arrives on the way back: what its users send
        users = [(n["id"], i) for n in nodes for i, x in enumerate(n.get("inputs", ())) if x == node["id"]]
        value, tangent = node["adjoint"], node.get("adjoint_tangent")
        node["addends"] = [
            {"from": user, "argument": i, "value": value, "tangent": tangent} for user, i in users if value is not None
        ]
    rule = {"kind": "elementwise", "arguments": ["a", "b"], "up": ["g", "g * a"], "composition": None, "doc": ""}
    ops = {node["op"] for node in nodes if node["op"]}
    fixed = {"format": "minigrad-trace", "version": 1, "how": "kernels", "how_text": "", "memory": {"kept": 0}}
    sources = [{"file": "f.py", "function": "f", "first": 1, "lines": ["y = f(x)"]}]
    return fixed | {
        "title": title, "order": order, "result": nodes[-1]["id"], "nodes": nodes, "groups": list(groups),
        "skipped": list(skipped), "rules": dict.fromkeys(ops, rule), "sources": sources, "check": check,
    }  # fmt: skip


def fan():
    """(a + b) · a, with a second derivative."""
    moves = {"tangent": 1.0, "adjoint_tangent": 2.0}
    nodes = [
        leaf(0, "a", 1.5, 2.5, **moves),
        leaf(1, "b", -0.5, 1.5, **moves),
        operation(2, "add", [0, 1], 1.0, 1.5, "s", local=[1.0, 1.0], worked=["1.5", "1.5"], **moves),
        operation(3, "mul", [2, 0], 1.5, 1.0, local=[1.5, 1.0], worked=["1 * 1.5", "1 * 1"], **moves),
    ]
    made = trace(nodes, order=2)
    made["nodes"][0]["addends"][0]["value"] = 1.5
    made["nodes"][0]["addends"][1]["value"] = 1.0
    return made


def blocks(count, each=4, dropped=(), name="blocks"):
    """A chain of equal blocks in one module; those in `dropped` were not executed."""
    nodes = [leaf(0, "x", array(), kind="input")]
    groups = [{"id": 0, "parent": None, "path": name, "kind": "Sequential", "first": 1, "last": 0, "parameters": 8}]
    groups[0]["same"] = None
    skipped, before, last = [], None, 0
    for block in range(count):
        path = f"{name}.{block}"
        if block in dropped:
            skipped.append({"before": len(nodes), "group": 0, "path": path, "kind": "StochasticDepth", "p": 0.5})
            skipped[-1]["text"] = "not executed, p = 0.5"
            continue
        group = {"id": len(groups), "parent": 0, "path": path, "kind": "Block", "first": len(nodes), "parameters": 4}
        start = last
        for i in range(each):
            weight = leaf(len(nodes), f"{path}.weight{i}", array(), array(0.5), group=group["id"], module=path)
            inputs = [last, len(nodes)] if i < each - 1 else [last, len(nodes), start]
            op = operation(len(nodes) + 1, "mul", inputs, array(), array(), group=group["id"], module=path)
            nodes += [weight, op]
            last = op["id"]
        groups.append(group | {"last": last, "same": before})
        before = group["id"]
    groups[0]["last"] = last
    nodes.append(operation(len(nodes), "sum_to", [last], 2.5, 1.0, "loss"))
    return trace(nodes, groups, skipped, title="Net")


@st.composite
def traces(draw):
    """Any tape: what is used several times or by nobody, groups that begin and end anywhere, values that are no numbers."""
    order, text = draw(st.sampled_from([1, 2])), st.text(max_size=40)
    scalars = st.one_of(st.floats(-1e9, 1e9), st.sampled_from(["nan", "inf", "-inf", 0.0]))
    values = st.one_of(scalars, st.builds(array, scalars, st.integers(0, 3), st.booleans()))
    nodes, groups, open_ = [], [], []

    def moves():
        return {k: draw(st.none() | values) for k in ("tangent", "adjoint_tangent")} if order == 2 else {}

    for i in range(draw(st.integers(2, 14))):
        if open_ and draw(st.booleans()):
            open_.pop()
        if draw(st.integers(0, 3)) == 0:
            same = groups[-1]["id"] if groups and draw(st.booleans()) else None
            group = {"id": len(groups), "parent": open_[-1] if open_ else None, "path": draw(text), "kind": draw(text)}
            groups.append(group | {"first": i, "last": i, "parameters": draw(st.integers(0, 10**7)), "same": same})
            open_.append(group["id"])
        group = open_[-1] if open_ else None
        value, adjoint = draw(values), draw(st.none() | values)
        earlier = st.lists(st.integers(0, i - 1), min_size=1, max_size=4) if i else None
        if earlier is None or draw(st.integers(0, 2)) == 0:
            kind = draw(st.sampled_from(["parameter", "frozen", "input", "constant"]))
            nodes.append(leaf(i, draw(text), value, adjoint, kind, group, module=draw(text), **moves()))
        else:
            nodes.append(operation(i, draw(text) or "f", draw(earlier), value, adjoint, draw(text), group, **moves()))
    nodes.append(operation(len(nodes), "add", [len(nodes) - 1], 1.0, 1.0, **moves()))
    skipped = [
        {
            "before": draw(st.integers(0, len(nodes))),
            "group": None,
            "path": draw(text),
            "kind": "D",
            "p": 0.5,
            "text": "no",
        }
        for _ in range(draw(st.integers(0, 2)))
    ]
    skipped.sort(key=lambda skip: skip["before"])
    return trace(nodes, groups, skipped, order, draw(text))
