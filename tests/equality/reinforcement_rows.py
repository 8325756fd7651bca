"""Rows for policy and value losses: the formulas of rlax, TRL and other sources, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from tests.equality.rows import Maker, Row, between, flags, label, one_of, plain, real, simplex

CHOICE = {"logits": real(4), "action": label(4)}
CHANCE = {"log_probability": real(), "old_log_probability": real(), "advantage": real()}
STEP = {"reward": real(), "discount": between(0, 1)}
DIVERGENCE = {"log_probability": real(), "reference": real()}
DISCRETE = {"values": real(4), "action": label(4), **STEP}
TOKENS = {
    "log_probability": between(-2, 0, 5),
    "old_log_probability": between(-2, 0, 5),
    "advantage": real(),
    "reference": between(-2, 0, 5),
}
CLIPS = {"clip_low": 0.2, "clip_high": 0.28}


def ratio_objective(x: SimpleNamespace, ratio: Any, advantage: Any) -> Any:
    clipped = torch.clamp(ratio, 1 - x.clip_low, 1 + x.clip_high)
    return -torch.min(ratio * advantage, clipped * advantage)


def taken(x: SimpleNamespace) -> Any:
    return x.values.gather(-1, x.action[..., None])[..., 0]


def log_prob(x: SimpleNamespace) -> Any:
    return -F.cross_entropy(x.logits, x.action, reduction="none")


def policy_gradient(x: SimpleNamespace, reduction: str) -> Any:
    return plain(log_prob(x) * -x.advantage, reduction)


def a2c(x: SimpleNamespace, reduction: str) -> Any:
    advantages = x.returns - x.value.detach()
    policy_loss = -(advantages * log_prob(x))
    value_loss = F.mse_loss(x.returns, x.value, reduction="none")
    return plain(policy_loss + x.value_coefficient * value_loss, reduction)


def ppo(x: SimpleNamespace, reduction: str) -> Any:
    ratio = torch.exp(x.log_probability - x.old_log_probability)
    return plain(ratio_objective(x, ratio, x.advantage), reduction)


def ppo_value(x: SimpleNamespace, reduction: str) -> Any:
    clipped = torch.clamp(x.value, x.old_value - x.epsilon, x.old_value + x.epsilon)
    losses = torch.max(torch.square(x.value - x.returns), torch.square(clipped - x.returns))
    return plain(0.5 * losses, reduction)


def grpo(x: SimpleNamespace, reduction: str) -> Any:
    coefficient = torch.exp(x.log_probability - x.old_log_probability)
    cost = ratio_objective(x, coefficient, x.advantage[:, None])
    change = x.reference - x.log_probability
    return plain(cost + x.beta * (torch.exp(change) - change - 1), reduction)


def gspo(x: SimpleNamespace, reduction: str) -> Any:
    log_ratio = x.log_probability - x.old_log_probability
    count = x.valid.sum(-1).clamp(min=1.0)
    log_importance = (log_ratio * x.valid).sum(-1) / count
    return plain(ratio_objective(x, torch.exp(log_importance), x.advantage), reduction)


def risk(x: SimpleNamespace, reduction: str) -> Any:
    probability = F.softmax(x.sharpness * x.log_probability, dim=-1)
    return plain((probability * -x.reward).sum(-1), reduction)


def weighted_regression(x: SimpleNamespace, reduction: str) -> Any:
    weights = torch.clamp(torch.exp(x.advantage / x.temperature), max=x.max_weight)
    return plain(-x.log_probability * weights, reduction)


def td(x: SimpleNamespace, target: Any, value: Any, reduction: str) -> Any:
    return plain(0.5 * (x.reward + x.discount * target - value) ** 2, reduction)


def double_q(x: SimpleNamespace, reduction: str) -> Any:
    best = x.selector.argmax(-1, keepdim=True)
    return td(x, x.next_values.gather(-1, best)[..., 0], taken(x), reduction)


def projection(z_p: Any, probs: Any, z_q: Any) -> Any:
    """The projection of rlax: `z_q` are the atoms, `z_p` where the probabilities lie."""
    vmin, vmax = z_q[0], z_q[-1]
    d_pos = torch.cat([z_q, vmin[None]])[1:]
    d_neg = torch.cat([vmax[None], z_q])[:-1]
    z_p = torch.clamp(z_p, vmin, vmax)[None, :]
    d_pos, d_neg = (d_pos - z_q)[:, None], (z_q - d_neg)[:, None]
    z_q = z_q[:, None]
    d_neg = torch.where(d_neg > 0, 1.0 / d_neg, 0.0)
    d_pos = torch.where(d_pos > 0, 1.0 / d_pos, 0.0)
    delta_qp = z_p - z_q
    d_sign = (delta_qp >= 0.0).double()
    delta_hat = (d_sign * delta_qp * d_pos) - ((1.0 - d_sign) * delta_qp * d_neg)
    return torch.sum(torch.clamp(1.0 - delta_hat, 0.0, 1.0) * probs[None, :], dim=-1)


def categorical_q(x: SimpleNamespace, reduction: str) -> Any:
    atoms = torch.linspace(x.low, x.high, x.logits.shape[-1], dtype=torch.float64)
    images = x.reward[:, None] + x.discount[:, None] * atoms
    pairs = zip(images, x.next_probability, strict=True)
    target = torch.stack([projection(z, p, atoms) for z, p in pairs])
    return plain(F.cross_entropy(x.logits, target, reduction="none"), reduction)


def soft_critic(x: SimpleNamespace, reduction: str) -> Any:
    smaller = torch.min(x.first_next_value, x.second_next_value)
    soft = smaller - x.temperature * x.next_log_probability
    backup = x.reward + x.discount * soft
    return 0.5 * F.mse_loss(x.action_value, backup, reduction=reduction)


def expectile(x: SimpleNamespace, reduction: str) -> Any:
    diff = x.action_value - x.value
    weight = torch.abs(x.tau - (diff < 0.0).double())
    return plain(weight * (diff**2), reduction)


def row(
    loss: str,
    theirs: Any,
    function: str,
    inputs: Mapping[str, Maker],
    options: Mapping[str, Any] | None = None,
    **more: Any,
) -> Row:
    """A row of a formula."""
    return Row(
        loss, "formula", theirs, inputs, options or {}, batches=((6,),), function=function, **more
    )


ROWS = [
    row(
        "policy_gradient",
        policy_gradient,
        "rlax.policy_gradient_loss",
        {**CHOICE, "advantage": real()},
        adapter="w_t is the weight, and its mean divides by the number of steps",
    ),
    row(
        "entropy_bonus",
        lambda x, r: plain((F.softmax(x.logits, -1) * F.log_softmax(x.logits, -1)).sum(-1), r),
        "rlax.entropy_loss",
        {"logits": real(4)},
    ),
    row(
        "advantage_actor_critic",
        a2c,
        "stable_baselines3.A2C",
        {"logits": real(4), "value": real(), "action": label(4), "returns": real()},
        {"value_coefficient": 0.3},
        wrt=("logits", "value"),
        adapter="ent_coef=0: add entropy_bonus",
    ),
    row("ppo_clip", ppo, "rlax.clipped_surrogate_pg_loss", CHANCE, CLIPS),
    row(
        "ppo_value_clip",
        ppo_value,
        "trl.PPOTrainer cliprange_value",
        {"value": real(), "old_value": real(), "returns": real()},
        {"epsilon": 0.5},
    ),
    row(
        "grpo",
        grpo,
        "trl.GRPOTrainer",
        TOKENS,
        {**CLIPS, "beta": 0.04},
        adapter="mean over unmasked tokens for bnpo; the global token count as normalizer for "
        "dapo; the number of answers times the length limit for dr_grpo; weight 1 / length "
        "for grpo",
        unlike="four denominators by loss_type: two answers of 1 and 3 tokens that cost 1 and 0 a "
        "token are 0.5 (grpo), 0.25 (bnpo), 0.125 (dr_grpo with length limit 4)",
    ),
    row(
        "gspo",
        gspo,
        "trl.GRPOTrainer importance_sampling_level sequence",
        {
            "log_probability": between(-2, 0, 5),
            "old_log_probability": between(-2, 0, 5),
            "valid": flags(5),
            "advantage": real(),
        },
        CLIPS,
    ),
    row(
        "k1_kl",
        lambda x, r: plain(-(x.reference - x.log_probability), r),
        "Schulman, 2020",
        DIVERGENCE,
    ),
    row(
        "k2_kl",
        lambda x, r: plain((x.reference - x.log_probability) ** 2 / 2, r),
        "Schulman, 2020",
        DIVERGENCE,
    ),
    row(
        "k3_kl",
        lambda x, r: plain(
            (x.reference - x.log_probability).exp() - 1 - (x.reference - x.log_probability), r
        ),
        "Schulman, 2020",
        DIVERGENCE,
    ),
    row(
        "minimum_risk",
        risk,
        "fairseq SequenceRiskCriterion",
        {"log_probability": between(-9, 0, 4), "reward": between(0, 1, 4)},
        {"sharpness": 0.5},
    ),
    row(
        "self_critical",
        lambda x, r: plain(-x.log_probability * (x.reward - x.baseline), r),
        "Rennie et al., 2017",
        {"log_probability": real(), "reward": real(), "baseline": real()},
    ),
    row(
        "advantage_weighted_regression",
        weighted_regression,
        "Peng et al., 2019",
        {"log_probability": real(), "advantage": real()},
        {"temperature": 0.5, "max_weight": 3.0},
    ),
    row(
        "temporal_difference",
        lambda x, r: td(x, x.next_value, x.value, r),
        "rlax.td_learning",
        {"value": real(), **STEP, "next_value": real()},
        adapter="squared and halved",
    ),
    row(
        "q_learning",
        lambda x, r: td(x, x.next_values.max(-1)[0], taken(x), r),
        "rlax.q_learning",
        {**DISCRETE, "next_values": real(4)},
        adapter="squared and halved",
    ),
    row(
        "double_q_learning",
        double_q,
        "rlax.double_q_learning",
        {**DISCRETE, "next_values": real(4), "selector": real(4)},
        adapter="squared and halved",
        unlike="takes the first of several best actions: next values 1 and 3 count as 1, where "
        "ours are 2",
    ),
    row(
        "categorical_q_learning",
        categorical_q,
        "rlax.categorical_td_learning",
        {"logits": real(5), "next_probability": simplex(5), **STEP},
        {"low": -1.5, "high": 2.0},
        adapter="of the distribution of the best next action",
    ),
    row(
        "soft_actor",
        lambda x, r: plain(x.temperature * x.log_probability - x.action_value, r),
        "Haarnoja et al., 2018",
        {"log_probability": real(), "action_value": real()},
        {"temperature": 0.3},
        wrt=("log_probability", "action_value"),
    ),
    row(
        "soft_critic",
        soft_critic,
        "stable_baselines3.SAC",
        {
            "action_value": real(),
            **STEP,
            "first_next_value": real(),
            "second_next_value": real(),
            "next_log_probability": real(),
        },
        {"temperature": 0.3},
        adapter="of one critic",
    ),
    row(
        "conservative_q",
        lambda x, r: plain(torch.logsumexp(x.values, -1) - taken(x), r),
        "Kumar et al., 2020",
        {"values": real(4), "action": label(4)},
    ),
    row(
        "expectile_value",
        expectile,
        "rlax.expectile_loss",
        {"value": real(), "action_value": one_of(-1, 0.5, 2)},
        {"tau": 0.8},
        adapter="of action_value - value",
    ),
]
