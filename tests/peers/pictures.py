"""The same four models drawn by others and by us, each by its documented default call: `make pictures`.

Every picture is drawn in a process of its own, which has a minute. docs/pictures_compared.md is written around them:
what was drawn, how long it took and how large it is are measured; what a picture shows was judged by looking at it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
IMAGES = DOCS / "images" / "compared"
LIMIT = 60  # seconds
SIDE, BYTES = 1600, 90_000  # of a picture in the docs, at the most

MODELS = {
    "neuron": "a neuron: tanh(x1·w1 + x2·w2 + b), of numbers",
    "mlp": "a 2-16-16-2 network with tanh and cross-entropy, 32 samples",
    "lenet": "LeNet with cross-entropy, 8 images of 28×28",
    "resnet20": "ResNet-20 with cross-entropy, 8 images of 32×32",
}
NUMBERS = {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.8813735870195432}  # those of micrograd's lecture
SHAPES = {"mlp": (32, 2), "lenet": (8, 1, 28, 28), "resnet20": (8, 3, 32, 32)}
CHROMIUM = (
    "chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
)


# ---- the models ------------------------------------------------------------------------------------------------------


def batch(model: str) -> tuple[np.ndarray, np.ndarray]:
    """Normal inputs, and labels."""
    rng, shape = np.random.default_rng(0), SHAPES[model]
    return rng.standard_normal(shape).astype(np.float32), rng.integers(0, 2, shape[0])


def in_torch(model: str) -> tuple[Any, tuple]:
    """A torch module whose output is one number, and its inputs."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(0)

    class Neuron(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in ("w1", "w2", "b"):
                setattr(self, name, nn.Parameter(torch.tensor(NUMBERS[name])))

        def forward(self, x1: Any, x2: Any) -> Any:
            return torch.tanh(x1 * self.w1 + x2 * self.w2 + self.b)

    class LeNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5, padding=2)
            self.fc1, self.fc2, self.fc3 = nn.Linear(784, 120), nn.Linear(120, 84), nn.Linear(84, 10)

        def forward(self, x: Any) -> Any:
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))

    class Loss(nn.Module):
        def __init__(self, net: Any) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Any, labels: Any) -> Any:
            return F.cross_entropy(self.net(x), labels)

    if model == "neuron":
        return Neuron(), (torch.tensor(NUMBERS["x1"]), torch.tensor(NUMBERS["x2"]))
    if model == "resnet20":
        sys.path.insert(0, str(ROOT / "tests" / "bench"))
        from torch_peer import ResNet20

        net = ResNet20()
    elif model == "lenet":
        net = LeNet()
    else:
        net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
    return Loss(net), tuple(map(torch.from_numpy, batch(model)))


def in_minigrad(model: str) -> tuple[Any, tuple]:
    """A function of numbers, or a model, and what it is called with; its kernels are compiled."""
    import minigrad as mg
    from minigrad import nn

    def neuron(x1, x2, w1, w2, b):  # type: ignore[no-untyped-def]
        return mg.tanh(x1 * w1 + x2 * w2 + b)

    if model == "neuron":
        return neuron, tuple(NUMBERS.values())
    mg.seed(0)
    if model == "mlp":
        net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
    else:
        net = getattr(nn.models, model)()
    x, labels = batch(model)
    for _ in range(2):
        mg.cross_entropy(net(x), labels).backward()
    return net, (x, labels)


# ---- the tools: each draws into a file of the folder, and returns its path ----------------------------------------------


def torchviz(model: str, folder: Path) -> Any:
    from torchviz import make_dot

    net, inputs = in_torch(model)
    return lambda: make_dot(net(*inputs), params=dict(net.named_parameters())).render(folder / "graph", format="png")


def torchview(model: str, folder: Path) -> Any:
    from torchview import draw_graph

    net, inputs = in_torch(model)
    return lambda: draw_graph(net, input_data=inputs).visual_graph.render(folder / "graph", format="png")


def torchlens(model: str, folder: Path) -> Any:
    import torchlens

    net, inputs = in_torch(model)
    options = {"vis_outpath": str(folder / "graph"), "vis_fileformat": "png", "vis_save_only": True}
    return lambda: torchlens.trace(net, inputs).draw(**options)


def torchlens_backward(model: str, folder: Path) -> Any:
    import torchlens

    net, inputs = in_torch(model)
    inputs[0].requires_grad_()

    def draw() -> Any:
        trace = torchlens.trace(net, inputs, capture=torchlens.options.CaptureOptions(save_grads=True))
        trace.log_backward(trace[trace.output_layers[0]].out)
        return trace.draw_combined(vis_outpath=str(folder / "graph"), vis_fileformat="png", vis_save_only=True)

    return draw


