"""Rows of ops/losses.py."""

import numpy as np

import minigrad as mg

from .base import a, case, pos

SIGNS = np.array([[1, -1, 1], [-1, 1, -1]])
SIGN = np.array([1.0, -1.0])
LABELS = np.array([2, 0])
LISTED = np.array([[2, -1, 0], [0, 1, -1]])

CASES = [
    case("mse_loss", mg.mse_loss, a(2, 3), a(2, 3)),
    case("mse_loss none", lambda x, y: mg.mse_loss(x, y, reduction="none"), a(2, 3), a(2, 3)),
    case("l1_loss", mg.l1_loss, a(2, 3), a(2, 3) + 0.05),
    case("l1_loss weighted", lambda x, t, w: mg.l1_loss(x, t, weight=w), a(2, 3), a(2, 3) + 0.05, pos(2, 3)),
    case("smooth_l1_loss", mg.smooth_l1_loss, a(2, 3), a(2, 3) + 0.05),
    case("smooth_l1_loss β 0", lambda x, t: mg.smooth_l1_loss(x, t, beta=0.0), a(2, 3), a(2, 3) + 0.05),
    case("huber_loss", lambda x, t: mg.huber_loss(x, t, delta=0.7), a(2, 3), a(2, 3) + 0.05),
    case("binary_cross_entropy", lambda x, t: mg.binary_cross_entropy(mg.sigmoid(x), t), a(2, 3), pos(2, 3) / 2),
    case("binary_cross_entropy_with_logits", mg.binary_cross_entropy_with_logits, a(2, 3), pos(2, 3) / 2),
    case("binary_cross_entropy_with_logits weighted", lambda x, t, w: mg.binary_cross_entropy_with_logits(x, t, pos_weight=w), a(2, 3), pos(2, 3) / 2, pos(3)),
    case("kl_div", lambda x, t: mg.kl_div(x, t, reduction="batchmean"), a(2, 3), pos(2, 3)),
    case("kl_div of logarithms", lambda x, t: mg.kl_div(x, t, log_target=True), a(2, 3), a(2, 3)),
    case("gaussian_nll_loss", lambda x, t, v: mg.gaussian_nll_loss(x, t, mg.abs(v), full=True), a(2, 3), a(2, 3), pos(2, 1)),
    case("poisson_nll_loss", lambda *k: mg.poisson_nll_loss(*k, full=True), a(2, 3), 1.5 * pos(2, 3)),
    case("poisson_nll_loss of rates", lambda *k: mg.poisson_nll_loss(*k, log_input=False), pos(2, 3), pos(2, 3)),
    case("hinge_embedding_loss", lambda x: mg.hinge_embedding_loss(x, SIGNS, 0.9), a(2, 3)),
    case("margin_ranking_loss", lambda x, y: mg.margin_ranking_loss(x, y, SIGNS, 0.3), a(2, 3), a(2, 3)),
    case("soft_margin_loss", lambda x: mg.soft_margin_loss(x, SIGNS), a(2, 3)),
    case("multi_margin_loss", lambda x: mg.multi_margin_loss(x, LABELS), a(2, 3)),
    case("multi_margin_loss squared, weighted", lambda x, w: mg.multi_margin_loss(x, LABELS, 2, 0.9, w), a(2, 3), pos(3)),
    case("multilabel_margin_loss", lambda x: mg.multilabel_margin_loss(x, LISTED), a(2, 3)),
    case("multilabel_soft_margin_loss", mg.multilabel_soft_margin_loss, a(2, 3), pos(2, 3) / 2),
    case("cosine_similarity", mg.cosine_similarity, a(2, 3), a(2, 3)),
    case("cosine_embedding_loss", lambda x, y: mg.cosine_embedding_loss(x, y, SIGN, -0.9), a(2, 3), a(2, 3)),
    case("pairwise_distance", mg.pairwise_distance, a(2, 3), a(2, 3)),
    case("triplet_margin_loss", lambda *k: mg.triplet_margin_loss(*k, margin=4.0, swap=True), a(2, 3), a(2, 3), a(2, 3)),
    case("triplet_margin_with_distance_loss", lambda *k: mg.triplet_margin_with_distance_loss(*k, margin=4.0), a(2, 3), a(2, 3), a(2, 3)),
    case("ctc_loss", lambda x: mg.ctc_loss(mg.log_softmax(x), np.array([[1, 2], [2, 2]]), [5, 4], [2, 2]), a(5, 2, 3)),
    case("ctc_loss of one empty target", lambda x: mg.ctc_loss(mg.log_softmax(x), np.array([1, 2]), [4, 3], [0, 2], reduction="sum"), a(4, 2, 3)),
]  # fmt: skip
