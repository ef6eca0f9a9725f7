"""docs/performance.md, and the lines of the table in the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import drawn
import style
from timing import AGREE, BUSY, GRADIENT, OWN, OWN_MODES, TORCH, Row


def line(row: Row) -> str:
    """A row for the terminal."""
    times = {k: v for k, v in row.medians.items() if not k.endswith(GRADIENT)}
    shown = "  ".join(f"{who} {_ms(seconds)}" for who, seconds in times.items())
    multiples = "".join(f"  {who} {m:.2f}×" for who, m in row.multiples.items())
    own = f"  of own gradient:{multiples}" if multiples else ""
    busy = f"  (others: {row.others:.1f} cores)" if row.others > BUSY else ""
    return f"{row.workload:<26}{row.threads:>2}  {_ratio(row):<18}{_ratio(row, TORCH):<18}  {shown}{own}{busy}"


def runs(rows: list[Row]) -> str:
    """What several runs of the whole table say of each row, for the terminal."""
    lines = [f"{row.workload:<26}{row.threads:>2}  {_ratio(row):<28}{_ratio(row, TORCH)}" for row in rows]
    return "\n".join([*lines, _agreement(rows)])


def write(path: Path, found: dict[str, Any]) -> None:
    """The page, whole."""
    rows, networks, blocks = found["rows"], found["networks"], found["blocks"]
    limits, slopes = found["roofline"], found["scaling"]
    busy = max((row.others for row in rows), default=0.0)
    text = PAGE.format(
        machine=found["machine"],
        agreement=_agreement(rows),
        versions=found["versions"],
        waiting=WAITING.get(os.environ.get("OMP_WAIT_POLICY"), WAITING[None]),
        networks=_table(row for row in rows if row.workload in networks),
        blocks=_table(row for row in rows if row.workload in blocks),
        products=_products(rows),
        drawn=_drawn(found["drawn"], found["drawn_rows"]),
        distribution=_list("drawn", drawn.distribution(found["drawn"])),
        worst=_worst(found["drawn_rows"]),
        count=len(found["drawn"]),
        seed=found["seed"],
        apart="\n\n".join(_list(name, values) for name, values in found["apart"].items()),
        busy=f"{busy:.1f}",
        limit=BUSY,
        flops=f"{limits['GFLOP/s']:.0f}",
        bandwidth=f"{limits['GB/s']:.0f}",
        threads=style.threads(limits["threads"]),
        slopes="; ".join(f"{k} {v['slope']:.2f}" for k, v in slopes.items() if k.endswith(OWN)).replace(f", {OWN}", ""),
    )
    path.write_text(text, encoding="utf-8")


def _ms(seconds: float) -> str:
    """Milliseconds, three digits."""
    return f"{1e3 * seconds:.3g}" if seconds < 0.1 else f"{1e3 * seconds:.0f}"


def _ratio(row: Row, peer: str = "") -> str:
    """The ratio to the fastest peer whose name begins so; its quartiles, or the ratios of all runs."""
    ratio, spread = row.ratio(peer), row.spread(peer)
    if ratio is None or spread is None:
        return "–"
    if row.runs:
        marked = "" if row.agree(peer) else " ≠"
        return f"{ratio:.2f} ({' '.join(f'{r:.2f}' for r in row.ratios(peer))}){marked}"
    return f"{ratio:.2f} ({spread[0]:.2f}–{spread[1]:.2f})"


def _table(rows: Iterable[Row]) -> str:
    """Workloads down, contenders across: milliseconds, in bold minigrad's fastest mode and the fastest peer."""
    rows = list(rows)
    modes = _columns(rows)
    lines = [["workload", "threads", *modes, "ratio", "to PyTorch"]]
    lines.append(["---"] + ["---:"] * (len(lines[0]) - 1))
    for row in rows:
        cells = {k: f"**{_ms(v)}**" if k in (row.own, row.fastest()) else _ms(v) for k, v in row.medians.items()}
        busy = " †" if row.others > BUSY else ""
        told = _ratio(row), _ratio(row, TORCH) + busy
        lines.append([row.workload, str(row.threads), *(cells.get(k, "") for k in modes), *told])
    return _lines(lines)


def _columns(rows: Iterable[Row]) -> list[str]:
    """All contenders of these rows, minigrad first."""
    found = dict.fromkeys(name for row in rows for name in row.rounds if not name.endswith(GRADIENT))
    return sorted(found, key=lambda name: name not in OWN_MODES)


def _agreement(rows: list[Row]) -> str:
    """How many rows have the same ratio in all runs, if there were several."""
    repeated = [row for row in rows if row.runs]
    if not repeated:
        return "In brackets are its quartiles over the rounds."
    agreeing = sum(row.agree() and row.agree(TORCH) for row in repeated)
    return (
        f"The whole table was measured {len(repeated[0].runs)} times; in brackets are the ratios of all runs, and the "
        f"times are those of the run with the median ratio. In {agreeing} of {len(repeated)} rows the runs agree within "
        f"{100 * (AGREE - 1):.0f} %; others are marked ≠."
    )


