"""The command `minigrad`: it parses, calls and prints. What it does is done below it."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from . import data, kernels, nn, random, tree
from .explain import explain
from .extras import extra
from .gradcheck import gradcheck
from .graph import graph
from .ops.loss import cross_entropy
from .tape import Tensor

try:
    import click
except ModuleNotFoundError:
    raise SystemExit(
        'minigrad: the command line needs click, which is not installed: pip install "minigrad-numba[app]"'
    ) from None

CHECKED = 4  # images that a gradient check looks at
_IMAGES = {"lenet": (1, 28, 28)} | dict.fromkeys(
    ["resnet8", "resnet20", "resnet32", "resnet44", "resnet56"], (3, 32, 32)
)


class _Commands(click.Group):
    """Errors that tell the user what to do come without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (ModuleNotFoundError, FloatingPointError) as error:
            if isinstance(error, ModuleNotFoundError) and "pip install" not in str(error):
                raise
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="minigrad-numba")
def main() -> None:
    """Train, check, draw and measure small neural networks.

    A MODEL is digits, lenet, resnet8, resnet20, resnet32, resnet44 or resnet56; or path/to/file.py:function, where the
    function takes no arguments and returns (model, x) or (model, x, labels).
    """


def _settle(context: Any, parameter: Any, threads: int | None) -> None:
    if threads is not None:
        kernels.set_num_threads(threads)


_threads = click.option(
    "--threads", type=click.IntRange(1), callback=_settle, expose_value=False, help="Threads that the kernels use."
)
_seed = click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of all randomness.")
_model = click.argument("model", default="digits")


@main.command()
@click.option("--epochs", type=click.IntRange(1), help="Passes over the training images; the recipe's, if not given.")
@_seed
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="runs/digits", show_default=True,
              help="The folder to write to.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the folder's checkpoint, as if never interrupted.")
@click.option("--checkpoint-every", type=click.IntRange(1), metavar="STEPS",
              help="Write a checkpoint each so many steps too, not only after each epoch.")  # fmt: skip
@click.option("--average", type=click.FloatRange(0, 1, max_open=True), metavar="DECAY",
              help="Test and keep the exponential average of the weights, e.g. 0.995.")  # fmt: skip
@click.option("--log", "logs", type=click.Choice(["csv", "tensorboard"]), multiple=True,
              help="Write metrics.csv, or TensorBoard's event files, too.")  # fmt: skip
@_threads
@click.option("--quiet", is_flag=True, help="Show no progress bar.")
def train(epochs: int | None, seed: int, out: Path, resume: bool, checkpoint_every: int | None, average: float | None,
          logs: tuple[str, ...], quiet: bool) -> None:  # fmt: skip
    """Train a small residual CNN on handwritten digits.

    Leaves the weights, the metrics, the learning curves, the graph of one training step, a report and a checkpoint in
    a folder. Exits with 1 if a gradient of the trained model is wrong; with 130 after Ctrl-C, which leaves a checkpoint.
    """
    from . import lab, viz
    from . import train as training

    settings = lab.Settings(seed=seed, average=average)
    settings = settings if epochs is None else settings._replace(epochs=epochs)
    click.echo("Training on scikit-learn's handwritten digits.")
    makers: dict[str, Callable[[], Any]] = {
        "csv": lambda: training.CSVLog(out / "metrics.csv"),
        "tensorboard": lambda: training.TensorBoardLog(out),
    }
    try:
        run = lab.train_digits(
            settings, out=out, resume=resume, checkpoint_every=checkpoint_every, progress=not quiet,
            callbacks=[makers[name]() for name in logs],
        )  # fmt: skip
    except (training.CheckpointError, OSError) as error:
        raise click.ClickException("\n".join([str(error), *getattr(error, "__notes__", [])])) from error
    except KeyboardInterrupt as stop:
        click.echo(f"\n{stop}\nThe same command with --resume goes on from there.", err=True)
        raise SystemExit(130) from None
    digits = data.Split(run.train.dataset, run.test.dataset)
    logits, labels = training.predict(run.model, run.test)
    right, svm = int((logits.argmax(1) == labels).sum()), lab.svm_accuracy(digits)
    click.echo(f"Test accuracy: {right / len(labels):.2%} ({right} of {len(labels)}); an RBF SVM's: {svm:.2%}")

    step = lab.training_step(run)
    page = explain(run.model, *digits.train[:CHECKED], check=True)
    check = page.check
    assert check is not None
    click.echo(f"Gradient check of this very model: {check.summary}")
    viz.curves(run.records, out / "curves.png", title="Handwritten digits")
    drawn = _saved(step, out / "graph.svg")
    findings = lab.Findings(
        title="Handwritten digits",
        records=run.records,
        images=digits.test.x,
        logits=logits,
        labels=labels,
        rivals={"RBF SVM": svm},
        check=check,
        step=page,
        summary=repr(nn.summary(run.model, digits.train.x[: settings.batch_size])),
        settings=settings._asdict() | {"threads": kernels.get_num_threads()},
    )
    lab.report(findings, out / "report.html")
    click.echo(f"\nLook at {out / 'report.html'}; it shows all of these:")
    for path, what in (
        (out / "weights.safetensors", "the weights"),
        (out / "metrics.jsonl", "loss, accuracy and time, a line for each epoch"),
        (out / "checkpoint.safetensors", "all that --resume needs"),
        (out / "curves.png", "the learning curves"),
        (drawn, "the computation graph of one training step"),
    ):
        click.echo(f"  {path}  {what}")
    if not check.ok:
        raise SystemExit(1)


