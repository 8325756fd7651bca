"""Rows for losses of sorted lists and pixels, by the formulas of other libraries."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import optax
import torch
import torch.nn.functional as F

from tests.equality.rows import SPARSE, Maker, Row, plain, real

Tensor = torch.Tensor


def per_list(formula: Callable[..., Tensor], *names: str) -> Callable[..., Any]:
    """A formula for one list or image, for every one of the batch."""

    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        arrays = [getattr(x, name) for name in names]
        lead = arrays[0].shape[: arrays[0].ndim - 1]
        flat = [a.reshape(-1, *a.shape[len(lead) :]) for a in arrays]
        options = {n: getattr(x, n) for n in ("temperature", "sigma") if hasattr(x, n)}
        values = [formula(*given, **options) for given in zip(*flat, strict=True)]
        return plain(torch.stack(values).reshape(lead), reduction)

    return theirs


# ---- lists ------------------------------------------------------------------------------------


def list_mle(scores: Tensor, relevance: Tensor) -> Tensor:
    """The ListMLE of allRank, with the order of a stable sort."""
    order = torch.argsort(relevance, descending=True, stable=True)
    preds_sorted = scores[order]
    max_pred = preds_sorted.max()
    preds_minus_max = preds_sorted - max_pred
    cumsums = torch.cumsum(preds_minus_max.exp().flip(0), 0).flip(0)
    return (torch.log(cumsums) - preds_minus_max).sum()


def discounts(count: int) -> Tensor:
    return 1.0 / torch.log2(torch.arange(count).double() + 2.0)


def ideal(relevance: Tensor) -> Tensor:
    gains = 2.0 ** relevance.sort(descending=True).values - 1.0
    return (gains * discounts(len(gains))).sum()


def approx_ndcg(scores: Tensor, relevance: Tensor, temperature: float) -> Tensor:
    """TensorFlow Ranking's, plus one."""
    pairs = torch.sigmoid((scores[None, :] - scores[:, None]) / temperature)
    ranks = pairs.sum(-1) + 0.5
    gains = 2.0**relevance - 1.0
    return 1 - (gains / torch.log2(1.0 + ranks)).sum() / ideal(relevance)


def lambda_rank(scores: Tensor, relevance: Tensor, sigma: float) -> Tensor:
    """The LambdaLoss of allRank, `weighing_scheme="lambdaRank_scheme"`, natural logarithms."""
    order = torch.argsort(-scores, stable=True)
    sorted_scores, true_sorted = scores[order], relevance[order]
    scores_diffs = sorted_scores[:, None] - sorted_scores[None, :]
    true_diffs = true_sorted[:, None] - true_sorted[None, :]
    gains = (2.0**true_sorted - 1.0) / ideal(relevance)
    inverse = discounts(len(scores))
    weights = (inverse[:, None] - inverse[None, :]).abs() * (gains[:, None] - gains[None, :]).abs()
    losses = F.softplus(-sigma * scores_diffs) * weights
    return losses[true_diffs > 0].sum()


def grades(count: int) -> Maker:
    """Relevances from 0 to 3, one of which is not 0."""

    def make(rng: np.random.Generator, batch: tuple[int, ...]) -> np.ndarray:
        made = rng.integers(0, 4, (*batch, count)).astype(float)
        made[..., 0] = 2
        return made

    return make


def distinct(count: int) -> Maker:
    """Real relevances, no two of which tie."""
    return real(count)


# ---- pixels -----------------------------------------------------------------------------------


def lovasz_grad(gt_sorted: Tensor) -> Tensor:
    """Berman's own, which segmentation_models_pytorch has, too."""
    p = len(gt_sorted)
    gts = gt_sorted.sum()
    intersection = gts - gt_sorted.cumsum(0)
    union = gts + (1 - gt_sorted).cumsum(0)
    jaccard = 1.0 - intersection / union
    if p > 1:
        jaccard = torch.cat([jaccard[:1], jaccard[1:p] - jaccard[:-1]])
    return jaccard


def lovasz_hinge(logits: Tensor, labels: Tensor) -> Tensor:
    signs = 2.0 * labels - 1.0
    errors = 1.0 - logits * signs
    errors_sorted, perm = torch.sort(errors, dim=0, descending=True)
    return torch.dot(F.relu(errors_sorted), lovasz_grad(labels[perm]).detach())