def _products(rows: Iterable[Row]) -> str:
    rows = [row for row in rows if row.multiples]
    modes = [name for name in _columns(rows) if any(name in row.multiples for row in rows)]
    lines = [["workload", "threads", *modes], ["---"] + ["---:"] * (1 + len(modes))]
    for row in rows:
        cells = (f"{row.multiples[who]:.2f}" if who in row.multiples else "" for who in modes)
        lines.append([row.workload, str(row.threads), *cells])
    return _lines(lines)


def _drawn(blocks: list[drawn.Block], rows: dict[drawn.Column, list[Row]]) -> str:
    """Classes down, conditions across."""
    found = {column: drawn.by_class(blocks, of_column) for column, of_column in rows.items()}
    classes = sorted(set().union(*found.values()), key=lambda name: (name != "all", name))
    lines = [["blocks", "", *map(str, found)], ["---"] + ["---:"] * (1 + len(found))]
    for name in classes:
        cells = [drawn.summary(of[name]) if name in of else "" for of in found.values()]
        lines.append([name, str(max(len(of.get(name, ())) for of in found.values())), *cells])
    return _lines(lines)


def _worst(rows: dict[drawn.Column, list[Row]], count: int = 10) -> str:
    """The blocks in which minigrad is furthest behind under any condition, with milliseconds: PyTorch's, minigrad's."""
    found: dict[str, list[Row]] = {}
    for of_column in rows.values():
        for row in of_column:
            found.setdefault(row.workload, []).append(row)
    worst = sorted(found, key=lambda name: min(row.ratio(TORCH) or 1.0 for row in found[name]))[:count]
    lines = [["the worst", *map(str, rows)], ["---"] + ["---:"] * len(rows)]
    for name in worst:
        cells = []
        for row in found[name]:
            theirs, ours = row.medians[row.fastest(TORCH) or row.own], row.medians[row.own]
            cells.append(f"{row.ratio(TORCH) or 0:.2f} ({_ms(theirs)} / {_ms(ours)})")
        lines.append([name, *cells])
    return _lines(lines)