def _saved(step: Any, path: Path) -> Path:
    """The picture's file; where nothing can draw it, a warning, and the file of the DOT text."""
    try:
        return step.save(path)
    except RuntimeError as error:
        click.echo(f"Warning: {error}", err=True)
        return path.with_suffix(".dot")


@main.command()
@_model
@click.option("--order", type=click.IntRange(1), default=1, show_default=True, help="Derivatives up to this order.")
@_seed
@_threads
def check(model: str, order: int, seed: int) -> None:
    """Check the gradients of MODEL, in training mode.

    Batch norm uses batch statistics; dropout and stochastic depth are on, their draws held. Exits with 1 if a
    derivative is wrong.
    """
    net, inputs = _load(model, CHECKED, seed)
    report = gradcheck(net, *inputs, order=order)
    click.echo(str(report))
    if not report.ok:
        raise SystemExit(1)


@main.command(name="graph")
@_model
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="graph.svg", show_default=True,
              help="The file to write: .svg, .png, .pdf, .dot or .json.")  # fmt: skip
@click.option("--constants", is_flag=True, help="Draw constants too.")
@_seed
def draw(model: str, out: Path, constants: bool, seed: int) -> None:
    """Draw the computation graph of one training step of MODEL."""
    net, inputs = _load(model, 16, seed)
    step = graph(_recorded(net, inputs), constants=constants)
    try:
        click.echo(f"{step.save(out)}: {step!r}")
    except (RuntimeError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


@main.command(name="explain")
@_model
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="explain.html", show_default=True,
              help="The file to write: .html for the page, .svg, .png or .pdf for a picture, .json for the data.")  # fmt: skip
@click.option("--order", type=click.IntRange(1, 2), default=1, show_default=True,
              help="2: with a Hessian-vector product, along the direction in which all parameters grow alike.")  # fmt: skip
