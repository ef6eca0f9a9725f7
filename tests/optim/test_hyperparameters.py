"""Hyperparameters are declared once: what the constructor, help, type checkers and the page say of them."""

import inspect
import pydoc
import re
from dataclasses import MISSING
from pathlib import Path

import pytest
from documents import hold

import minigrad as mg
from minigrad import optim

PAGE = Path(__file__).parents[2] / "docs" / "optimizers.md"
RULES = {name: rule for name in optim.__all__ if inspect.isclass(rule := getattr(optim, name))}
RULES = {
    name: rule for name, rule in RULES.items() if issubclass(rule, optim.Optimizer) and rule is not optim.Optimizer
}


def leaf():
    return mg.tensor([1.0, 2.0], requires_grad=True)


def given(rule):
    return {name: h for name, h in rule.hyperparameters.items() if h.given}


def test_a_signature_is_the_declaration():
    parameters = inspect.signature(optim.Adam).parameters
    positional = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == ["params", "lr", "betas", "eps", "weight_decay", "amsgrad"]
    keywords = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert keywords == ["maximize", "bias_correction", "eps_hat", "eps_inside", "decoupled_weight_decay"]
    assert parameters["betas"].default == (0.9, 0.999) and parameters["betas"].annotation == tuple[float, float]
    for rule in RULES.values():
        parameters = list(inspect.signature(rule).parameters.values())[1:]
        assert [p.name for p in parameters] == list(given(rule))
        defaults = [MISSING if p.default is p.empty else p.default for p in parameters]
        assert defaults == [h.default for h in given(rule).values()]


@pytest.mark.parametrize("name", RULES)
def test_help_tells_the_meaning_and_the_range(name):
    text = pydoc.plain(pydoc.render_doc(RULES[name]))
    for h in given(RULES[name]).values():
        assert h.meaning and f"`{h.name}`" in text and h.meaning in text
        assert h.range.text in text and (h.range.text or h.name in ("buffers", "preconditioner"))


@pytest.mark.slow
def test_a_type_checker_sees_the_constructor(tmp_path):
    api = pytest.importorskip("mypy.api")
    (tmp_path / "uses.py").write_text(
        "from minigrad import Tensor, optim\n"
        "p = Tensor([1.0])\n"
        "optim.Adam([p], 1e-3, (0.9, 0.99), bias_correction=False)\n"
        "optim.AdamW([{'params': [p]}], lr=lambda step: 0.1)\n"
        "optim.Momentum([p])\n"
        "optim.Adam([p], beta=0.9)\n"
        "optim.AdamW([p], decoupled_weight_decay=False)\n"
        "optim.LBFGS([p], 20)\n"
        "reveal_type(optim.Lion([p]).params)\n"
    )
    out, _, _ = api.run(["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", str(tmp_path)])
    told = [re.sub(r".*uses.py:", "", line) for line in out.splitlines() if "uses.py" in line]
    assert [line.split(":")[0] for line in told] == ["5", "6", "7", "8", "9"], out
    assert 'Missing positional argument "lr"' in told[0] and '"beta"' in told[1] and "decoupled" in told[2]
    assert "Too many positional" in told[3] and "list[minigrad.tape" in told[4]


def test_what_is_given_stands_in_the_groups_alone():
    opt = optim.Adam([leaf()], 0.5, eps_hat=True)
    assert (
        opt.defaults["lr"] == 0.5
        and opt.param_groups[0]["eps_hat"]
        and list(opt.defaults) == list(optim.Adam.hyperparameters)
    )
    assert not hasattr(opt, "lr") and not hasattr(optim.Adam, "lr")
    assert optim.AdamW([leaf()]).defaults["decoupled_weight_decay"] is True
    assert optim.Nesterov([leaf()], 0.1, shifted=True).shifted
    with pytest.raises(ValueError, match="the unknown 'shifted'"):
        optim.Nesterov([{"params": [leaf()], "shifted": True}], 0.1)


def test_repr():
    opt = optim.Lion([{"params": [leaf(), leaf()]}, {"params": [leaf()], "lr": 0.5}], lr=0.1)
    options = "betas=(0.9, 0.99), weight_decay=0.0, decoupled_weight_decay=True, maximize=False"
    assert repr(opt) == f"Lion(params=<2>, lr=0.1, {options}; params=<1>, lr=0.5, {options})"


def test_a_rule_of_ones_own():
    class Signs(optim.Optimizer):
        """θ ← θ − lr · sign(g)."""

        lr: float = 0.5

        def _update(self, ps, gs, states, t, options):
            for p, g in zip(ps, gs):
                p -= options["lr"] * (g > 0)

    p = leaf()
    p.grad = p.data
    Signs([p]).step()
    assert p.data.tolist() == [0.5, 1.5] and "`lr` (default 0.5)" in Signs.__doc__


# ---- the page --------------------------------------------------------------------------------------------------------


def table():
    """One line for each hyperparameter and meaning, with its default in each rule that has it."""
    rows = {}
    for name, rule in RULES.items():
        for h in given(rule).values():
            default = "must be given" if h.default is MISSING else f"`{h.default!r}`"
            rows.setdefault((h.name, h.meaning, h.range.text), {}).setdefault(default, []).append(name)
    lines = ["| name | meaning | range | defaults |", "|---|---|---|---|"]
    for (name, meaning, allowed), defaults in sorted(rows.items()):
        told = "; ".join(f"{default} {', '.join(rules)}" for default, rules in defaults.items())
        lines.append(f"| `{name}` | {meaning} | {allowed} | {told} |")
    return "\n".join(lines)


def test_the_page_has_the_table():
    text = PAGE.read_text(encoding="utf-8")
    written = re.sub(r"(?<=<!-- hyperparameters -->\n).*?(?=\n<!-- end -->)", lambda _: table(), text, flags=re.S)
    assert table() in written
    hold(PAGE, written)
