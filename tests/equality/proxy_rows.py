"""Rows for losses with learned class proxies; formulas of pytorch-metric-learning (pml)."""

from __future__ import annotations

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
        "center",
        "formula",
        wen_center,
        renamed("centers", rows_of(4, 3)),
        wrt=("embedding", "centers"),
        function="Wen et al., 2016",
        unlike="its centres move by the sum of differences over one more than their count",
    ),
]