@click.option(
    "--check/--no-check", "checked", default=True, show_default=True, help="With the gradient check's verdicts."
)
@_seed
@_threads
def show(model: str, out: Path, order: int, checked: bool, seed: int) -> None:
    """Write the page on which one step of MODEL can be watched, forward and back."""
    net, inputs = _load(model, CHECKED, seed)
    loss = None if len(inputs) > 1 else lambda y: y.sum()
    page = explain(net, *inputs, order=order, check=checked, loss=loss)
    try:
        click.echo(f"{page.save(out)}: {page!r}")
    except (RuntimeError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _recorded(net: nn.Module, inputs: tuple) -> list[Tensor]:
    """The loss, if there are labels; otherwise what the model returns."""
    if len(inputs) > 1:
        return [cross_entropy(net(*inputs[:-1]), inputs[-1])]
    return [y for y in tree.flatten(net(*inputs))[0] if isinstance(y, Tensor)]


@main.command()
@click.option("--preview", is_flag=True, help="Write the picture.")
@click.option("--transform", "names", metavar="NAME", multiple=True,
              help="Show this transform, on several samples; given again, one row for each. All, if not given.")  # fmt: skip
@click.option("--data", "source", default="digits", show_default=True,
              help="'digits', 'scenes' (drawn colour images), or a folder or archive of MNIST or CIFAR files.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1, 20), default=5, show_default=True, help="How many epochs to show.")
@_seed
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default="augment.png", show_default=True,
              help="The file to write: .png, .pdf or .svg.")  # fmt: skip
def augment(preview: bool, names: tuple[str, ...], source: str, epochs: int, seed: int, out: Path) -> None:
    """List the transforms of images; with --preview, write a picture of what they do.

    Each row is a sample: as it is, then as training would see it in the first epochs.
    """
    from . import lab, viz

    images, drawn = _images(source, seed), lab.scenes(seed=seed)
    own, colored = lab.usual_transforms(images), lab.usual_transforms(drawn)
    for name in names:
        if name not in colored:
            raise click.BadParameter(f"{name!r} is none of {', '.join(colored)}", param_hint="--transform")
    if not preview:
        for name in names or colored:
            change = own.get(name, colored[name])
            click.echo(f"{name:9} {change!r}\n{'':9} {(type(change).__doc__ or '').partition(chr(10))[0]}")
        return
    rows = []
    for name in names or colored:
        dataset, change = (images, own[name]) if name in own else (drawn, colored[name])
        role = {"mix": change} if isinstance(change, data.Mix) else {"transform": change}
        loader = data.Loader(dataset, 1, seed=seed, **role)
        if len(names) == 1:
            rows = [(f"{name}, class {y}", loader, i) for i, y in enumerate(dataset.y[:6])]
        else:
            rows.append((name, loader, 0))
    if any(loader.dataset is drawn for _, loader, _ in rows) and images is not drawn:
        click.echo(f"{source} has no colours: what needs them is shown on drawn scenes.")
    try:
        viz.preview(rows, epochs, out)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {len(rows)} rows, {epochs} epochs")


def _images(source: str, seed: int) -> data.Dataset:
    """The training images of that name, folder or archive."""
    from . import lab

    if source == "digits":
        return data.digits().train
    if source == "scenes":
        return lab.scenes(seed=seed)
    try:
        return data.read(source).train
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--data") from error


@main.command()
@click.argument("surface", required=False)
@click.option("--optimizers", default="sgd,momentum,adam,lbfgs", show_default=True,
              help="Names, with commas between them.")  # fmt: skip
@click.option("--budget", type=click.IntRange(1), default=100, show_default=True,
              help="Gradients (and Hessian products) that each may evaluate.")  # fmt: skip
@click.option("--lr", "rates", metavar="NAME=RATE", multiple=True,
              help="The learning rate of an optimizer; the best of a grid, if not given.")  # fmt: skip
@click.option(
    "--start", type=float, nargs=2, help="Where to start, two numbers; the surface's own place, if not given."
)
@click.option("--animate", type=click.Choice(["gif", "html"]), help="Write an animation too.")
@click.option("--lecture", is_flag=True, help="Write the pictures of a first lecture on optimization instead.")
@_seed
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="runs/playground", show_default=True,
              help="The folder to write to.")  # fmt: skip
def playground(surface: str | None, optimizers: str, budget: int, rates: tuple[str, ...],
               start: tuple[float, float] | None, animate: str | None, lecture: bool, seed: int, out: Path) -> None:  # fmt: skip
    """Let optimizers race on SURFACE, with one budget of gradients; write the paths and the losses as pictures.

    Without a SURFACE, list surfaces and optimizers.
    """
    from .lab import playground as ground

    if lecture:
        out.mkdir(parents=True, exist_ok=True)
        for name, draw in ground.LECTURE.items():
            draw(out / f"{name}.png")
            click.echo(out / f"{name}.png")
        return
    if surface is None:
        for found in ground.SURFACES.values():
            click.echo(f"{found.name:12} {found.hard}")
        click.echo(f"\noptimizers: {', '.join(ground.OPTIMIZERS)}")
        return
    if surface not in ground.SURFACES:
        raise click.BadParameter(f"{surface!r} is none of {', '.join(ground.SURFACES)}", param_hint="SURFACE")
    place = ground.SURFACES[surface]
    try:
        given = {name: float(rate) for name, rate in (text.split("=") for text in rates)}
    except ValueError:
        raise click.BadParameter("give NAME=RATE, e.g. sgd=0.01", param_hint="--lr") from None
    try:
        tracks = ground.race(place, optimizers.split(","), budget, rates=given, start=start, seed=seed)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    ground.paths(place, tracks, out / f"{surface}-paths.png")
    ground.losses(place, tracks, out / f"{surface}-losses.png")
    for track in tracks:
        click.echo(
            f"{track.label:24} {track.losses[-1] - place.least:9.2e} above the minimum after {track.spent[-1]} evaluations"
        )
    files = [f"{surface}-paths.png", f"{surface}-losses.png"]
    if animate:
        files.append(ground.animate(place, tracks, out / f"{surface}.{animate}").name)
    click.echo("\n".join(str(out / name) for name in files))