def lovasz_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    probas = torch.softmax(logits, 0).T
    losses = []
    for c in range(probas.shape[1]):
        fg = (labels == c).double()
        if fg.sum() == 0:
            continue
        errors = (fg - probas[:, c]).abs()
        errors_sorted, perm = torch.sort(errors, 0, descending=True)
        losses.append(torch.dot(errors_sorted, lovasz_grad(fg[perm].detach())))
    return torch.stack(losses).mean()


def flattened(formula: Callable[..., Tensor], classes: int = 0) -> Callable[..., Any]:
    """A formula for the pixels of one image, for every image of a batch."""

    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        other = x.label if classes else x.target
        values = [
            formula(one.flatten(1 if classes else 0), labels.flatten())
            for one, labels in zip(x.logits, other, strict=True)
        ]
        return plain(torch.stack(values), reduction)

    return theirs


def top_k(x: SimpleNamespace, reduction: str) -> Any:
    """The TopKLoss of nnU-Net, per image."""
    costs = F.cross_entropy(x.logits, x.label, reduction="none").flatten(1)
    values, _ = torch.topk(costs, int(costs.shape[1] * x.fraction), sorted=False)
    return plain(values.mean(-1), reduction)


def sparsemax(x: SimpleNamespace, reduction: str) -> Any:
    """Optax's takes one batch axis."""
    logits = x.logits.reshape(-1, x.logits.shape[-1])
    values = optax.losses.multiclass_sparsemax_loss(logits, x.label.ravel())
    return plain(values.reshape(x.label.shape), reduction)


def label_map(classes: int, *space: int) -> Maker:
    """Labels of pixels."""
    return lambda rng, batch: rng.integers(0, classes, (*batch, *space))


def marks(*space: int) -> Maker:
    """A binary mask, with some of its pixels in every image."""

    def make(rng: np.random.Generator, batch: tuple[int, ...]) -> np.ndarray:
        made = (rng.random((*batch, *space)) < 0.4).astype(float)
        made[0] = 0
        return made

    return make


LISTS = {"scores": real(6), "relevance": grades(6)}
PIXELS = {"logits": real(3, 4, 5), "label": label_map(3, 4, 5)}
IMAGES: tuple[tuple[int, ...], ...] = ((4,),)

ROWS = [
    Row(
        "list_mle", "formula", per_list(list_mle, "scores", "relevance"),
        {"scores": real(6), "relevance": distinct(6)},
        function="allrank.models.losses.listMLE",
        unlike="breaks ties at random; ours by position",
    ),
    Row(
        "approx_ndcg", "formula", per_list(approx_ndcg, "scores", "relevance"), LISTS,
        {"temperature": 0.1},
        function="tensorflow_ranking.keras.losses.ApproxNDCGLoss",
        adapter="ours is theirs plus 1",
    ),
    Row(
        "lambda_rank", "formula", per_list(lambda_rank, "scores", "relevance"), LISTS,
        {"sigma": 0.7},
        function="allrank.models.losses.lambdaLoss",
        adapter='weighing_scheme="lambdaRank_scheme", reduction_log="natural", reduction="sum"',
    ),
    Row(
        "lovasz_hinge", "formula", flattened(lovasz_hinge),
        {"logits": real(4, 5), "target": marks(4, 5)}, batches=IMAGES,
        function="segmentation_models_pytorch.losses.LovaszLoss",
        adapter='mode="binary", per_image=True',
    ),
    Row(
        "lovasz_softmax", "formula", flattened(lovasz_softmax, classes=3), PIXELS, batches=IMAGES,
        function="segmentation_models_pytorch.losses.LovaszLoss",
        adapter='mode="multiclass", per_image=True',
    ),
    Row(
        "top_k_cross_entropy", "formula", top_k, PIXELS, {"fraction": 0.25}, batches=IMAGES,
        function="nnunetv2.training.loss.robust_ce_loss.TopKLoss",
        adapter="fraction = k / 100; theirs takes the pixels of a whole batch together",
    ),
    Row(
        "sparsemax", "optax",
        sparsemax, SPARSE,
        function="optax.losses.multiclass_sparsemax_loss",
    ),
]  # fmt: skip
