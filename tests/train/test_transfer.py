"""Transfer: frozen is frozen through real training, the audit finds whatever moved, loading passes nothing over."""

import copy
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import minigrad as mg
from minigrad import data, lab, nn, optim, train
from minigrad.train.transfer import Audit, GradualUnfreezing

X, Y = (a[:96] for a in data.digits().train[:])
BATCHES = data.Loader(data.Dataset(X, Y), 32, seed=0)


def digits_net(seed=0):
    return lab.DigitsNet(width=4, dropout=0.5, stochastic_depth=0.2, rng=seed)


def fit(model, epochs=2, optimizer=None, **options):
    optimizer = optimizer or optim.AdamW(model.parameters(), 1e-2, weight_decay=0.1)
    return train.fit(model, optimizer, BATCHES, epochs=epochs, progress=False, **options)


def paths(model, learning=True):
    return [path for path, p in model.named_parameters() if p.requires_grad == learning]


def test_frozen_layers_survive_train_and_nothing_of_them_moves():
    model = digits_net()
    train.freeze(model, "conv", "bn", "block?")
    assert paths(model) == ["fc.weight", "fc.bias"]
    before = {path: a.tobytes() for path, a in model.state_dict().items()}
    with Audit(model) as audit:
        fit(model)  # calls train(), with weight decay, momentum and batch norm
    moved = {path for path, a in model.state_dict().items() if a.tobytes() != before[path]}
    assert moved == {"fc.weight", "fc.bias"} and audit.changes == []
    assert len(audit.before) == len(before) - 2
    frozen = {path for path, m in model.named_modules() if not m.training}
    assert {"bn", "block1", "block1.drop", "block2.shortcut.1"} <= frozen and model.training and model.dropout.training


def test_what_is_frozen_by_hand_is_caught_by_the_audit():
    model = digits_net()
    for part in model.conv, model.bn, model.block1, model.block2:
        part.requires_grad_(False)
    audit = Audit(model)
    assert audit.look() == []
    fit(model, 1)
    kinds = {(change.kind, change.path.rpartition(".")[2]) for change in audit.look()}
    assert kinds == {("buffer", name) for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert all(change.largest > 0 for change in audit.changes)
    model.conv.weight.data = model.conv.weight.data + np.float32(0.5)
    weight = next(change for change in audit.look() if change.path == "conv.weight")
    assert str(weight) == "parameter conv.weight moved by up to 0.5"
    model.conv = nn.Conv2d(1, 8, 3)
    gone = next(change for change in audit.look() if change.path == "conv.weight")
    assert np.isnan(gone.largest)


def test_an_audit_of_what_learns_finds_nothing_to_look_at():
    assert Audit(digits_net()).before == {}


def test_a_batch_norm_without_parameters_is_frozen_with_what_holds_it():
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, affine=False)), nn.Linear(3, 2))
    train.freeze(model, "0.0")
    with Audit(model) as audit:
        model.train()(np.ones((4, 3), "f"))
    assert audit.changes == [] and not model[0][1].training  # nothing in "0" is left to learn


def test_single_parameters_freeze_but_not_their_module():
    model = digits_net()
    assert train.freeze(model, "*.bias") == paths(model, learning=False)
    assert all(path.endswith(".bias") for path in paths(model, learning=False)) and model.train().bn.training


def test_unfreezing_gives_back_what_was_frozen():
    model = digits_net()
    modes = [m.training for m in model.modules()]
    assert len(train.freeze(model, "*")) == len(model.parameters()) and not model.train().training
    assert train.unfreeze(model, "fc") == [path for path, _ in model.named_parameters() if "fc" not in path]
    assert model.training and not model.bn.training
    assert train.unfreeze(model, "*") == [] and [m.training for m in model.modules()] == modes


@pytest.mark.parametrize("act", [train.freeze, train.unfreeze])
def test_a_pattern_without_a_match_is_refused(act):
    with pytest.raises(ValueError, match=r"matches 'blok1'; there are block1"):
        act(digits_net(), "fc", "blok1")


# ---- gradual unfreezing, rates, the head

