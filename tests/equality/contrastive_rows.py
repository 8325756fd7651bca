"""Rows for contrastive losses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.equality.rows import Row, constant, plain, real

VIEWS = {"query": real(3), "key": real(3)}
MODES = {"image": real(3), "text": real(3)}
ONE_BATCH: tuple[tuple[int, ...], ...] = ((5,),)


def cosines(a: Tensor, b: Tensor) -> Tensor:
    return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).mT


def lightly_dcl(x: SimpleNamespace, reduction: str) -> Any:
    out0, out1 = F.normalize(x.query, dim=1), F.normalize(x.key, dim=1)
    sim_00 = torch.einsum("nc,mc->nm", out0, out0) / x.temperature
    sim_01 = torch.einsum("nc,mc->nm", out0, out1) / x.temperature
    diagonal = torch.eye(len(out0), dtype=torch.bool)
    rest = [s[~diagonal].view(len(out0), -1) for s in (sim_00, sim_01)]
    return plain(torch.logsumexp(torch.cat(rest, 1), 1) - sim_01[diagonal], reduction)


def open_clip(x: SimpleNamespace, reduction: str) -> Any:
    logits = x.logit_scale * cosines(x.image, x.text)
    own = torch.arange(len(logits))
    both = [F.cross_entropy(scores, own, reduction=reduction) for scores in (logits, logits.T)]
    return (both[0] + both[1]) / 2


def open_clip_siglip(x: SimpleNamespace, reduction: str) -> Any:
    logits = x.logit_scale * cosines(x.image, x.text) + x.logit_bias
    labels = 2 * torch.eye(len(logits)) - 1
    return plain(-F.logsigmoid(labels * logits).sum(-1), reduction)


def wang_alignment(x: SimpleNamespace, reduction: str) -> Any:
    first, second = F.normalize(x.first, dim=-1), F.normalize(x.second, dim=-1)
    return plain((first - second).norm(p=2, dim=-1).pow(2), reduction)


def wang_uniformity(x: SimpleNamespace, reduction: str) -> Any:
    z = F.normalize(x.embeddings, dim=-1)
    return torch.pdist(z, p=2).pow(2).mul(-x.t).exp().mean().log()


def dino_koleo(x: SimpleNamespace, reduction: str) -> Any:
    student = F.normalize(x.embeddings, dim=-1)
    dots = student @ student.T
    dots = torch.where(torch.eye(len(dots), dtype=torch.bool), -1.0, dots)
    distances = (student - student[dots.argmax(1)]).norm(dim=-1)
    return plain(-torch.log(distances + x.epsilon), reduction)


ROWS = [
    Row(
        "decoupled_contrastive",
        "formula",
        lightly_dcl,
        VIEWS,
        {"temperature": 0.3},
        wrt=("query", "key"),
        batches=ONE_BATCH,
        function="lightly.loss.DCLLoss",
        adapter="the mean of both ways round",
        unlike="a batch of one costs minus infinity, not 0",
    ),
    Row(
        "clip",
        "formula",
        open_clip,
        MODES,
        {"logit_scale": constant(7.0)},
        wrt=("image", "text", "logit_scale"),
        batches=ONE_BATCH,
        function="open_clip.loss.ClipLoss",
        adapter="of normalised features",
    ),
    Row(
        "siglip",
        "formula",
        open_clip_siglip,
        MODES,
        {"logit_scale": constant(7.0), "logit_bias": constant(-3.0)},
        wrt=("image", "text", "logit_scale", "logit_bias"),
        batches=ONE_BATCH,
        function="open_clip.loss.SigLipLoss",
        adapter="of normalised features",
    ),
    Row(
        "alignment",
        "formula",
        wang_alignment,
        {"first": real(3), "second": real(3)},
        wrt=("first", "second"),
        function="Wang and Isola, 2020",
        adapter="of normalised embeddings, alpha=2",
    ),
    Row(
        "uniformity",
        "formula",
        wang_uniformity,
        {"embeddings": real(3)},
        {"t": 1.5},
        reductions=("mean",),
        batches=ONE_BATCH,
        function="Wang and Isola, 2020",
        adapter="of normalised embeddings",
    ),
    Row(
        "koleo",
        "formula",
        dino_koleo,
        {"embeddings": real(3)},
        {"epsilon": 0.01},
        batches=ONE_BATCH,
        function="dinov2.loss.KoLeoLoss",
        adapter="eps is epsilon",
        unlike="adds 1e-8 to the differences of all entries before it takes their length",
    ),
]