def _lines(cells: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _list(name: str, values: dict[str, str]) -> str:
    lines = [f"| {name} | |", "| --- | ---: |", *(f"| {what} | {value} |" for what, value in values.items())]
    return "\n".join(lines)


WAITING = {
    "passive": "OMP_WAIT_POLICY=passive: OpenMP's idle threads sleep. They disturb nobody then, but small steps of PyTorch "
    "with two threads (below some 10 ms) are slower than by default: compare those at one thread.",
    None: "OMP_WAIT_POLICY is not set: OpenMP's idle threads spin for a while, and disturb whoever comes next.",
}
PAGE = """\
# Performance

`make bench ARGS=--write` measures everything on this page and writes it. The numbers are of one machine on one
day:

- {machine}
- {versions}
- {waiting}

## Whole networks

Milliseconds, float32. A *training* step is forward, backward and the optimizer's step; *hvp* is one Hessian-vector
product over all parameters, its gradient included; *hvp repeated* is one more product on a gradient that was recorded
before, as conjugate gradients need. *minigrad compile* is the same step through `mg.compile`. **ratio** is the fastest
peer over minigrad's faster mode (both in bold): above 1 minigrad is faster, below 1 it is slower; **to PyTorch** is
PyTorch's fastest mode over the same. {agreement}

{networks}

A Hessian-vector product as a multiple of the same framework's own gradient (minigrad's: the faster mode's gradient):

{products}

## Single blocks

So that nothing is tuned to one network. Forward and backward through one layer, with gradients in its input and its
parameters; the last rows are the loss, the optimizer, and 1,000 multiplications of a scalar and back (the overhead of
recorded operations).

{blocks}

## Drawn blocks

{count} blocks from seed {seed}, drawn as users build them (`tests/bench/drawn.py`): a convolution, with or without bias,
batch norm, activation, pool, and a sum with its input; forward and backward, gradients in the input and the parameters.
What each contender computes is held against a twin in float64 before it is timed. Another seed: `make bench
ARGS="drawn --seed 1"`. The ratio of PyTorch's faster layout to minigrad's faster mode: geometric mean, tenth percentile,
least. *AVX2 only*, or *SSE4.2 only*: with vector features limited to that level, for minigrad and PyTorch alike.

{drawn}

{worst}

How they are spread (least – quartiles – largest):

{distribution}

## Memory and start-up

{apart}

*Peak memory* is what a step of ResNet-20, batch 128, adds to the resident memory of a process in which the libraries
and kernels are loaded and no model exists yet: the high-water mark of the third and fourth step, with all threads.
*Start-up* is the median of five fresh processes, except with nothing on disk, which is one. A first step is timed from
before `import minigrad` to the end of the step.

## The limits of the machine

![Roofline](images/roofline.png)

The roof is measured, with {threads}: {flops} GFLOP/s for a large float32 matrix product of NumPy's BLAS and
{bandwidth} GB/s for a copy of 128 MB. A kernel's operations are those of its definition, its bytes those of its inputs
and outputs, each once. The percentage is of what the roof allows for that kernel. It can exceed 100 %: data that is in
a cache is not bound by memory, and Winograd's convolution needs fewer operations than the definition.

## How cost grows

![Scaling](images/scaling.png)

minigrad's slopes, from the last three sizes on logarithmic axes:

{slopes}.

Arithmetic alone would give 1 for batch and depth and 2 for width and image size. Less than that means that small sizes
pay mostly overhead.

## How it is measured

- **Contenders.** PyTorch eager, with channels last (images only), and compiled by `torch.compile` with channels last
  (training and inference; it is left out where it fails or needs more than two minutes); its optimizers are the fused
  ones, its fastest. JAX, with the whole step in one `jax.jit`: channels last, state donated, waited for
  (`block_until_ready`). And what runs on NumPy alone, where it can compute the row at all in reasonable time: MyGrad,
  autograd, and a tape of our own in the manner of DeZero, with convolutions by im2col (`tests/bench/numpy_peer.py`).
- **The same for all.** Every contender starts from the same weights and gets the same batch, and its results are
  compared with minigrad's by a test (`tests/peers/test_bench.py`): outputs, gradients, Hessian-vector products, and the
  losses of some training steps. Running statistics of batch norm are kept by minigrad, PyTorch and JAX.
- **Interleaved.** All contenders of a row run in one process, in turn, round after round. Each turn begins with a pause
  of a twentieth of a second, in which the threads of the one before stop waiting for work, and with steps that are not
  timed. A turn gives the median of its steps; the table gives the median over three to thirty turns.
- **Threads** are set for minigrad's kernels, for BLAS and for PyTorch alike. XLA's threads are made with its client, as
  many as `NPROC` says; JAX gets a new client when their number changes.
- Learning rates are so low that no network learns its one batch by heart: gradients would become denormal numbers,
  which processors compute many times slower.
- Hessian-vector products are reverse over reverse in PyTorch, forward over reverse in minigrad, JAX and autograd.

## Where minigrad is behind, and why

- **The tiny MLP, the small Hessian-vector products and inference of one image, against JAX at one thread.** XLA compiles
  a step to machine code; what `mg.compile` replays is still one Python call for each operation, about half a microsecond
  with NumPy and three with a kernel. Against PyTorch these rows are ahead.
- **The MLP, and a linear layer with GELU.** Their time is matrix products in NumPy's OpenBLAS, which needs 5 to 10 % longer
  for 128 rows than PyTorch's MKL, about what fusion and one optimizer kernel win back. Register tiles of our own were
  tried (as a 1×1 convolution): slower in all three products, so they are not used.
- **Few pixels and many weights** (1×1 with hundreds of channels, 7×7 on a small image): weights are packed for the register
  tiles in each call, a nanosecond for each number, and their gradient is unpacked: up to a third of such a block.
- **Depthwise convolution** of channels that fill no vector. Each multiply-add of a tile loads a vector of pixels of its own,
  half of which then lie across two cache lines, and a last vector that is half empty costs as much as a full one. Copying
  the image with its border takes another quarter of the time.
- **Groups of 8 to 30 channels**, and channels that fill no vector. Where the last vector has up to half of its channels,
  each channel has several lanes; with more, lanes stay idle, and so they do in most gradients of weights.
- **Small images with large kernels** (5×5 on 5×5 pixels). Rows of the kernel that lie outside of the image are left out,
  columns are not: a quarter of the products are with zeros. Gradients of weights leave out neither.
- **Two threads, steps below a millisecond.** Work is shared in some ten microseconds, but what one core has written, the
  other must fetch; and what is Python between two kernels, a tenth to a third of such a step, nobody shares.
- **Embedding with two threads.** Adding gradients to rows all over a table waits for memory, with two threads as long as
  with one.
- **Group norm of images.** Where images lie channels last, a group's numbers lie in all pixels: each pass reads the whole
  image, from the second cache. With each channel in one piece, PyTorch finds a group in the first.
- **Pooling in eager mode** is bound by memory: of an input that the caller may write to, the tape keeps a checksum, which
  is one more pass over it, there and back. Compiled, nothing needs to be detected.
- **Recorded operations** (the scalar chain) cost eight to ten microseconds there and back in eager mode, PyTorch's five.

## What the numbers do not say

- They hold for this processor. Another number of cores, vector width or cache may turn a ratio around; `make bench`
  says what holds on yours.
- Data loading, augmentation and evaluation are no part of a step. Batches are the same every time, and in memory.
- Nothing here is about a GPU, about lower precision, or about models larger than these.
- While a row was measured, other processes took up to {busy} cores. Rows marked † had more than {limit} taken from
  them; nothing should be concluded from those. It hits threads that wait for each other by spinning, as PyTorch's do,
  hardest.
"""