def torchvista(model: str, folder: Path) -> Any:
    from torchvista import trace_model

    net, inputs = in_torch(model)
    net.eval()  # it warns of training mode

    def draw() -> None:
        trace_model(net, inputs, export_format="html", export_path=str(folder / "page.html"))
        photograph(folder / "page.html", folder / "graph.png")

    return draw


def micrograd(model: str, folder: Path) -> Any:
    """Its network of numbers, and the picture of its notebook: `trace_graph.ipynb` draws such boxes."""
    import random

    import graphviz
    from micrograd.engine import Value
    from micrograd.nn import MLP

    def loss() -> Any:
        if model == "neuron":
            x1, x2, w1, w2, b = map(Value, NUMBERS.values())
            return (x1 * w1 + x2 * w2 + b).relu()
        random.seed(0)
        up, down = MLP(2, [16, 16, 2])([Value(1.0), Value(-2.0)])
        return (1 + down - up).relu()  # its demo's loss

    def draw() -> None:
        root = loss()
        root.backward()
        picture, seen, waiting = graphviz.Digraph(format="png", graph_attr={"rankdir": "LR"}), set(), [root]
        while waiting:
            value = waiting.pop()
            if value in seen:
                continue
            seen.add(value)
            name = str(id(value))
            label = f"{{ data {value.data:.4f} | grad {value.grad:.4f} }}"
            picture.node(name, label=label, shape="record")
            if value._op:
                picture.node(name + value._op, label=value._op)
                picture.edge(name + value._op, name)
            for child in value._prev:
                picture.edge(str(id(child)), name + value._op)
                waiting.append(child)
        picture.render(folder / "graph")

    return draw


def graph(model: str, folder: Path) -> Any:
    import minigrad as mg

    f, args = in_minigrad(model)
    if model == "neuron":
        x1, x2, w1, w2, b = (mg.tensor(x, requires_grad=True) for x in args)
        return lambda: mg.graph(f(x1, x2, w1, w2, b)).save(folder / "graph.png")
    return lambda: mg.graph(mg.cross_entropy(f(args[0]), args[1])).save(folder / "graph.png")


def explain(model: str, folder: Path) -> Any:
    import minigrad as mg

    f, args = in_minigrad(model)
    return lambda: mg.explain(f, *args).save(folder / "graph.png")


YES = "yes"
TOOLS: dict[str, tuple[Any, str, dict[str, str]]] = {  # what draws, the call, and what the picture shows, as seen
    "minigrad": (explain, "`mg.explain(model, x, labels)`",
        {"values": YES, "gradients": YES, "way back": YES, "sums at fan-outs": YES, "rules": YES, "steps": "on its page"}),
    "minigrad's graph": (graph, "`mg.graph(loss)`", {"values": "of numbers"}),
    "torchviz": (torchviz, "`make_dot(loss, params=…)`", {"way back": "names of functions"}),
    "torchview": (torchview, "`draw_graph(model, input_data=…)`", {}),
    "torchlens": (torchlens, "`trace(model, x).draw()`", {}),
    "torchlens, backward": (torchlens_backward, "`draw_combined()` after `log_backward`",
        {"way back": "names of functions, shapes"}),
    "torchvista": (torchvista, "`trace_model(model, x)`", {}),
    "micrograd": (micrograd, "`draw_dot` of its notebook", {"values": YES, "gradients": YES}),
}  # fmt: skip
SIGNS = ("values", "gradients", "way back", "sums at fan-outs", "rules", "steps")
NOT = {("micrograd", "lenet"): "has no convolution", ("micrograd", "resnet20"): "has no convolution"}


