"""Rows for metric learning with pairs, triplets and batches that have identities.

Formulas of pytorch-metric-learning (pml) are those of its matrix-based losses, with every pair of
the batch and its `MeanReducer`.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import optax
import tensorflow as tf
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.equality.rows import TRIPLET, Row, constant, one_of, plain, real

NEAREST = "pml averages over the terms that are not 0: losses 0, 0, 3 have the mean 3, not 1"
ONE_BATCH: tuple[tuple[int, ...], ...] = ((6,),)
SIX = {"embeddings": real(3), "identity": constant([4, 7, 4, 9, 7, 7])}
PAIR = {"first": real(3), "second": real(3)}
VECTORS = {"prediction": real(4), "target": real(4)}


# ---- pairs and triplets --------------------------------------------------------------------------


def keras_cosine(x: SimpleNamespace, reduction: str) -> Any:
    return plain_tf(1 + keras.losses.cosine_similarity(x.target, x.prediction), reduction)


def plain_tf(value: Any, reduction: str) -> Any:
    return {"none": value, "sum": tf.reduce_sum(value), "mean": tf.reduce_mean(value)}[reduction]


def tfa_contrastive(x: SimpleNamespace, reduction: str) -> Any:
    far = torch.clamp(x.margin - x.distance, min=0) ** 2
    return plain(x.same * x.distance**2 + (1 - x.same) * far, reduction)


def pml_margin(x: SimpleNamespace, reduction: str) -> Any:
    d = torch.linalg.vector_norm(x.first - x.second, dim=-1)
    positive, negative = F.relu(d - x.beta + x.margin), F.relu(x.beta - d + x.margin)
    return plain(torch.where(x.target > 0, positive, negative), reduction)


def hermans_soft(x: SimpleNamespace, reduction: str) -> Any:
    far = F.pairwise_distance(x.anchor, x.negative, eps=0.0)
    return plain(F.softplus(F.pairwise_distance(x.anchor, x.positive, eps=0.0) - far), reduction)


def chen_quadruplet(x: SimpleNamespace, reduction: str) -> Any:
    def squared(a: Tensor, b: Tensor) -> Tensor:
        return ((a - b) ** 2).sum(-1)

    near = squared(x.anchor, x.positive)
    first = F.relu(near - squared(x.anchor, x.negative) + x.margin)
    return plain(first + F.relu(near - squared(x.negative, x.other) + x.other_margin), reduction)


# ---- batches -------------------------------------------------------------------------------------


def masks(x: SimpleNamespace) -> tuple[Tensor, Tensor]:
    """Which pairs belong together, and which do not."""
    same = x.identity[:, None] == x.identity[None]
    return same & ~torch.eye(len(same), dtype=torch.bool), ~same


def distances(x: SimpleNamespace) -> Tensor:
    """All pairs; the zeros on the diagonal have no gradient in torch either."""
    apart: Tensor = torch.linalg.vector_norm(x.embeddings[:, None] - x.embeddings[None], dim=-1)
    return apart


def cosines(a: Tensor, b: Tensor) -> Tensor:
    return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).mT


def lse(e: Tensor, keep: Tensor) -> Tensor:
    """pml's logsumexp: 0 in rows without entries."""
    kept = torch.logsumexp(e.masked_fill(~keep, -torch.inf), 1)
    return kept.masked_fill(~keep.any(1), 0)


def pml_contrastive(x: SimpleNamespace, reduction: str) -> Any:
    (positive, negative), d = masks(x), distances(x)
    near = F.relu(d - x.positive_margin)[positive].mean()
    return near + F.relu(x.negative_margin - d)[negative].mean()


def tfa_hard(x: SimpleNamespace) -> tuple[Tensor, Tensor]:
    (positive, negative), d = masks(x), distances(x)
    farthest = torch.where(positive, d, -torch.inf).amax(1)
    return farthest, torch.where(negative, d, torch.inf).amin(1)


def tfa_batch_hard(x: SimpleNamespace, reduction: str) -> Any:
    farthest, nearest = tfa_hard(x)
    return plain(F.relu(farthest - nearest + x.margin), reduction)


def tfa_batch_soft(x: SimpleNamespace, reduction: str) -> Any:
    farthest, nearest = tfa_hard(x)
    return plain(F.softplus(farthest - nearest), reduction)


def tfa_semi_hard(x: SimpleNamespace, reduction: str) -> Any:
    (positive, negative), d = masks(x), distances(x)
    total, count = torch.tensor(0.0), 0
    for a, p in positive.nonzero().tolist():
        negatives = d[a][negative[a]]
        beyond = negatives[negatives > d[a, p]]
        chosen = beyond.min() if len(beyond) else negatives.max()
        total, count = total + F.relu(d[a, p] - chosen + x.margin), count + 1
    return total / count