LAYERS = [["conv", "bn"], "block1", "block2", "fc"]


def test_layers_thaw_one_by_one_from_the_last():
    model, seen = digits_net(), []
    thaw = GradualUnfreezing(model, LAYERS)
    fit(model, 5, callbacks=[lambda state: seen.append({path.split(".")[0] for path in paths(model)}), thaw])
    assert seen == [
        {"fc"},
        {"fc", "block2"},
        {"fc", "block2", "block1"},
        *[{"fc", "block2", "block1", "bn", "conv"}] * 2,
    ]
    assert all(m.training for m in model.modules())


def test_what_has_not_thawed_has_not_moved():
    model = digits_net()
    thaw = GradualUnfreezing(model, LAYERS, every=2)
    with Audit(model) as audit:
        fit(model, 2, callbacks=[thaw])
    assert audit.changes == [] and "block2.bn1.weight" in paths(model)


@pytest.mark.slow
def test_a_resumed_run_thaws_as_the_uninterrupted_one(tmp_path):
    def run(out, interrupted_after=0):
        model, BATCHES.epoch = digits_net(), 0
        callbacks = [GradualUnfreezing(model, LAYERS), _Interrupt(interrupted_after)]
        fit(model, 4, callbacks=callbacks, out=tmp_path / out, resume=True)
        return {path: a.tobytes() for path, a in model.state_dict().items()}

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("part", interrupted_after=3)
    assert run("part") == whole