def photograph(page: Path, picture: Path) -> None:
    """What a browser shows of a page."""
    with tempfile.TemporaryDirectory() as profile:
        how = [f"--user-data-dir={profile}", "--window-size=1400,900", "--virtual-time-budget=20000"]
        command = [*CHROMIUM.split(), *how, f"--screenshot={picture}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


# ---- drawing and measuring -------------------------------------------------------------------------------------------


def draw(tool: str, model: str, folder: Path) -> None:
    """In a process of its own: import what is needed, then draw, and print the processor's seconds that this took."""
    call = TOOLS[tool][0](model, folder)
    signal.alarm(LIMIT)  # ends this process
    begun = sum(os.times()[:4])  # with those of the programs that it starts
    call()
    print(json.dumps({"seconds": sum(os.times()[:4]) - begun}))


def measure(tool: str, model: str) -> SimpleNamespace:
    """The picture's time and size, or why there is none; the picture itself, smaller, is put into the docs."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "draw", tool, model, folder]
        run = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        out, err = run.communicate()
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)  # and what it started
        if run.returncode == -signal.SIGALRM:
            return SimpleNamespace(failed=f"not done in {LIMIT} s")
        if run.returncode:
            print(err, file=sys.stderr)
            return SimpleNamespace(failed=err.strip().splitlines()[-1][:80])
        picture = next(Path(folder).glob("graph*.png"))
        with Image.open(picture) as image:
            pixels = image.size
            paper = Image.new("RGBA", pixels, "white")
            small(Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB"), where(tool, model))
        return SimpleNamespace(seconds=json.loads(out.splitlines()[-1])["seconds"], pixels=pixels, failed="")


def where(tool: str, model: str) -> Path:
    return IMAGES / f"{tool.replace(', ', '-').replace(chr(39), '').replace(' ', '-')}-{model}.png"


def small(image: Any, path: Path) -> None:
    """The picture in at most SIDE pixels and BYTES bytes."""
    side = SIDE
    while True:
        copy = image.copy()
        copy.thumbnail((side, side), reducing_gap=3.0)
        copy.quantize(64, dither=0).save(path, optimize=True)
        if path.stat().st_size <= BYTES:
            return
        side = side * 4 // 5


# ---- the page --------------------------------------------------------------------------------------------------------


def table(found: dict[tuple[str, str], SimpleNamespace]) -> str:
    lines = ["| | call | " + " | ".join(MODELS) + " |", "|---|---|" + "---:|" * len(MODELS)]
    for tool, (_, call, _) in TOOLS.items():
        cells = []
        for model in MODELS:
            f = found[tool, model]
            cells.append(f.failed or f"{f.seconds:.2g} s, {f.pixels[0]:,} × {f.pixels[1]:,}")
        lines.append(f"| {tool} | {call} | {' | '.join(cells)} |")
    return "\n".join(lines)


def signs() -> str:
    lines = ["| | " + " | ".join(SIGNS) + " |", "|---|" + ":---:|" * len(SIGNS)]
    for tool, (_, _, shows) in TOOLS.items():
        lines.append(f"| {tool} | {' | '.join(shows.get(sign, '–') for sign in SIGNS)} |")
    return "\n".join(lines)


def gallery(found: dict[tuple[str, str], SimpleNamespace]) -> str:
    """A table for each model, three pictures a row."""
    parts = []
    for model, what in MODELS.items():
        cells = [
            f'<td align="center" valign="top"><b>{tool}</b><br>'
            f'<img src="{where(tool, model).relative_to(DOCS).as_posix()}" alt="{model}, by {tool}"></td>'
            for tool in TOOLS
            if not found[tool, model].failed
        ]
        rows = [f"<tr>\n{''.join(cells[i : i + 3])}\n</tr>" for i in range(0, len(cells), 3)]
        parts.append(f"### {what[0].upper()}{what[1:]}\n\n<table>\n{''.join(rows)}\n</table>")
    return "\n\n".join(parts)


def write(page: Path, parts: dict[str, str]) -> None:
    """Put each part between its marks."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        head, mark, rest = text.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition("<!-- end -->")
        assert mark and end, f"{page.name} has no place for {name}"
        text = f"{head}{mark}{part.rstrip()}\n{end}{tail}"
    page.write_text(text, encoding="utf-8")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    found = {}
    for tool in TOOLS:
        for model in MODELS:
            reason = NOT.get((tool, model))
            found[tool, model] = SimpleNamespace(failed=reason) if reason else measure(tool, model)
            print(tool, model, vars(found[tool, model]), flush=True)
    names = ["torch", "torchviz", "torchview", "torchlens", "torchvista", "micrograd", "graphviz"]
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    dot = subprocess.run(["dot", "-V"], capture_output=True, text=True).stderr.strip()
    write(
        DOCS / "pictures_compared.md",
        {"versions": f"{versions}; {dot}.", "times": table(found), "signs": signs(), "gallery": gallery(found)},
    )


if __name__ == "__main__":
    draw(*sys.argv[2:4], Path(sys.argv[4])) if sys.argv[1:2] == ["draw"] else main()