def pml_lifted(x: SimpleNamespace, reduction: str) -> Any:
    (positive, negative), d = masks(x), distances(x)
    losses = []
    for a, p in positive.nonzero().tolist():
        rest = torch.cat([x.margin - d[a][negative[a]], x.margin - d[p][negative[p]]])
        losses.append(F.relu(torch.logsumexp(rest, 0) + d[a, p]) ** 2 / 2)
    return torch.stack(losses).mean()


def pml_generalized(x: SimpleNamespace, reduction: str) -> Any:
    (positive, negative), d = masks(x), distances(x)
    both = positive.any(1) & negative.any(1)
    cost = F.relu(lse(d, positive) + lse(x.margin - d, negative))
    return plain(torch.where(both, cost, 0.0), reduction)


def pml_n_pairs(x: SimpleNamespace, reduction: str) -> Any:
    scores = x.anchor @ x.positive.mT
    lengths = (x.anchor**2 + x.positive**2).sum(-1)
    cost = F.cross_entropy(scores, torch.arange(len(scores)), reduction="none")
    return plain(cost + x.regularization * 0.25 * lengths, reduction)


def pml_supcon(x: SimpleNamespace, reduction: str) -> Any:
    positive, negative = masks(x)
    mat = cosines(x.embeddings, x.embeddings) / x.temperature
    log_prob = mat - lse(mat, positive | negative)[:, None]
    count = positive.sum(1).double()
    return plain(-(positive * log_prob).sum(1) / (count + torch.finfo(mat.dtype).tiny), reduction)


def pml_nca(x: SimpleNamespace, reduction: str) -> Any:
    positive, _ = masks(x)
    mat = (2 * cosines(x.embeddings, x.embeddings) - 2) / x.temperature
    share = torch.softmax(mat.masked_fill(torch.eye(len(mat)).bool(), -torch.inf), 1)
    share = (share * positive).sum(1)
    return plain(torch.where(positive.any(1), -torch.log(share + (~positive.any(1))), 0), reduction)


def pml_multi_similarity(x: SimpleNamespace, reduction: str) -> Any:
    (positive, negative), mat = masks(x), cosines(x.embeddings, x.embeddings)
    pulled = (torch.exp(x.alpha * (x.base - mat)) * positive).sum(1)
    pushed = (torch.exp(x.beta * (mat - x.base)) * negative).sum(1)
    return plain(torch.log1p(pulled) / x.alpha + torch.log1p(pushed) / x.beta, reduction)


def pml_circle(x: SimpleNamespace, reduction: str) -> Any:
    (positive, negative), mat = masks(x), cosines(x.embeddings, x.embeddings)
    held = mat.detach()
    pulled = -x.gamma * F.relu(1 + x.margin - held) * (mat - (1 - x.margin))
    pushed = x.gamma * F.relu(held + x.margin) * (mat - x.margin)
    cost = F.softplus(lse(pulled, positive) + lse(pushed, negative))
    return plain(cost * (positive.any(1) & negative.any(1)), reduction)


