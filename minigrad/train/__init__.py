"""Training: the loop, its callbacks, averages, checkpoints and logs; evaluation; ensembles and transfer."""

from .averaging import Averaging, recalibrate_batch_norm
from .callbacks import EarlyStopping, after_step, before_step
from .checkpoint import CheckpointError, load_tree, load_weights, save_tree, save_weights
from .ensemble import (
    MembersFailed,
    calibration,
    disagreement,
    ensemble,
    judge,
    probabilities,
    processes,
    snapshots,
)
from .evaluate import Evaluation, evaluate, predict
from .logs import CSVLog, TensorBoardLog
from .loop import fit
from .lr_range import RateRange, lr_range
from .state import State
from .transfer import (
    Audit,
    GradualUnfreezing,
    discriminative_rates,
    freeze,
    load_pretrained,
    replace_head,
    unfreeze,
)

__all__ = [
    "Audit", "Averaging", "CSVLog", "CheckpointError", "EarlyStopping", "Evaluation", "GradualUnfreezing",
    "MembersFailed", "RateRange", "State", "TensorBoardLog", "after_step", "before_step", "calibration",
    "disagreement", "discriminative_rates", "ensemble", "evaluate", "fit", "freeze", "judge", "load_pretrained",
    "load_tree", "load_weights", "lr_range", "predict", "probabilities", "processes", "recalibrate_batch_norm",
    "replace_head", "save_tree", "save_weights", "snapshots", "unfreeze",
]  # fmt: skip
