"""Rows for preference losses: the formulas of TRL, as its trainers compute them."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from tests.equality.rows import Row, between, constant, flags, plain, real

POLICY = ("policy_chosen", "policy_rejected")
PAIRS = {name: real() for name in (*POLICY, "reference_chosen", "reference_rejected")}
REWARDS = {"chosen": real(), "rejected": real()}
Formula = Callable[[SimpleNamespace], Any]


def margin(x: SimpleNamespace) -> Any:
    pi_logratios = x.policy_chosen - x.policy_rejected
    ref_logratios = x.reference_chosen - x.reference_rejected
    return pi_logratios - ref_logratios


def chosen(x: SimpleNamespace) -> Any:
    return x.policy_chosen - x.reference_chosen


def rejected(x: SimpleNamespace) -> Any:
    return x.policy_rejected - x.reference_rejected


def smoothed(logits: Any, x: SimpleNamespace) -> Any:
    return (
        -F.logsigmoid(x.beta * logits) * (1 - x.label_smoothing)
        - F.logsigmoid(-x.beta * logits) * x.label_smoothing
    )


def robust(x: SimpleNamespace) -> Any:
    logits = margin(x)
    return (
        -F.logsigmoid(x.beta * logits) * (1 - x.label_smoothing)
        + F.logsigmoid(-x.beta * logits) * x.label_smoothing
    ) / (1 - 2 * x.label_smoothing)


def exo_pair(x: SimpleNamespace) -> Any:
    logits = margin(x)
    return (x.beta * logits).sigmoid() * (
        F.logsigmoid(x.beta * logits) - math.log(1 - x.label_smoothing)
    ) + (-x.beta * logits).sigmoid() * (
        F.logsigmoid(-x.beta * logits) - math.log(x.label_smoothing)
    )


def nca_pair(x: SimpleNamespace) -> Any:
    chosen_rewards, rejected_rewards = chosen(x) * x.beta, rejected(x) * x.beta
    return (
        -F.logsigmoid(chosen_rewards)
        - 0.5 * F.logsigmoid(-chosen_rewards)
        - 0.5 * F.logsigmoid(-rejected_rewards)
    )


def bco_pair(x: SimpleNamespace) -> Any:
    chosen_rewards, rejected_rewards = x.beta * chosen(x), x.beta * rejected(x)
    return -F.logsigmoid(chosen_rewards - x.shift) - F.logsigmoid(-(rejected_rewards - x.shift))


def sppo_hard(x: SimpleNamespace) -> Any:
    return (chosen(x) - 0.5 / x.beta) ** 2 + (rejected(x) + 0.5 / x.beta) ** 2


def apo_zero(x: SimpleNamespace) -> Any:
    return 1 - F.sigmoid(x.beta * chosen(x)) + F.sigmoid(x.beta * rejected(x))


def kto(x: SimpleNamespace) -> Any:
    kl = x.baseline.clamp(min=0)
    logratios = x.policy - x.reference
    chosen_losses = x.desirable_weight * (1 - F.sigmoid(x.beta * (logratios - kl)))
    rejected_losses = x.undesirable_weight * (1 - F.sigmoid(x.beta * (kl - logratios)))
    return torch.where(x.desirable, chosen_losses, rejected_losses)


def simpo(x: SimpleNamespace) -> Any:
    return smoothed(x.chosen - x.rejected - x.gamma / x.beta, x)


def cpo(x: SimpleNamespace) -> Any:
    return smoothed(x.chosen - x.rejected, x) + x.alpha * -x.chosen


def orpo(x: SimpleNamespace) -> Any:
    log_odds = (x.chosen - x.rejected) - (
        torch.log1p(-torch.exp(x.chosen)) - torch.log1p(-torch.exp(x.rejected))
    )
    return -x.chosen - x.beta * F.logsigmoid(log_odds)


def reward(x: SimpleNamespace) -> Any:
    loss = -F.logsigmoid(x.chosen - x.rejected - x.margin)
    return loss + x.centering * (x.chosen + x.rejected) ** 2


def placed(x: SimpleNamespace) -> Any:
    count = x.scores.shape[-1]
    return -sum(F.log_softmax(x.scores[..., k:], -1)[..., 0] for k in range(count))


def row(loss: str, formula: Formula, function: str, **more: Any) -> Row:
    """A row of a formula that does not reduce."""
    return Row(
        loss,
        "formula",
        lambda x, r: plain(formula(x), r),
        more.pop("inputs", PAIRS),
        more.pop("options", {}),
        wrt=more.pop("wrt", POLICY),
        batches=((6,),),
        function=function,
        **more,
    )


DPO = "trl.DPOTrainer"
BOTH = ("chosen", "rejected")
BELOW_ZERO = {name: between(-4, -0.05) for name in BOTH}

ROWS = [
    row(
        "dpo",
        lambda x: smoothed(margin(x), x),
        f"{DPO} loss_type sigmoid",
        options={"beta": 0.3, "label_smoothing": 0.1},
    ),
    row(
        "dpo_robust",
        robust,
        f"{DPO} loss_type robust",
        options={"beta": 0.3, "label_smoothing": 0.1},
    ),
    row(
        "ipo",
        lambda x: (margin(x) - 1 / (2 * x.beta)) ** 2,
        f"{DPO} loss_type ipo",
        options={"beta": 0.3},
        adapter="log-probabilities averaged over tokens",
        unlike="CPOTrainer sums log-probabilities over tokens: for ratios of 0.2 per token, beta 1 "
        "and 5 tokens 0.25, where DPOTrainer gives 0.09",
    ),
    row(
        "dpo_hinge",
        lambda x: torch.relu(1 - x.beta * margin(x)),
        f"{DPO} loss_type hinge",
        options={"beta": 0.6},
    ),
    row(
        "slic",
        lambda x: torch.relu(x.margin - (x.chosen - x.rejected)),
        "Zhao et al., 2023",
        inputs=REWARDS,
        options={"margin": 0.7},
        wrt=BOTH,
    ),
    row(
        "kto",
        kto,
        "trl.KTOTrainer loss_type kto",
        inputs={
            "policy": real(),
            "reference": real(),
            "desirable": flags(),
            "baseline": constant(0.3),
        },
        options={"beta": 0.4, "desirable_weight": 2.0, "undesirable_weight": 0.5},
        wrt=("policy",),
        adapter="baseline is the mean log-ratio over mismatched pairs",
    ),
    row(
        "simpo",
        simpo,
        "trl.CPOTrainer loss_type simpo",
        inputs=REWARDS,
        options={"beta": 2.0, "gamma": 0.7, "label_smoothing": 0.1},
        wrt=BOTH,
        adapter="cpo_alpha=0",
    ),
    row(
        "cpo",
        cpo,
        "trl.CPOTrainer loss_type sigmoid",
        inputs=REWARDS,
        options={"beta": 0.5, "alpha": 0.3, "label_smoothing": 0.1},
        wrt=BOTH,
        unlike="the likelihood term is a mean over the tokens of all chosen answers",
    ),
    row(
        "orpo",
        orpo,
        "trl.ORPOTrainer",
        inputs=BELOW_ZERO,
        options={"beta": 0.3},
        wrt=BOTH,
        unlike="log1p(-exp(x)) has no digits for a log-probability of -1e-20: infinite odds, "
        "where ours are exp(46.05); counts the tokens of all chosen answers alike in the "
        "likelihood term",
    ),
    row(
        "bradley_terry",
        reward,
        "trl.RewardTrainer",
        inputs={**REWARDS, "margin": between(0, 1)},
        options={"centering": 0.1},
        wrt=BOTH,
    ),
    row(
        "plackett_luce",
        placed,
        "Plackett, 1975",
        inputs={"scores": real(4)},
        wrt=("scores",),
    ),
    row("sppo", sppo_hard, f"{DPO} loss_type sppo_hard", options={"beta": 0.5}),
    row("apo_zero", apo_zero, f"{DPO} loss_type apo_zero", options={"beta": 0.5}),
    row(
        "bco",
        bco_pair,
        f"{DPO} loss_type bco_pair",
        inputs={**PAIRS, "shift": constant(0.2)},
        options={"beta": 0.5},
        adapter="shift is the running mean of the rewards",
    ),
    row("nca", nca_pair, f"{DPO} loss_type nca_pair", options={"beta": 0.5}),
    row(
        "exo",
        exo_pair,
        f"{DPO} loss_type exo_pair",
        options={"beta": 0.5, "label_smoothing": 0.01},
    ),
]
