"""What is compared: each technique as a change of the recipe, its settings from its paper, and the claim about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from .recipe import Recipe


class Technique(NamedTuple):
    """The settings with it and, where it needs something of its own to act on, those without it; and what is claimed."""

    name: str
    how: str
    change: dict[str, Any]
    claim: str
    base: dict[str, Any] = {}  # noqa: RUF012 (a constant)

    def recipes(self, plain: Recipe) -> tuple[Recipe, Recipe]:
        """Without and with."""
        without = replace(plain, **self.base)
        with_it = replace(without, **self.change)
        if with_it.weight_decay == NORMALISED:  # of Loshchilov and Hutter's appendix B.1, in units of the rate
            steps = with_it.images / with_it.batch_size * with_it.epochs
            with_it = replace(with_it, weight_decay=round(0.05 / steps**0.5 / with_it.lr, 3))
        return without, with_it


NORMALISED = -1.0
_SAME = "noise in training, averaged out in testing"
_SGD = {"optimizer": "sgd", "lr": 0.1}  # the rate over 1 − ρ: steps as long as momentum's, once it is in motion
_FEW = {"task": "second half", "epochs": 400}  # of 50 images: in 100, not all three learn them
_MOMENTUM = {"optimizer": "momentum", "lr": 0.01}

TECHNIQUES: dict[str, Technique] = {
    t.name: t
    for t in (
        Technique("dropout", "p = 0.5 before both linear layers", {"dropout": 0.5}, _SAME),
        Technique("spatial dropout", "p = 0.25 after both convolutions", {"dropout2d": 0.25}, _SAME),
        Technique("DropConnect", "p = 0.5 in the hidden layer, a mask for each sample", {"dropconnect": 0.5}, "of the same family as dropout"),
        Technique("stochastic depth", "4 residual blocks, linear decay to p = 0.5", {"stochastic_depth": 0.5}, "of the same family as dropout", {"blocks": 2}),
        Technique("fractional max-pooling", "random regions 1.5 wide, beside fixed ones", {"pool": "random"}, "of the same family as dropout", {"pool": "fixed"}),
        Technique("slower pooling", "regions 1.5 wide, fixed, beside halving", {"pool": "fixed"}, "(what fractional pooling allows)"),
        Technique("batch norm", "after both convolutions", {"batch_norm": True}, "regularises, as dropout does"),
        Technique("dropout, with batch norm", "p = 0.5, beside batch norm alone", {"dropout": 0.5}, "needed less beside batch norm", {"batch_norm": True}),
        Technique("L2 penalty", "5e-4, added to Adam's gradients", {"weight_decay": 5e-4}, "the common regulariser"),
        Technique("decoupled weight decay", "AdamW, normalised decay 0.05", {"optimizer": "adamw", "weight_decay": NORMALISED}, "generalises better than L2 in Adam"),
        Technique("L1 penalty", "1e-4", {"l1": 1e-4}, "sparse weights"),
        Technique("label smoothing", "0.1", {"label_smoothing": 0.1}, "less sure, better calibrated"),
        Technique("max-norm", "3", {"max_norm": 3.0}, "goes with dropout"),
        Technique("max-norm with dropout", "3, beside dropout 0.5", {"max_norm": 3.0}, "goes with dropout", {"dropout": 0.5}),
        Technique("gradient noise", "η = 0.01, γ = 0.55", {"gradient_noise": 0.01}, "escapes bad starts of deep nets"),
        Technique("early stopping", "patience 10 epochs; 40 of the 200 held out", {"patience": 10}, "stops where the held-out loss turns"),
        Technique("augmentation", "turned, stretched, sheared, shifted", {"augment": "shift"}, "more data for nothing"),
        Technique("augmentation, longer", "the same, 400 epochs beside 400", {"augment": "shift"}, "more data for nothing", {"epochs": 400}),
        Technique("cutout", "a square of half the height", {"augment": "cutout"}, _SAME),
        Technique("mixup", "α = 1", {"mix": "mixup"}, _SAME),
        Technique("CutMix", "α = 1", {"mix": "cutmix"}, _SAME),
        Technique("Polyak averaging", "decay 0.995 in each step", {"ema": 0.995}, "better than the last iterate"),
        Technique("SWA", "the last quarter of the epochs", {"swa": 0.25}, "wider minima, better than the last iterate"),
        Technique("ensemble", "5 members", {"members": 5}, "about 2 % better"),
        Technique("snapshot ensemble", "5 cosine cycles in the same epochs, peak 2e-3", {"cycles": 5, "lr": 2e-3}, "several models for the price of one"),
        Technique("momentum", "0.9 at 0.01, beside SGD at 0.1", _MOMENTUM, "faster through ravines", _SGD),
        Technique("Nesterov momentum", "0.9, beside momentum at 0.01", {"optimizer": "nesterov"}, "usually a little better than momentum", _MOMENTUM),
        Technique("Adam", "1e-3, beside momentum at 0.01", {"optimizer": "adam", "lr": 1e-3}, "a good default", _MOMENTUM),
        Technique("learning-rate decay", "cosine to zero", {"decay": "cosine"}, "a constant rate leaves loss on the table"),
        Technique("transfer, head", "5–9, 10 images of each, after 0–4: the last layer learns", {"pretrained": "head"}, "very little data: retrain the last layer", _FEW),
        Technique("transfer, linear layers", "both linear layers learn", {"pretrained": "linear layers"}, "more data: retrain more layers", _FEW),
        Technique("transfer, fine-tuned", "all learn, all but the last at a tenth of the rate", {"pretrained": "all"}, "more data: fine-tune, at a lower rate", _FEW),
    )
}  # fmt: skip
