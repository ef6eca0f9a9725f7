"""PyTorch's own samples agree, or the difference is meant: a test for each name, and the page that counts them all.

The tests share their tallies, in files, so that each name is run once however many workers there are; the test of the page
runs what nobody has begun.
"""

import json
import os
import time
from collections import Counter
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import meant  # noqa: E402
import objects  # noqa: E402
import samples  # noqa: E402
from documents import hold  # noqa: E402

PAGE = Path(__file__).parent.parent.parent / "docs" / "pytorch_compared.md"
KINDS = {
    "op_db": (samples.op_db(), lambda name: samples.tally_op(samples.op_db()[name])),
    "module_db": (objects.MODULES, objects.tally_module),
    "optim_db": (objects.OPTIMIZERS, objects.tally_optimizer),
}
ALL = [(kind, name) for kind, (names, _) in KINDS.items() for name in names]


@pytest.fixture(scope="session", autouse=True)
def folder(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tallies"
    shared.mkdir(exist_ok=True)
    return shared


def tallied(folder, kind, name, wait):
    """The tally, from its file or made now; None if another worker is at it, unless to wait for it."""
    at = folder / f"{kind}-{ALL.index((kind, name))}.json"
    until = time.monotonic() + 120
    while not at.exists():
        try:
            at.with_suffix(".begun").open("x").close()
        except FileExistsError:
            if not wait:
                return None
            if time.monotonic() < until:
                time.sleep(0.05)
                continue
        torch.set_num_threads(1)
        tally = KINDS[kind][1](name)
        at.with_suffix(".part").write_text(json.dumps(tally.data), encoding="utf-8")
        at.with_suffix(".part").rename(at)
    return json.loads(at.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind, name", ALL, ids=[f"{kind}-{name}" for kind, name in ALL])
def test_samples(kind, name, folder):
    tally = tallied(folder, kind, name, wait=True)
    assert not tally["differ"] + tally["errors"]["differ"], f"{tally['tried']} tried, {tally['agree']} agree"


def test_page(folder):
    for last in (False, True):
        found = {at: tallied(folder, *at, wait=last) for at in ALL}
    hold(PAGE, page(found))
    hit = Counter()
    for tally in found.values():
        hit.update(tally["meant"]), hit.update(tally["errors"]["meant"])
    stale = [m for m in meant.MEANT if not hit[m.reason]]
    assert not stale, "these differences are gone: take them off the list"


# ---- the page ------------------------------------------------------------------------------------------------------------


def page(found):
    parts = {kind: [t for (k, _), t in found.items() if k == kind] for kind in KINDS}
    return "\n".join(
        [INTRODUCTION, *counted(parts), "", *differing(found), *refused(found), *missing(parts), *left_out(parts)]
    )


INTRODUCTION = f"""# Beside PyTorch, by its own samples

PyTorch tests itself on samples of inputs for each operation, module and optimizer, and on inputs that must raise. Here
they are given to PyTorch and to what minigrad has under the same name, with the same arguments. `tests/peers/test_samples.py`
writes this page (`make peers MINIGRAD_WRITE_DOCS=1`), and fails where something differs that is not in the list below.

- Values, gradients of all inputs, and products with the Hessian of a function of the results are equal in float64, to 1e-9
  of the largest entry. Products are left out above {samples.LARGE:,} entries, and where PyTorch has no second derivative.
- The first {samples.SINGLES} samples of a name are run in float32, too: value and gradient are those of float64 to round-off
  (how far the results move when inputs move by as many roundings as there are entries), and stay float32.
- Of a name with more than {samples.MOST} samples so many are tried: the first half of them, and others evenly spread.
- Random operations are compared by shape and dtype. An optimizer takes ten steps.
- *refused*: ours raises an error that says what it does not take. *meant*: it differs, for a reason that is given below.
- Names of PyTorch's whose call has another form here (`sort` gives values and indices there; `sum(x, 0)` names its axis here)
  are called in ours, by a table: {", ".join(f"`{n}`" for n in sorted(meant.ADAPTED))}.
  [PyTorch's names](spellings.md) says which clash. Copies of views (`expand_copy`) are compared with the function itself.
- *errors*: what PyTorch refuses must raise here, too, in a message that names what was called.
"""


def number(n):
    return f"{n:,}"


def counted(parts):
    yield "| | names | with counterpart | samples | tried | agree | differ | refused | meant | errors tried | raise | differ | meant |"
    yield "|---|" + "---:|" * 12
    for kind, tallies in parts.items():
        yours = [t for t in tallies if not t["missing"] and (t["tried"] or t["errors"]["tried"])]
        errors = [t["errors"] for t in yours]
        row = [
            len(tallies), len(yours), sum(t["samples"] for t in tallies), sum(t["tried"] for t in yours),
            sum(t["agree"] for t in yours), sum(len(t["differ"]) for t in yours),
            sum(sum(t["refused"].values()) for t in yours), sum(sum(t["meant"].values()) for t in yours),
            sum(e["tried"] for e in errors), sum(e["agree"] for e in errors), sum(len(e["differ"]) for e in errors),
            sum(sum(e["meant"].values()) for e in errors),
        ]  # fmt: skip
        yield f"| `{kind}` | {' | '.join(map(number, row))} |"
    ops = parts["op_db"]
    wanted = [t for t in ops if t.get("float") and not (t["left_out"] and not t["tried"])]
    there = [t for t in wanted if not t["missing"]]
    yield ""
    yield (
        f"Of the {len(wanted)} entries of `op_db` for float inputs that are not left out, {len(there)} have a counterpart "
        f"({100 * len(there) // max(len(wanted), 1)} %). {number(sum(t['single'] for t in ops))} samples were run in float32. "
        f"{number(sum(t['once'] for t in ops))} have no second order in PyTorch."
    )


def differing(found):
    yield "## Differences that are meant\n"
    yield "| names | samples | reason |"
    yield "|---|---:|---|"
    for m in meant.MEANT:
        counts = Counter()
        for (_, name), t in found.items():
            counts[name] += t["meant"].get(m.reason, 0) + t["errors"]["meant"].get(m.reason, 0)
        names = [n for n, c in counts.items() if c]
        shown = ", ".join(f"`{n}`" for n in names[:6]) + (f" and {len(names) - 6} others" if len(names) > 6 else "")
        yield f"| {shown} | {number(sum(counts.values()))} | {m.reason} |"
    yield ""
    wrong = [(name, t) for (_, name), t in found.items() if t["differ"] or t["errors"]["differ"]]
    if wrong:
        yield "## Differences that are not\n"
        yield from (f"- `{name}`: {len(t['differ'])} samples, {len(t['errors']['differ'])} errors" for name, t in wrong)
        yield ""


def refused(found):
    yield "## Refused\n"
    yield "What ours says it does not take, of names that are there.\n"
    yield "| name | samples | of | the first message |"
    yield "|---|---:|---:|---|"
    for (_, name), t in sorted(found.items(), key=lambda item: -sum(item[1]["refused"].values())):
        if t["refused"]:
            message = next(iter(t["refused"])).replace("|", "\\|")[:110]
            yield f"| `{name}` | {sum(t['refused'].values())} | {t['tried']} | {message} |"
    yield ""


def missing(parts):
    yield "## Missing, in order of need\n"
    yield "Names without a counterpart, with the number of their samples; in italics where they have none of floats.\n"
    for kind, tallies in parts.items():
        gone = sorted((t for t in tallies if t["missing"]), key=lambda t: (-t["samples"], t["name"]))
        shown = [f"{t['name'] if t.get('float') else '*' + t['name'] + '*'} {t['samples']}" for t in gone]
        yield f"- `{kind}` ({len(gone)}): {', '.join(shown) or 'none'}"
    yield ""


def left_out(parts):
    yield "## Left out\n"
    yield "| reason | samples | names |"
    yield "|---|---:|---|"
    samples_of, names = Counter(), {}
    for tallies in parts.values():
        for t in tallies:
            for reason, n in t["left_out"].items():
                samples_of[reason] += n
                names.setdefault(reason, []).append(t["name"])
    for reason, n in samples_of.most_common():
        some = names[reason]
        shown = ", ".join(f"`{s}`" for s in some[:8]) + (f" and {len(some) - 8} others" if len(some) > 8 else "")
        yield f"| {reason} | {number(n)} | {shown} |"
    yield ""
