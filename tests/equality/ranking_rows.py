"""Rows for ranking and recommendation; formulas of rax, and of papers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import optax
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.equality.rows import Maker, Row, flags, plain, real


def grades(size: int) -> Maker:
    """Graded relevance, of which the first is positive, so that no list is without."""

    def make(rng: np.random.Generator, batch: tuple[int, ...]) -> np.ndarray:
        made = rng.integers(0, 4, size=(*batch, size)).astype(float)
        made[..., 0], made[..., 1] = 3, 0
        return made

    return make


def valid(size: int) -> Maker:
    """Which items are none of the padding: the first three, and some more."""

    def make(rng: np.random.Generator, batch: tuple[int, ...]) -> np.ndarray:
        made = flags(size)(rng, batch)
        made[..., :3] = True
        return made

    return make


LIST = {"scores": real(5), "relevance": grades(5)}
PADDED = {**LIST, "valid": valid(5)}
PER_LIST = "rax averages over the pairs of all lists together, not first over each list's"


def differences(a: Tensor) -> Tensor:
    return a[..., :, None] - a[..., None, :]


def over_pairs(cost: Tensor, x: SimpleNamespace, pairs: Tensor, reduction: str) -> Any:
    pairs = pairs & x.valid[..., :, None] & x.valid[..., None, :]
    return plain((cost * pairs).sum((-1, -2)) / pairs.sum((-1, -2)), reduction)


def rax_pairwise(cost: Callable[[Tensor, SimpleNamespace], Tensor]) -> Callable[..., Any]:
    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        better = differences(x.relevance) > 0
        return over_pairs(cost(differences(x.scores), x), x, better, reduction)

    return theirs


def rax_mse(x: SimpleNamespace, reduction: str) -> Any:
    cost = (differences(x.scores) - differences(x.relevance)) ** 2
    return over_pairs(cost, x, ~torch.eye(5, dtype=torch.bool), reduction)


def optax_softmax(x: SimpleNamespace, reduction: str) -> Any:
    value = optax.losses.ranking_softmax_loss(x.scores, x.relevance, where=x.valid, reduce_fn=None)
    return plain(value, reduction)


def log_softmax(scores: Tensor, keep: Tensor) -> Tensor:
    return torch.log_softmax(scores.masked_fill(~keep, -torch.inf), -1).masked_fill(~keep, 0)


def cao_listnet(x: SimpleNamespace, reduction: str) -> Any:
    wanted = torch.softmax(x.relevance.masked_fill(~x.valid, -torch.inf), -1)
    return plain(-(wanted * log_softmax(x.scores, x.valid)).sum(-1), reduction)


def rax_poly1(x: SimpleNamespace, reduction: str) -> Any:
    labels, logs = x.relevance * x.valid, log_softmax(x.scores, x.valid)
    share = (labels / labels.sum(-1, keepdim=True) * logs.exp()).sum(-1)
    return plain(-(labels * logs).sum(-1) + x.epsilon * (1 - share), reduction)


def rax_unique(x: SimpleNamespace, reduction: str) -> Any:
    rivals = (differences(x.relevance) > 0) | torch.eye(5, dtype=torch.bool)
    rivals = rivals & x.valid[..., None, :]
    scores = x.scores[..., None, :].masked_fill(~rivals, -torch.inf)
    cost = torch.where(x.valid, torch.logsumexp(scores, -1) - x.scores, 0)
    return plain(((2**x.relevance - 1) * cost).sum(-1), reduction)


def rendle_bpr(x: SimpleNamespace, reduction: str) -> Any:
    return plain(-F.logsigmoid(x.positive - x.negative), reduction)


def hidasi_top1(x: SimpleNamespace, reduction: str) -> Any:
    rivals = torch.sigmoid(x.negative - x.positive[..., None]) + torch.sigmoid(x.negative**2)
    return plain(rivals.mean(-1), reduction)


def hidasi_bpr_max(x: SimpleNamespace, reduction: str) -> Any:
    weight = torch.softmax(x.negative, -1)
    won = torch.sigmoid(x.positive[..., None] - x.negative)
    return plain(-torch.log((weight * won).sum(-1)), reduction)


def tensorflow_sampled_softmax(x: SimpleNamespace, reduction: str) -> Any:
    chosen = (x.positive - x.positive_log_frequency)[..., None]
    logits = torch.cat([chosen, x.negative - x.negative_log_frequency], -1)
    return plain(-torch.log_softmax(logits, -1)[..., 0], reduction)


def mikolov_sampling(x: SimpleNamespace, reduction: str) -> Any:
    return plain(-F.logsigmoid(x.positive) - F.logsigmoid(-x.negative).sum(-1), reduction)


def rotate_sampling(x: SimpleNamespace, reduction: str) -> Any:
    positive, negative = x.margin - x.positive, x.margin - x.negative
    weight = F.softmax(negative * x.adversarial_temperature, dim=-1).detach()
    false = (weight * F.logsigmoid(-negative)).sum(-1)
    return plain(-(F.logsigmoid(positive) + false) / 2, reduction)


def bordes_margin(x: SimpleNamespace, reduction: str) -> Any:
    true = (x.head + x.relation - x.tail).norm(dim=-1)
    false = (x.false_head + x.relation - x.false_tail).norm(dim=-1)
    return plain(F.relu(x.margin + true - false), reduction)


TRIPLE = ("head", "relation", "tail", "false_head", "false_tail")
CHOICE = {"positive": real(), "negative": real(4)}
BOTH = ("positive", "negative")
ROWS = [
    Row(
        "pairwise_hinge",
        "formula",
        rax_pairwise(lambda s, x: F.relu(x.margin - s)),
        PADDED,
        {"margin": 1.0},
        function="rax.pairwise_hinge_loss",
        unlike=PER_LIST,
    ),
    Row(
        "pairwise_soft_zero_one",
        "formula",
        rax_pairwise(lambda s, x: torch.sigmoid(-s)),
        PADDED,
        function="rax.pairwise_soft_zero_one_loss",
        unlike=PER_LIST,
    ),
    Row(
        "pairwise_mse",
        "formula",
        rax_mse,
        PADDED,
        function="tfr.keras.losses.PairwiseMSELoss",
        unlike="rax counts each item's pair with itself: n valid items cost (n - 1) / n as much",
    ),
    Row(
        "softmax_ranking",
        "optax",
        optax_softmax,
        PADDED,
        function="optax.losses.ranking_softmax_loss",
    ),
    Row("listnet", "formula", cao_listnet, PADDED, function="allrank.models.losses.listNet"),
    Row(
        "poly1_softmax",
        "formula",
        rax_poly1,
        PADDED,
        {"epsilon": 0.7},
        function="rax.poly1_softmax_loss",
        unlike="a list without relevance spreads it evenly: equal scores cost (1 - 1 / n) epsilon",
    ),
    Row("unique_softmax", "formula", rax_unique, PADDED, function="rax.unique_softmax_loss"),
    Row(
        "bayesian_personalized_ranking",
        "formula",
        rendle_bpr,
        {"positive": real(), "negative": real()},
        wrt=BOTH,
        function="Rendle et al., 2009",
    ),
    Row("top1", "formula", hidasi_top1, CHOICE, wrt=BOTH, function="Hidasi et al., 2016"),
    Row("bpr_max", "formula", hidasi_bpr_max, CHOICE, wrt=BOTH, function="Hidasi et al., 2018"),
    Row(
        "sampled_softmax",
        "formula",
        tensorflow_sampled_softmax,
        {**CHOICE, "positive_log_frequency": real(), "negative_log_frequency": real(4)},
        wrt=BOTH,
        function="tf.nn.sampled_softmax_loss",
        adapter="of finished logits",
    ),
    Row(
        "negative_sampling",
        "formula",
        mikolov_sampling,
        CHOICE,
        wrt=BOTH,
        function="Mikolov et al., 2013",
    ),
    Row(
        "self_adversarial_negative_sampling",
        "formula",
        rotate_sampling,
        CHOICE,
        {"margin": 2.0, "adversarial_temperature": 0.5},
        wrt=BOTH,
        function="Sun et al., 2019",
    ),
    Row(
        "translation_margin",
        "formula",
        bordes_margin,
        {name: real(3) for name in TRIPLE},
        {"margin": 1.5},
        wrt=TRIPLE,
        function="Bordes et al., 2013",
    ),
]
