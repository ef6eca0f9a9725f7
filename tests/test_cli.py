"""The command line: every file that `train` leaves, exit codes, and errors that say what to do."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import minigrad as mg
from minigrad import kernels, lab, nn, optim, train
from minigrad.cli import main


@pytest.fixture(autouse=True)
def threads():
    before = mg.get_num_threads()
    yield
    mg.set_num_threads(before)


def run(*args, code=0):
    result = CliRunner().invoke(main, [str(a) for a in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


MODELS = """
import numpy as np
from minigrad import Tensor, nn, ops
from minigrad.tape import elementwise, primitive

@primitive
def cube(x):
    return x**3

elementwise(cube, lambda y, x: 2.9 * x * x)  # wrong

class Cube(nn.Linear):
    def forward(self, x):
        return cube(super().forward(x))

X, Y = np.linspace(-1, 1, 12).reshape(4, 3).astype("float32"), np.array([0, 1, 1, 0])

def right():
    return nn.Linear(3, 2, rng=0), X, Y

def unlabelled():
    return nn.Linear(3, 2, rng=0), X

def wrong():
    return Cube(3, 2, rng=0), X, Y

def alone():
    return nn.Linear(3, 2)
"""


@pytest.fixture
def models(tmp_path):
    (tmp_path / "models.py").write_text(MODELS)
    return tmp_path / "models.py"


@pytest.mark.slow
def test_one_epoch_of_train_leaves_every_file(tmp_path):
    out = tmp_path / "runs" / "one"
    said = run("train", "--epochs", 1, "--seed", 3, "--out", out, "--threads", 1)
    files = {
        "checkpoint.safetensors", "curves.png", "graph.svg", "metrics.jsonl", "report.html", "weights.safetensors",
    }  # fmt: skip
    assert {p.name for p in out.iterdir()} == files
    assert all(name in said for name in files) and "RBF SVM's: 96.89%" in said and "Gradient check" in said
    (record,) = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    page = (out / "report.html").read_text()
    assert f"{record['test_accuracy']:.2%}" in page and f"{record['test_accuracy']:.2%}" in said
    assert "threads</td><td>1<" in page and "<svg" in page and "block2.shortcut.0.weight" in page
    train.load_weights(lab.DigitsNet(), out / "weights.safetensors")


@pytest.mark.slow
def test_where_nothing_draws_train_still_ends_well(tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr(sys.modules["minigrad.graph"], "_has_pygraphviz", lambda: False)
    said = run("train", "--epochs", 1, "--out", tmp_path, "--quiet")
    assert (tmp_path / "graph.dot").exists() and "graph.dot" in said and "Warning" in said and "pip install" in said


@pytest.mark.slow
def test_train_is_interrupted_refuses_other_settings_and_resumes(tmp_path, monkeypatch):
    options = f"train --epochs 1 --out {tmp_path} --average 0.9 --log csv --log tensorboard --quiet".split()
    forget = optim.AdamW.zero_grad

    def press(optimizer):
        if optimizer.steps == 3:
            signal.raise_signal(signal.SIGINT)
        forget(optimizer)

    with monkeypatch.context() as patch:
        patch.setattr(optim.AdamW, "zero_grad", press)
        said = run(*options, code=130)
    assert "stopped after step 4, 0 of 1 epochs done" in said and "The same command with --resume goes on" in said
    said = run(*options, "--resume", "--seed", 1, code=1)
    assert "train.seed: 0 in the checkpoint, 1 here" in said and "Traceback" not in said
    run(*options, "--resume")
    (record,) = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert f"{record['test_loss']!r}" in (tmp_path / "metrics.csv").read_text()
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1
    assert "average</td><td>0.9<" in (tmp_path / "report.html").read_text()


def test_check_exits_with_1_when_a_derivative_is_wrong(models):
    assert "ok: 2 exact" in run("check", f"{models}:right")
    assert "order" in run("check", f"{models}:unlabelled", "--order", 2)
    said = run("check", f"{models}:wrong", code=1)
    assert "FAILED" in said and "rule of cube" in said


def test_graph_writes_what_the_ending_says(models, tmp_path):
    assert "1 operations, 2 parameters" in run("graph", f"{models}:unlabelled", "--out", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().count("<svg") == 1
    run("graph", "digits", "--out", tmp_path / "b.json")
    nodes = json.loads((tmp_path / "b.json").read_text())["nodes"]
    assert "block1.conv1.weight" in {n["name"] for n in nodes} and nodes[-1]["shape"] == []
    assert "must be one of .svg" in run("graph", f"{models}:right", "--out", tmp_path / "c.bmp", code=1)


@pytest.mark.parametrize("name", ["digits", "lenet", "resnet8", "resnet20"])
def test_summary_knows_the_librarys_models(name):
    net = lab.DigitsNet() if name == "digits" else getattr(nn.models, name)(in_channels=1 if name == "lenet" else 3)
    assert f"{sum(p.size for p in net.parameters()):,}" in run("summary", name)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("resnet21", "'resnet21' is none of digits, lenet"),
        ("{dir}/nowhere.py:net", "there is no file"),
        ("{dir}/models.py:nowhere", "has no function 'nowhere'"),
        ("{dir}/models.py", "is none of digits"),
        ("{dir}/models.py:alone", "returned Linear; it must return (model, x) or (model, x, labels)"),
    ],
)
@pytest.mark.parametrize("command", ["check", "graph", "summary", "warmup"])
def test_a_model_that_is_not_there_is_a_usage_error(models, command, model, said):
    output = " ".join(run(command, model.format(dir=models.parent), code=2).replace("│", " ").split())
    assert said in output and "MODEL" in output


@pytest.mark.slow
@pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")
def test_warmup_says_what_it_did_and_where(models, tmp_path):
    code = "from minigrad.cli import main; main()"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code, "warmup", f"{models}:unlabelled"]
    first, again = (subprocess.run(command, env=environment, capture_output=True, text=True) for _ in range(2))
    assert re.match(rf"[1-9]\d* kernels compiled in \d+\.\d s, 0 found on disk: {tmp_path}", first.stdout)
    assert re.match(rf"0 kernels compiled in \d+\.\d s, [1-9]\d* found on disk: {tmp_path}", again.stdout)
    assert "100%" in first.stderr and "compiled" in first.stderr and "compiling kernels" not in first.stderr
    assert "kernels compiled" in run("warmup", f"{models}:right", "--quiet", "--dtype", "float64")


def test_warmup_without_the_jit(monkeypatch):
    monkeypatch.setattr(kernels, "JIT", False)
    assert "nothing to do" in run("warmup")


@pytest.mark.parametrize("bad", [["--epochs", "0"], ["--seed", "-1"], ["--threads", "0"], ["--epochs", "ten"]])
def test_bad_options_are_usage_errors(bad, tmp_path):
    assert bad[0] in run("train", *bad, "--out", tmp_path, code=2)


def test_help_for_every_command():
    assert all(name in run("--help") for name in ("train", "check", "graph", "summary", "warmup"))
    assert "Exits with 1" in run("check", "-h") and "--epochs" in run("train", "--help")


def test_a_missing_package_is_named_without_a_traceback(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    said = run("train", "--epochs", 1, "--out", tmp_path, code=1)
    assert 'pip install "minigrad-numba[app]"' in said


@pytest.mark.slow
def test_without_click_the_command_says_what_to_install():
    code = "import sys; sys.modules['click'] = None; import minigrad.cli"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "pip install" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_python_m_minigrad():
    done = subprocess.run([sys.executable, "-m", "minigrad", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "Usage: minigrad " in done.stdout


@pytest.mark.slow
def test_the_example_runs(capsys):
    example = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "digits.py"))
    assert example["main"](epochs=4) > 0.8
    said = capsys.readouterr().out
    assert "ok: " in said and "Graph(" in said