SCALAR = ("mean",)
ROWS = [
    Row(
        "cosine_distance",
        "keras",
        keras_cosine,
        VECTORS,
        function="keras.losses.CosineSimilarity",
        adapter="it is smaller by 1",
    ),
    Row(
        "cosine_distance",
        "optax",
        lambda x, r: plain(optax.losses.cosine_distance(x.prediction, x.target), r),
        VECTORS,
        function="optax.losses.cosine_distance",
        unlike="its gradient at a zero vector is NaN, ours 0",
    ),
    Row(
        "cosine_embedding",
        "torch",
        lambda x, r: F.cosine_embedding_loss(
            x.first, x.second, x.target, margin=x.margin, reduction=r
        ),
        {**PAIR, "target": one_of(-1, 1)},
        {"margin": 0.2},
        wrt=("first", "second"),
        batches=((6,),),
        function="torch.nn.functional.cosine_embedding_loss",
        unlike="its gradient at a zero vector is of the order 1e6, ours 0",
    ),
    Row(
        "hinge_embedding",
        "torch",
        lambda x, r: F.hinge_embedding_loss(x.distance, x.target, margin=x.margin, reduction=r),
        {"distance": real(), "target": one_of(-1, 1)},
        {"margin": 0.8},
        function="torch.nn.functional.hinge_embedding_loss",
        unlike="a target of 0 costs the sum of both branches",
    ),
    Row(
        "contrastive_distance",
        "formula",
        tfa_contrastive,
        {"distance": lambda rng, b: rng.uniform(0, 3, size=b), "same": one_of(0, 1)},
        {"margin": 1.5},
        function="tensorflow_addons.losses.ContrastiveLoss",
    ),
    Row(
        "margin_based",
        "formula",
        pml_margin,
        {**PAIR, "target": one_of(-1, 1)},
        {"margin": 0.3, "beta": constant(1.4)},
        wrt=("first", "second", "beta"),
        function="pytorch_metric_learning.losses.MarginLoss",
        adapter="one pair; it sums pairs of triplets",
        unlike="pml divides the sum by the number of pairs that cost anything",
    ),
    Row(
        "triplet_margin",
        "torch",
        lambda x, r: F.triplet_margin_loss(
            x.anchor, x.positive, x.negative, x.margin, x.p, 0.0, swap=True, reduction=r
        ),
        TRIPLET,
        {"margin": 1.7, "p": 1, "swap": 1},
        wrt=("anchor", "positive", "negative"),
        batches=((6,),),
        function="torch.nn.functional.triplet_margin_loss",
        adapter="eps=0",
        unlike="eps is added to each difference: equal embeddings are 1e-6 sqrt(n) apart",
    ),
    Row(
        "triplet_soft_margin",
        "formula",
        hermans_soft,
        TRIPLET,
        wrt=("anchor", "positive", "negative"),
        function="Hermans et al., 2017",
    ),
    Row(
        "quadruplet",
        "formula",
        chen_quadruplet,
        {**TRIPLET, "other": real(3)},
        {"margin": 2.0, "other_margin": 1.0},
        wrt=(*TRIPLET, "other"),
        function="Chen et al., 2017",
    ),
    Row(
        "contrastive_batch",
        "formula",
        pml_contrastive,
        SIX,
        {"positive_margin": 0.4, "negative_margin": 2.5},
        reductions=SCALAR,
        batches=ONE_BATCH,
        function="pytorch_metric_learning.losses.ContrastiveLoss",
        adapter="LpDistance(normalize_embeddings=False), MeanReducer",
        unlike=NEAREST,
    ),
    Row(
        "triplet_batch_hard",
        "formula",
        tfa_batch_hard,
        SIX,
        {"margin": 1.5},
        batches=ONE_BATCH,
        function="tensorflow_addons.losses.TripletHardLoss",
        adapter='distance_metric="L2"',
        unlike="an anchor without positives costs what it lacks to the margin, not 0",
    ),
    Row(
        "triplet_batch_hard_soft_margin",
        "formula",
        tfa_batch_soft,
        SIX,
        batches=ONE_BATCH,
        function="tensorflow_addons.losses.TripletHardLoss",
        adapter='distance_metric="L2", soft=True',
    ),
    Row(
        "triplet_semi_hard",
        "formula",
        tfa_semi_hard,
        SIX,
        {"margin": 1.5},
        reductions=SCALAR,
        batches=ONE_BATCH,
        function="tensorflow_addons.losses.TripletSemiHardLoss",
        adapter='distance_metric="L2"',
    ),
    Row(
        "lifted_structure",
        "formula",
        pml_lifted,
        SIX,
        {"margin": 1.5},
        reductions=SCALAR,
        batches=ONE_BATCH,
        function="pytorch_metric_learning.losses.LiftedStructureLoss",
        adapter="LpDistance(normalize_embeddings=False)",
    ),
    Row(
        "lifted_structure_generalized",
        "formula",
        pml_generalized,
        SIX,
        {"margin": 1.5},
        batches=ONE_BATCH,
        function="pytorch_metric_learning.losses.GeneralizedLiftedStructureLoss",
        adapter="LpDistance(normalize_embeddings=False)",
        unlike="an anchor without positives costs the soft maximum of its negatives alone, not 0",
    ),
    Row(
        "n_pairs",
        "formula",
        pml_n_pairs,
        {"anchor": real(3), "positive": real(3)},
        {"regularization": 0.02},
        wrt=("anchor", "positive"),
        batches=ONE_BATCH,
        function="tensorflow_addons.losses.NpairsLoss",
        adapter="reg_lambda; pytorch_metric_learning's NPairsLoss has none",
    ),
    Row(
        "supervised_contrastive",
        "formula",
        pml_supcon,
        SIX,
        {"temperature": 0.3},
        batches=ONE_BATCH,
        function="pytorch_metric_learning.losses.SupConLoss",
        adapter="MeanReducer",
        unlike=NEAREST,
    ),
    Row(
        "soft_nearest_neighbor",
        "formula",
        pml_nca,
        SIX,
        {"temperature": 2.5},
        batches=ONE_BATCH,
        function="pytorch_metric_learning.losses.NCALoss",
        adapter="softmax_scale=1 / temperature",
    ),
    Row(
        "multi_similarity",
        "formula",
        pml_multi_similarity,
        SIX,
        {"alpha": 2.5, "beta": 12.0, "base": 0.4},
        batches=ONE_BATCH,
        function="pytorch_metric_learning.losses.MultiSimilarityLoss",
        adapter="no miner",
    ),
    Row(
        "circle",
        "formula",
        pml_circle,
        SIX,
        {"margin": 0.3, "gamma": 3.0},
        batches=ONE_BATCH,
        function="pytorch_metric_learning.losses.CircleLoss",
        adapter="MeanReducer",
        unlike="keras.losses.Circle differentiates the weights, too, and normalises nothing",
    ),
]