class _Interrupt:
    """Ctrl-C after that epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def __call__(self, state):
        if state.epoch == self.epoch:
            raise KeyboardInterrupt


def test_rates_fall_from_the_last_layer_to_the_first():
    model = lab.DigitsNet(width=4, dropout=0, stochastic_depth=0, rng=0)
    groups = train.discriminative_rates(model, 0.26, layers=LAYERS)
    assert np.allclose([g["lr"] for g in groups], [0.26 / 2.6**3, 0.26 / 2.6**2, 0.1, 0.26])  # Howard, Ruder 2018
    before = copy.deepcopy(model.state_dict())
    x, y = X[:32], Y[:32]
    optimizer = optim.SGD(groups, 0.26)
    mg.cross_entropy(model(x), y).backward()
    grads = {path: p.grad for path, p in model.named_parameters()}
    optimizer.step()
    for path, lr in [("conv.weight", groups[0]["lr"]), ("block2.bn1.bias", 0.1), ("fc.weight", 0.26)]:
        assert np.allclose(dict(model.named_parameters())[path].data, before[path] - lr * grads[path], atol=1e-6)


def test_a_schedule_is_scaled_for_each_layer():
    groups = train.discriminative_rates(digits_net(), optim.schedules.exponential(1.0, 0.5), factor=10)
    assert len(groups) == 5 and np.isclose(groups[-2]["lr"](3), 0.1 * np.exp(-1.5))


@pytest.mark.parametrize(("layers", "said"), [(["conv", "block?", "fc"], "bn.weight is in 0"), (["*", "fc"], "in 2"), (["konv"], "matches 'konv'")])  # fmt: skip
def test_layers_that_do_not_divide_the_model_are_refused(layers, said):
    with pytest.raises(ValueError, match=said):
        train.discriminative_rates(digits_net(), 0.1, layers=layers)


def test_a_new_head_takes_the_place_of_the_old():
    model = digits_net()
    old = train.replace_head(model, "fc", nn.Linear(model.fc.in_features, 5, rng=1))
    assert old.out_features == 10 and model(X[:2]).shape == (2, 5)
    inside = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    train.replace_head(inside, "1", nn.Linear(64, 3))
    assert inside(X[:2]).shape == (2, 3)
    held = nn.Module()
    held.parts, held.named = [nn.Linear(2, 2)], {"a": nn.Linear(2, 2)}
    train.replace_head(held, "parts.0", nn.Linear(2, 3))
    train.replace_head(held, "named.a", nn.Linear(2, 4))
    assert held.parts[0].out_features == 3 and held.named["a"].out_features == 4


@pytest.mark.parametrize(("path", "features", "said"), [("fcc", 64, "there are fc"), ("fc", 3, "takes 128 features")])
def test_a_head_that_does_not_fit_is_refused(path, features, said):
    with pytest.raises(ValueError, match=said):
        train.replace_head(digits_net(), path, nn.Linear(features, 5))


# ---- pretrained weights


@pytest.fixture
def pretrained(tmp_path):
    model = digits_net(seed=3)
    fit(model, 1)
    train.save_weights(model, tmp_path / "weights.safetensors")
    return model, tmp_path / "weights.safetensors"


def test_a_trunk_is_loaded_and_the_head_reported(pretrained):
    old, file = pretrained
    model = digits_net()
    train.replace_head(model, "fc", nn.Linear(model.fc.in_features, 5, rng=1))
    head = model.fc.weight.data.copy()
    found = train.load_pretrained(model, file, may_differ=["fc.*"])
    assert set(found.misfits) == {"fc.weight", "fc.bias"} and found.missing == found.unexpected == []
    assert set(found.matched) == set(old.state_dict()) - {"fc.weight", "fc.bias"}
    assert all(np.array_equal(old.state_dict()[path], model.state_dict()[path]) for path in found.matched)
    assert np.array_equal(model.fc.weight.data, head) and "fc.bias: (10,) in the file, (5,) in the model" in str(found)


def test_nothing_is_passed_over_in_silence(pretrained, tmp_path):
    old, _ = pretrained
    entries = {path: a for path, a in old.state_dict().items() if path != "bn.weight"}
    entries |= {"extra": np.zeros(3, "f"), "conv.weight": np.zeros((4, 1, 5, 5), "f"), "bn.bias": np.zeros(4, "c8")}
    model = digits_net()
    before = model.state_dict()
    with pytest.raises(ValueError) as caught:
        train.load_pretrained(model, entries, may_differ=["extra"])
    for text in ("3 entries differ", "only in the model: bn.weight", "only in the file: extra",
                 "conv.weight: (4, 1, 5, 5) in the file, (4, 1, 3, 3) in the model", "bn.bias: complex64 in the file"):  # fmt: skip
        assert text in str(caught.value)
    assert all(np.array_equal(before[path], a) for path, a in model.state_dict().items())
    found = train.load_pretrained(model, entries, may_differ=["*"])
    assert (found.missing, found.unexpected, len(found.misfits)) == (["bn.weight"], ["extra"], 2)


def test_other_names_and_dtypes_are_translated(pretrained, tmp_path):
    old, _ = pretrained
    file = tmp_path / "other.safetensors"
    save_file({f"module.{path}": np.asarray(a, np.float64 if a.dtype.kind == "f" else a.dtype) for path, a in old.state_dict().items()}, file)  # fmt: skip
    model = digits_net()
    found = train.load_pretrained(model, file, rename=lambda path: path.removeprefix("module."))
    assert len(found.matched) == len(old.state_dict()) and model.conv.weight.dtype == np.float32
    assert np.array_equal(model.conv.weight.data, old.conv.weight.data)
    with pytest.raises(ValueError, match="no entry of the file fits"):
        train.load_pretrained(model, file, may_differ=["*"])
    with pytest.raises(ValueError, match="one path"):
        train.load_pretrained(model, file, rename=lambda path: "conv.weight")


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match="no file of weights"):
        train.load_pretrained(digits_net(), tmp_path / "w.safetensors")


@pytest.mark.slow
def test_the_example_prints_a_table_and_audits_itself(tmp_path, capsys):
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "transfer.py"))
    with ThreadPoolExecutor(1) as pool:
        example["main"].__globals__.update(LABELS=(1, 2), STEPS=2)
        example["main"].__globals__["errors"].__defaults__ = ((1, 2), 2)
        example["main"](str(tmp_path), 2, pool)
    said = capsys.readouterr().out
    assert said.startswith("| labels of each digit | 1 | 2 |") and "fine-tuned, minus from scratch" in said
    assert (tmp_path / "transfer.png").stat().st_size > 5000
    part = example["few"](3, 0)
    assert np.array_equal(np.bincount(part.y), [3] * 5)
