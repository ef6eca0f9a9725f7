"""State: saved in mid-run and loaded into a new optimizer, every rule goes on bit for bit; a wrong one is refused."""

import numpy as np
import pytest
from optim.rules import RULES

import minigrad as mg
from minigrad import optim

rng = np.random.default_rng(2)
START, OTHER = rng.normal(size=(5, 3)), rng.normal(size=(4,)).astype(np.float32)
GRADS = [(rng.normal(size=(5, 3)), rng.normal(size=4).astype(np.float32) if k % 3 else None) for k in range(12)]


def leaves(*values):
    return [mg.tensor(v, requires_grad=True) for v in values]


def run(opt, grads):
    for gs in grads:
        for p, g in zip(opt.params, gs):
            p.grad = g
        opt.step()


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["a number", "a function of the step"])
@pytest.mark.parametrize("name", RULES)
def test_resuming_is_exact(name, rate):
    """Two groups, two dtypes, a parameter that is skipped now and then, hyperparameters that change in mid-run."""
    rule, _, options = RULES[name]
    lr = 0.05 if rate == "a number" else optim.schedules.cosine(0.1, 12)
    options = {**options, "lr": lr}

    def make(params):
        return rule([{"params": params[:1]}, {"params": params[1:], "weight_decay": 0.25}], **options)

    if not {"weight_decay"} <= make(leaves(START, OTHER)).defaults.keys():
        pytest.fail("every rule has a weight decay")
    first = make(leaves(START, OTHER))
    run(first, GRADS[:5])
    first.param_groups[0]["weight_decay"] = 0.125
    saved, values = first.state_dict(), [p.data.copy() for p in first.params]
    assert all(type(v) is np.ndarray and v.dtype.kind in "fiub" for v in saved.values())
    run(first, GRADS[5:])  # going on must not change what was saved
    second = make(leaves(*values))
    second.load_state_dict(saved)
    again = second.state_dict()
    assert again.keys() == saved.keys() and all(np.array_equal(again[k], v) for k, v in saved.items())
    run(second, GRADS[5:])
    assert all(np.array_equal(p.data, q.data) for p, q in zip(first.params, second.params))
    assert first.steps == second.steps == 12 and second.param_groups[0]["weight_decay"] == 0.125


def test_nesterov_ahead_resumes_exactly():
    def make(value):
        p = mg.tensor(value, requires_grad=True)
        return p, optim.Nesterov([p], 0.1, weight_decay=0.1)

    p, opt = make(START)
    for k in range(6):
        if k == 3:
            q, other = make(p.data)
            other.load_state_dict(opt.state_dict())
        opt.step(lambda: (p**4).sum())
    for _ in range(3):
        other.step(lambda: (q**4).sum())
    assert np.array_equal(p.data, q.data)


def test_a_state_is_what_it_says():
    (p,) = leaves(np.ones(2))
    opt = optim.Adam([p], betas=(0.5, 0.75))
    run(opt, [(np.ones(2),)])
    saved = opt.state_dict()
    assert {"steps", "0.t", "0.m", "0.s", "groups.0.lr", "groups.0.betas", "groups.0.params"} <= saved.keys()
    assert saved["groups.0.betas"].tolist() == [0.5, 0.75] and saved["0.m"].tolist() == [0.5, 0.5]
    saved["0.m"][:] = 7  # a copy
    assert opt.state[0]["m"].tolist() == [0.5, 0.5]


def test_it_goes_through_a_safetensors_file(tmp_path):
    from safetensors import numpy as safetensors

    ps, qs = leaves(START, OTHER), leaves(START, OTHER)
    opt = optim.AdamW(ps)
    run(opt, GRADS[:3])
    safetensors.save_file(opt.state_dict(), tmp_path / "state.safetensors")
    other = optim.AdamW(qs, lr=0.5)
    other.load_state_dict(safetensors.load_file(tmp_path / "state.safetensors"))
    assert all(np.array_equal(v, other.state_dict()[k]) for k, v in opt.state_dict().items())
    assert other.rate == 1e-3


def loaded(make=lambda p: optim.Adam([p]), **changes):
    (p,) = leaves(np.ones(2))
    opt = optim.Adam([p])
    run(opt, [(np.ones(2),)])
    values = {k: v for k, v in {**opt.state_dict(), **changes}.items() if v is not None}
    p.name = "fc.bias"
    other = make(p)
    before = other.state_dict()
    try:
        other.load_state_dict(values)
    finally:
        after = other.state_dict()
        assert before.keys() == after.keys() and all(np.array_equal(before[k], v) for k, v in after.items())


def two_groups(p):
    return optim.Adam([{"params": [p]}, {"params": leaves(np.ones(1))}])


def two_parameters(p):
    return optim.Adam([p, *leaves(np.ones(1))])


BAD = {
    "steps": (lambda: loaded(steps=None), "missing: steps"),
    "missing": (lambda: loaded(**{"0.s": None}), "missing: 0.s"),
    "count": (lambda: loaded(**{"0.t": None}), "missing: 0.t"),
    "more parameters": (lambda: loaded(**{"1.m": np.ones(2)}), "unexpected: 1.m (there are 1 parameters, 1 groups)"),
    "more groups": (lambda: loaded(**{"groups.1.lr": np.ones(())}), "unexpected: groups.1.lr"),
    "fewer groups": (lambda: loaded(two_groups), "missing: groups.1.lr"),
    "fewer parameters": (lambda: loaded(two_parameters), "groups.0.params: 2 parameters here, 1 in the state"),
    "an unknown entry": (lambda: loaded(**{"0.v": np.ones(2)}), "unexpected: 0.v"),
    "another rule": (lambda: loaded(lambda p: optim.SGD([p], 0.1)), "unexpected: 0.m"),
    "shape": (lambda: loaded(**{"0.m": np.ones(3)}), "(fc.bias) is float64 (2,), 0.m is float64 (3,)"),
    "dtype": (lambda: loaded(**{"0.m": np.ones(2, "f4")}), "0.m is float32 (2,)"),
    "range": (lambda: loaded(**{"groups.0.eps": np.array(-1.0)}), "eps is -1.0; it must be ≥ 0"),
    "a schedule here": (
        lambda: loaded(lambda p: optim.Adam([p], lambda k: 0.1)),
        "groups.0.lr is 0.001 in the state, a function of the step here",
    ),
    "a schedule there": (lambda: loaded(**{"groups.0.lr": None}), "groups.0.lr (it was a function of the step: give"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_state_is_refused_and_changes_nothing(name):
    do, message = BAD[name]
    with pytest.raises(ValueError, match=r"load_state_dict: this (Adam|SGD) and the state differ") as caught:
        do()
    assert message in str(caught.value)