@main.command()
@_model
@click.option("--lr", type=click.FloatRange(0, min_open=True), default=1e-3, show_default=True,
              help="The rate of the Adam that takes the steps, where MODEL comes without an optimizer.")  # fmt: skip
@_seed
@_threads
def doctor(model: str, lr: float, seed: int) -> None:
    """Examine MODEL before its training: can it learn, and if not, what is the likely cause?

    Models of the library are examined on the handwritten digits. A function in a file returns (model, x, labels), a few
    hundred samples; or also the optimizer, and a training step of yours, step(x, labels), after it. Exits with 1 if
    anything is not as expected.
    """
    from . import lab, optim

    net, x, y, *more = _patient(model, seed)
    optimizer, step = (*more, None, None)[:2]
    if optimizer is None and any(p.requires_grad for p in net.parameters()):
        optimizer = optim.Adam(net.parameters(), lr)
    try:
        with extra("tqdm", "the progress bar of doctor").tqdm(total=13, unit="check", leave=False) as bar:
            found = lab.doctor(net, x, y, optimizer=optimizer, step=step, watch=lambda finding: bar.update())
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(found))
    if not found.ok:
        raise SystemExit(1)


def _patient(name: str, seed: int) -> tuple:
    """The model of that name with samples and labels; perhaps its optimizer and its training step."""
    random.seed(seed)
    rng = np.random.default_rng(seed)
    if name != "digits" and name not in _IMAGES:
        return _own(name, (3, 4, 5), "(model, x, labels), then perhaps an optimizer and a step")
    if name == "digits":
        from .lab import DigitsNet

        net: nn.Module = DigitsNet(rng=rng)
    elif name == "lenet":
        net = nn.models.lenet(image_size=8, rng=rng)
    else:
        net = getattr(nn.models, name)(in_channels=1, rng=rng)
    return (net, *data.digits().train[:400])


@main.command(name="lecture")
@click.option("--table", is_flag=True, help="Run what has not been run yet, and write the table and its picture.")
@click.option("--seeds", type=click.IntRange(2), default=10, show_default=True, help="Runs with and without each.")
@click.option("--only", "names", metavar="NAME", multiple=True, help="This technique alone; may be given again.")
@click.option("--images", type=click.IntRange(20), default=200, show_default=True, help="How many to train on.")
@click.option("--epochs", type=click.IntRange(4), default=100, show_default=True, help="Passes over them.")
@click.option("--data", "source", default="digits", show_default=True,
              help="'digits', or a folder or archive of MNIST or CIFAR files.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes that train.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="runs/lecture", show_default=True,
              help="The folder of lecture.json, whose runs are not repeated, lecture.md and images/lecture.png.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Show no progress bar.")
def experiment(table: bool, seeds: int, names: tuple[str, ...], images: int, epochs: int, source: str, workers: int,
               out: Path, quiet: bool) -> None:  # fmt: skip
    """List the lecture's techniques; with --table, measure the test error with and without each, on few images.

    Runs that lecture.json has already are not repeated. The table is written between two marks in lecture.md.
    """
    from .lab import lecture

    for name in names:
        if name not in lecture.TECHNIQUES:
            raise click.BadParameter(f"{name!r} is none of {', '.join(lecture.TECHNIQUES)}", param_hint="--only")
    chosen = [lecture.TECHNIQUES[name] for name in names or lecture.TECHNIQUES]
    if not table:
        for t in chosen:
            click.echo(f"{t.name:26} {t.how}")
        return
    plain = lecture.Recipe(images=images, epochs=epochs)
    with _runs(quiet) as watch:
        try:
            results = lecture.complete(
                chosen, range(seeds), out / "lecture.json", plain=plain, data_from=source, workers=workers, watch=watch
            )
        except (ValueError, OSError, RuntimeError) as error:
            raise click.ClickException(str(error)) from error
    found = lecture.rows(results, lecture.TECHNIQUES.values(), plain)
    (out / "images").mkdir(parents=True, exist_ok=True)
    dots = [(row.technique.name, *row.difference, row.verdict) for row in found]
    lecture.effects(dots, out / "images" / "lecture.png", limit=8)
    page = out / "lecture.md"
    before = page.read_text(encoding="utf-8") if page.exists() else lecture.EMPTY_PAGE
    page.write_text(lecture.renewed(before, lecture.markdown(found)), encoding="utf-8")
    for row in found:
        click.echo(f"{row.technique.name:26} {row.difference[0]:+6.2f} ± {row.difference[1]:.2f}  {row.verdict}")
    click.echo(page)


