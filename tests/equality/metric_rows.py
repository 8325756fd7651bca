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
]
