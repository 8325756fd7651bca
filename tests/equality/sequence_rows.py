"""Rows for sequence losses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from tests.equality.rows import Row, constant, formula, plain, real

LABELS = [[1, 1, 2], [3, 2, 0], [2, 2, 2]]  # repeated ones, shorter ones, one that does not fit


def torch_ctc(x: SimpleNamespace, reduction: str) -> Any:
    """PyTorch's mean divides by the number of labels: reduced here."""
    loss = F.ctc_loss(
        x.logits.log_softmax(-1).movedim(1, 0),
        x.labels,
        x.input_length.long(),
        x.label_length.long(),
        reduction="none",
        zero_infinity=True,
    )
    return plain(loss, reduction)


def dynamic_programme(x: SimpleNamespace) -> Any:
    """The recursion of Cuturi and Blondel, equation 2, with their soft minimum."""
    samples = zip(x.prediction, x.target, strict=True)
    return torch.stack([_alignment(a, b, x.gamma) for a, b in samples])


def _alignment(a: torch.Tensor, b: torch.Tensor, gamma: float) -> torch.Tensor:
    cost = (a[:, None] - b[None]).square().sum(-1)
    far = torch.tensor(torch.inf, dtype=a.dtype)
    r = {(i, -1): far for i in range(len(a))} | {(-1, j): far for j in range(len(b))}
    r[-1, -1] = torch.zeros((), dtype=a.dtype)
    for i in range(len(a)):
        for j in range(len(b)):
            before = torch.stack([r[i - 1, j], r[i, j - 1], r[i - 1, j - 1]])
            r[i, j] = cost[i, j] - gamma * torch.logsumexp(-before / gamma, 0)
    return r[len(a) - 1, len(b) - 1]


ROWS = [
    Row(
        "ctc",
        "torch",
        torch_ctc,
        {
            "logits": real(5, 4),
            "labels": constant(np.array(LABELS)),
            "input_length": constant(np.array([5.0, 4.0, 4.0])),
            "label_length": constant(np.array([3.0, 2.0, 3.0])),
        },
        batches=((3,),),
        function="torch.nn.functional.ctc_loss",
        adapter="log_softmax of the logits, time first; zero_infinity=True",
        unlike="its mean divides each loss by the number of labels first: 1.0986 for 2.1972",
    ),
    formula(
        "soft_dtw",
        dynamic_programme,
        {"prediction": real(4, 2), "target": real(3, 2)},
        {"gamma": 0.7},
        batches=((3,),),
        function="Cuturi and Blondel, 2017, equation 2",
    ),
]