@contextlib.contextmanager
def _runs(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """What is to be called with the numbers of runs done and to do: it moves a bar."""
    if quiet:
        yield None
        return
    with extra("tqdm", "the progress bar of lecture (--quiet does without)").tqdm(unit="run") as bar:

        def watch(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield watch


@main.command()
@_model
@_seed
def summary(model: str, seed: int) -> None:
    """Print the modules of MODEL: outputs, parameters, and the memory that the tape of one pass keeps."""
    net, inputs = _load(model, 16, seed)
    click.echo(repr(nn.summary(net, inputs[0])))


@main.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True,
              help="The dtype of parameters and inputs.")  # fmt: skip
@_seed
@_threads
@click.option("--quiet", is_flag=True, help="Show no progress bar.")
def warmup(models: tuple[str, ...], dtype: str, seed: int, quiet: bool) -> None:
    """Compile the kernels that training each MODEL needs, or all kernels, and keep them on disk.

    The first training step of a process then starts at once. What is on disk already is not compiled again.
    """
    from . import lab

    if not kernels.JIT:
        click.echo("MINIGRAD_JIT or NUMBA_DISABLE_JIT turns compiling off: there is nothing to do.")
        return
    samples = [_load(name, 8, seed) for name in models] if models else None
    with _progress(quiet) as watch:
        done = lab.warm_up(samples, dtype=dtype, watch=watch)
    click.echo(f"{done}")


_READY = {None: "compiling", False: "compiled", True: "on disk"}


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, bool | None], None]]:
    """What is to be called with each kernel that is being compiled, or ready: it moves a bar."""
    from .lab import warmup

    if quiet:
        yield lambda name, on_disk: None
        return
    tqdm = extra("tqdm", "the progress bar of warmup (--quiet does without)").tqdm
    with tqdm(total=len(warmup.kernels_there_are()), unit="kernel", dynamic_ncols=True) as bar:

        def watch(name: str, on_disk: bool | None) -> None:
            bar.set_description_str(f"{name}: {_READY[on_disk]}", refresh=on_disk is None)
            bar.update(on_disk is not None)

        yield watch
        bar.total = bar.n  # not all of them are needed, and some come along with others


def _load(name: str, batch: int, seed: int) -> tuple[nn.Module, tuple]:
    """The model of that name, and inputs for it; random images and labels for those of the library."""
    random.seed(seed)
    rng = np.random.default_rng(seed)
    if name == "digits":
        from .lab import DigitsNet

        return _with_images(DigitsNet(rng=rng), (batch, 1, 8, 8), rng)
    if name in _IMAGES:
        return _with_images(
            getattr(nn.models, name)(in_channels=_IMAGES[name][0], rng=rng), (batch, *_IMAGES[name]), rng
        )
    made = _own(name, (2, 3), "(model, x) or (model, x, labels)")
    return made[0], made[1:]


def _own(name: str, lengths: tuple[int, ...], wanted: str) -> tuple:
    """What the user's function returned, whose file and name `name` says."""
    path, _, function = name.rpartition(":")
    if not path.endswith(".py"):
        known = ", ".join(["digits", *_IMAGES])
        raise _bad(f"{name!r} is none of {known}, and not of the form path/to/file.py:function")
    made = _called(Path(path), function)
    if not (isinstance(made, tuple) and len(made) in lengths and isinstance(made[0], nn.Module)):
        raise _bad(f"{function} in {path} returned {type(made).__name__}; it must return {wanted}")
    return made


def _with_images(net: nn.Module, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[nn.Module, tuple]:
    return net, (rng.standard_normal(shape, np.float32), rng.integers(0, 10, shape[0]))


def _called(path: Path, function: str) -> Any:
    if not path.is_file():
        raise _bad(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    if not callable(getattr(module, function, None)):
        raise _bad(f"{path} has no function {function!r}")
    return getattr(module, function)()


def _bad(text: str) -> Exception:
    return click.BadParameter(text, param_hint="MODEL")
