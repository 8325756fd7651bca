"""Rows for losses with learned class proxies; formulas of pytorch-metric-learning (pml)."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.equality.rows import Maker, Row, constant, label, plain

WRT = ("embedding", "weights")


def rows_of(*shape: int) -> Maker:
    """Learned rows, the same for every batch shape: they have no batch axes."""
    return constant(np.random.default_rng(7).normal(size=shape))


SAMPLES = {
    "embedding": lambda rng, b: rng.normal(size=(*b, 3)),
    "weights": rows_of(4, 3),
    "label": label(4),
}


def cosines(a: Tensor, b: Tensor) -> Tensor:
    return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).mT


def entropy(logits: Tensor, label: Tensor, reduction: str) -> Any:
    cost = F.cross_entropy(logits.flatten(0, -2), label.flatten(), reduction="none")
    return plain(cost.view(label.shape), reduction)


def with_target(logits: Tensor, label: Tensor, target: Tensor) -> Tensor:
    chosen = F.one_hot(label, logits.shape[-1]).bool()
    return torch.where(chosen, target[..., None], logits)


def own(logits: Tensor, label: Tensor) -> Tensor:
    return torch.gather(logits, -1, label[..., None])[..., 0]


def pml_normalized_softmax(x: SimpleNamespace, reduction: str) -> Any:
    return entropy(cosines(x.embedding, x.weights) / x.temperature, x.label, reduction)


def pml_cosface(x: SimpleNamespace, reduction: str) -> Any:
    cosine = cosines(x.embedding, x.weights)
    logits = with_target(cosine, x.label, own(cosine, x.label) - x.margin)
    return entropy(logits * x.scale, x.label, reduction)


def pml_turned(cosine: Tensor, margin: float) -> Tensor:
    angle = torch.acos(torch.clamp(cosine, -1, 1))
    falling = torch.cos(angle) - margin * math.sin(margin)
    return torch.where(angle <= math.pi - margin, torch.cos(angle + margin), falling)


def pml_arcface(x: SimpleNamespace, reduction: str) -> Any:
    cosine = cosines(x.embedding, x.weights)
    logits = with_target(cosine, x.label, pml_turned(own(cosine, x.label), x.margin))
    return entropy(logits * x.scale, x.label, reduction)


def pml_proxy_nca(x: SimpleNamespace, reduction: str) -> Any:
    a, b = F.normalize(x.embedding, dim=-1), F.normalize(x.proxies, dim=-1)
    squared = ((a[..., None, :] - b) ** 2).sum(-1)
    return entropy(-x.scale * squared, x.label, reduction)


def pml_proxy_anchor(x: SimpleNamespace, reduction: str) -> Any:
    cosine = cosines(x.embeddings, x.proxies)
    positive = F.one_hot(x.label, len(x.proxies)).double()
    pulled = (torch.exp(x.alpha * (x.margin - cosine)) * positive).sum(0)
    pushed = (torch.exp(x.alpha * (cosine + x.margin)) * (1 - positive)).sum(0)
    present = (positive.sum(0) != 0).sum()
    return torch.log1p(pulled).sum() / present + torch.log1p(pushed).mean()


def mag_linear(x: SimpleNamespace, reduction: str) -> Any:
    x_norm = x.embedding.norm(dim=-1, keepdim=True).clamp(x.shortest, x.longest)
    rise = (x.largest_margin - x.least_margin) / (x.longest - x.shortest)
    ada_margin = rise * (x_norm - x.shortest) + x.least_margin
    cosine = cosines(x.embedding, x.weights)
    sine = torch.sqrt(1 - cosine**2)
    turned = cosine * torch.cos(ada_margin) - sine * torch.sin(ada_margin)
    kept = torch.where(cosine > torch.cos(math.pi - ada_margin), turned, cosine)
    logits = with_target(cosine, x.label, own(kept, x.label))
    penalty = (x_norm / x.longest**2 + 1 / x_norm).squeeze(-1)
    return plain(entropy(logits * x.scale, x.label, "none") + x.strength * penalty, reduction)


def pml_soft_triple(x: SimpleNamespace, reduction: str) -> Any:
    cosine = cosines(x.embedding, x.centers.flatten(0, 1))
    cosine = cosine.view(*cosine.shape[:-1], *x.centers.shape[:2])
    similarity = (torch.softmax(cosine / x.gamma, -1) * cosine).sum(-1)
    margin = F.one_hot(x.label, similarity.shape[-1]).to(similarity) * x.margin
    return entropy(x.scale * (similarity - margin), x.label, reduction)


def wen_center(x: SimpleNamespace, reduction: str) -> Any:
    return plain(((x.embedding - x.centers[x.label]) ** 2).sum(-1) / 2, reduction)


def renamed(name: str, made: Maker) -> dict[str, Maker]:
    return {"embedding": SAMPLES["embedding"], name: made, "label": SAMPLES["label"]}


ROWS = [
    Row(
        "normalized_softmax",
        "formula",
        pml_normalized_softmax,
        SAMPLES,
        {"temperature": 0.2},
        wrt=WRT,
        function="pytorch_metric_learning.losses.NormalizedSoftmaxLoss",
    ),
    Row(
        "cosface",
        "formula",
        pml_cosface,
        SAMPLES,
        {"margin": 0.3, "scale": 6.0},
        wrt=WRT,
        function="pytorch_metric_learning.losses.CosFaceLoss",
    ),
    Row(
        "arcface",
        "formula",
        pml_arcface,
        SAMPLES,
        {"margin": 0.2, "scale": 6.0},
        wrt=WRT,
        function="pytorch_metric_learning.losses.ArcFaceLoss",
        adapter="its margin is in degrees",
        unlike="beyond a half-turn it falls on, with a jump: cos(angle) - margin sin(margin); "
        "insightface's easy_margin leaves angles above a right angle as they are",
    ),
    Row(
        "magface",
        "formula",
        mag_linear,
        SAMPLES,
        {
            "shortest": 1.0,
            "longest": 2.5,
            "least_margin": 0.1,
            "largest_margin": 0.2,
            "scale": 6.0,
            "strength": 0.7,
        },
        wrt=WRT,
        function="MagFace (MagLinear and MagLoss)",
        adapter="l_a, u_a are shortest, longest; l_margin, u_margin the margins; lambda_g strength",
        unlike="beyond a half-turn it takes the margin away again, with a jump",
    ),
    Row(
        "proxy_nca",
        "formula",
        pml_proxy_nca,
        renamed("proxies", rows_of(4, 3)),
        {"scale": 3.0},
        wrt=("embedding", "proxies"),
        function="pytorch_metric_learning.losses.ProxyNCALoss",
        adapter="softmax_scale",
    ),
    Row(
        "proxy_anchor",
        "formula",
        pml_proxy_anchor,
        {
            "embeddings": SAMPLES["embedding"],
            "proxies": rows_of(4, 3),
            "label": constant([2, 0, 2, 1, 1, 2]),
        },
        {"margin": 0.2, "alpha": 8.0},
        wrt=("embeddings", "proxies"),
        reductions=("mean",),
        batches=((6,),),
        function="pytorch_metric_learning.losses.ProxyAnchorLoss",
    ),
    Row(
        "soft_triple",
        "formula",
        pml_soft_triple,
        renamed("centers", rows_of(4, 2, 3)),
        {"scale": 5.0, "gamma": 0.3, "margin": 0.1},
        wrt=("embedding", "centers"),
        function="pytorch_metric_learning.losses.SoftTripleLoss",
        adapter="la is scale; its centers are flat",
    ),
    Row(
        "center",
        "formula",
        wen_center,
        renamed("centers", rows_of(4, 3)),
        wrt=("embedding", "centers"),
        function="Wen et al., 2016",
        unlike="its centres move by the sum of differences over one more than their count",
    ),
]
