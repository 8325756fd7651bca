"""Formulas of the papers' losses in PyTorch, by another route than their specs, and their inputs.

Each entry makes inputs and options from a generator and computes the unreduced loss of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

Draw = Callable[[torch.Generator], Tensor]


@dataclass(frozen=True)
class Paper:
    """The inputs of a loss, in its order, its options, and what it comes to."""

    inputs: Mapping[str, Draw]
    formula: Callable[..., Tensor]
    options: Mapping[str, float] = field(default_factory=dict)


def real(*shape: int, scale: float = 1) -> Draw:
    return lambda g: scale * torch.randn(shape, generator=g, dtype=torch.float64)


def share(*shape: int) -> Draw:
    return lambda g: torch.rand(shape, generator=g, dtype=torch.float64)


def above(low: float, *shape: int) -> Draw:
    return lambda g: low + torch.rand(shape, generator=g, dtype=torch.float64)


def simplex(*shape: int) -> Draw:
    return lambda g: torch.rand(shape, generator=g, dtype=torch.float64).softmax(-1)


def label(classes: int, *shape: int) -> Draw:
    return lambda g: torch.randint(classes, shape, generator=g)


def flags(*values: int) -> Draw:
    return lambda g: torch.tensor(values, dtype=torch.bool)


def boxes(shift: float) -> Draw:
    corners = torch.tensor([0.0, 0.0, 4.0, 3.0], dtype=torch.float64)
    return lambda g: shift + corners + torch.rand((4, 4), generator=g, dtype=torch.float64)


# ---- contrast and preference ------------------------------------------------------------------


def beta_nll(mean: Tensor, variance: Tensor, target: Tensor, beta: float) -> Tensor:
    nll = F.gaussian_nll_loss(mean, target, variance, reduction="none")
    return nll * variance.detach() ** beta


def _iou(p: Tensor, t: Tensor) -> Tensor:
    sides = (torch.minimum(p[:, 2:], t[:, 2:]) - torch.maximum(p[:, :2], t[:, :2])).clamp(min=0)
    overlap = sides.prod(-1)
    union = (p[:, 2:] - p[:, :2]).prod(-1) + (t[:, 2:] - t[:, :2]).prod(-1) - overlap
    return overlap / union


def mpdiou(p: Tensor, t: Tensor, width: float, height: float) -> Tensor:
    return 1 - _iou(p, t) + (p - t).square().sum(-1) / (width**2 + height**2)


def wise_iou(p: Tensor, t: Tensor) -> Tensor:
    hull = torch.maximum(p[:, 2:], t[:, 2:]) - torch.minimum(p[:, :2], t[:, :2])
    centres = [(box[:, :2] + box[:, 2:]) / 2 for box in (p, t)]
    distance = (centres[0] - centres[1]).square().sum(-1)
    return (distance / hull.square().sum(-1).detach()).exp() * (1 - _iou(p, t))


def decoupled_knowledge_distillation(
    student: Tensor, teacher: Tensor, label: Tensor, alpha: float, beta: float, temperature: float
) -> Tensor:
    s, t = student / temperature, teacher / temperature
    own = F.one_hot(label, s.shape[-1]).bool()
    p, q = s.softmax(-1)[own], t.softmax(-1)[own]
    binary = F.kl_div(
        torch.stack([p, 1 - p], -1).log(), torch.stack([q, 1 - q], -1), reduction="none"
    )
    rest = [x[~own].reshape(len(x), -1).log_softmax(-1) for x in (s, t)]
    others = F.kl_div(rest[0], rest[1], reduction="none", log_target=True)
    return (alpha * binary.sum(-1) + beta * others.sum(-1)) * temperature**2


def robust_info_nce(query: Tensor, key: Tensor, q: float, lam: float, temperature: float) -> Tensor:
    logits = query @ key.T / temperature
    everything = (torch.logsumexp(logits, 1) + math.log(lam)) * q
    return (everything.exp() - (q * logits.diagonal()).exp()) / q


def hard_negative_contrastive(
    query: Tensor, key: Tensor, temperature: float, beta: float
) -> Tensor:
    n = len(query)
    logits = query @ key.T / temperature
    negatives = logits[~torch.eye(n, dtype=torch.bool)].reshape(n, n - 1)
    importance = (beta * negatives).softmax(-1) * (n - 1)
    reweighted = (importance * negatives.exp()).sum(-1)
    own = logits.diagonal().exp()
    return -(own / (own + reweighted)).log()


def cyclip(image: Tensor, text: Tensor, in_modal: float, cross_modal: float) -> Tensor:
    cross = image @ text.T
    within = (image @ image.T - text @ text.T).square().sum() / len(image)
    return in_modal * within + cross_modal * (cross - cross.T).square().sum() / len(image)


def dpo_positive(
    chosen: Tensor, rejected: Tensor, r_chosen: Tensor, r_rejected: Tensor, beta: float, lam: float
) -> Tensor:
    margin = (chosen - r_chosen) - (rejected - r_rejected)
    return -F.logsigmoid(beta * (margin - lam * F.relu(r_chosen - chosen)))


def dpo_length_regularised(
    chosen: Tensor,
    rejected: Tensor,
    r_chosen: Tensor,
    r_rejected: Tensor,
    length: Tensor,
    r_length: Tensor,
    beta: float,
    alpha: float,
) -> Tensor:
    margin = (chosen - r_chosen) - (rejected - r_rejected)
    return F.softplus(-(beta * margin + alpha * (length - r_length)))


def rank_n_contrast(embedding: Tensor, target: Tensor, temperature: float) -> Tensor:
    n = len(target)
    logits = [
        [-torch.linalg.vector_norm(a - b) / temperature if a is not b else a.sum() * 0
         for b in embedding.unbind()] for a in embedding.unbind()
    ]  # fmt: skip
    gap = (target[:, None] - target).abs()
    terms = []
    for i in range(n):
        cost = target.new_zeros(())
        for j in (j for j in range(n) if j != i):
            rivals = [logits[i][k] for k in range(n) if k != i and gap[i, k] >= gap[i, j]]
            cost = cost + torch.logsumexp(torch.stack(rivals), 0) - logits[i][j]
        terms.append(cost / (n - 1))
    return torch.stack(terms)


def squared_earth_mover(logits: Tensor, target: Tensor) -> Tensor:
    return (logits.softmax(-1) - target).cumsum(-1).square().sum(-1)


# ---- vision and sequences ---------------------------------------------------------------------


def sigmoid_f1(logits: Tensor, y: Tensor, beta: float, eta: float) -> Tensor:
    s = torch.sigmoid(beta * (logits + eta))
    return 1 - 2 * (s * y).sum() / (s.sum() + y.sum())


def smooth_ap(similarity: Tensor, relevant: Tensor, tau: float) -> Tensor:
    ahead = torch.sigmoid((similarity - similarity[:, None]) / tau)
    ahead = ahead - ahead.diagonal().diag()
    among = 1 + ahead[relevant][:, relevant].sum(1)
    return 1 - (among / (1 + ahead[relevant].sum(1))).mean()


def maximum_mean_discrepancy(x: Tensor, y: Tensor, sigma: float) -> Tensor:
    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (-(a[:, None] - b).square().sum(-1) / (2 * sigma**2)).exp()

    def unbiased(a: Tensor) -> Tensor:
        n = len(a)
        return (kernel(a, a).sum() - n) / (n * (n - 1))

    return unbiased(x) + unbiased(y) - 2 * kernel(x, y).mean()


def deep_coral(x: Tensor, y: Tensor) -> Tensor:
    return (torch.cov(x.T) - torch.cov(y.T)).square().sum() / (4 * x.shape[1] ** 2)


def two_way_multilabel(logits: Tensor, y: Tensor, temperature: float) -> Tensor:
    def one_way(x: Tensor, y: Tensor) -> Tensor:
        positive = torch.logsumexp((-x / temperature).masked_fill(~y, -math.inf), 1)
        negative = torch.logsumexp(x.masked_fill(y, -math.inf), 1)
        return F.softplus(temperature * positive + negative).mean()

    return one_way(logits, y) + one_way(logits.T, y.T)


def huber_total_variation(u: Tensor, noisy: Tensor, strength: float, delta: float) -> Tensor:
    steps = torch.cat([u.diff(dim=0).flatten(), u.diff(dim=1).flatten()])
    penalty = F.huber_loss(steps, torch.zeros_like(steps), delta=delta, reduction="sum")
    return (u - noisy).square().sum() / 2 + strength * penalty


def energy_bounded(
    inside: Tensor, outside: Tensor, temperature: float, inside_margin: float, outside_margin: float
) -> Tensor:
    low, high = (-temperature * torch.logsumexp(x / temperature, -1) for x in (inside, outside))
    return F.relu(low - inside_margin) ** 2 + F.relu(outside_margin - high) ** 2


def discrete_time_survival(logits: Tensor, interval: Tensor, event: Tensor) -> Tensor:
    places = torch.arange(logits.shape[-1])
    hit = (places == interval[:, None]) & event[:, None]
    costs = F.binary_cross_entropy_with_logits(logits, hit.double(), reduction="none")
    return (costs * (places <= interval[:, None])).sum(-1)


def smooth_concordance(risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
    ordered = event[:, None] & (time[:, None] < time)
    return -(1 + F.logsigmoid(risk[:, None] - risk)[ordered] / math.log(2)).mean()


def deephit_ranking(p: Tensor, interval: Tensor, event: Tensor, sigma: float) -> Tensor:
    incidence = p.cumsum(1)[:, interval].T  # of everybody at the time of each
    gap = incidence.diagonal()[:, None] - incidence
    counts = event[:, None] & (interval[:, None] < interval)
    return ((-gap / sigma).exp() * counts).mean()


def generalized_advantage_value(
    value: Tensor, reward: Tensor, last_value: Tensor, gamma: float, lam: float
) -> Tensor:
    fixed, advantage, goals = torch.cat([value.detach(), last_value[None]]), last_value * 0, []
    for t in reversed(range(len(value))):
        advantage = reward[t] + gamma * fixed[t + 1] - fixed[t] + gamma * lam * advantage
        goals.append(advantage + fixed[t])
    return F.mse_loss(value, torch.stack(goals[::-1])) / 2


# ---- boxes, masks, speech, self-supervision and rewards ---------------------------------------


def active_contour(u: Tensor, v: Tensor, region: float, epsilon: float) -> Tensor:
    down = F.pad(u.diff(dim=0), (0, 0, 0, 1))
    right = F.pad(u.diff(dim=1), (0, 1))
    length = (down.square() + right.square() + epsilon).sqrt().sum()
    return length + region * (u * (1 - v).square() + (1 - u) * v.square()).sum()


def source_aggregated_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    return 10 * ((reference - estimate).square().sum().log10() - reference.square().sum().log10())


def spectral_contrastive(first: Tensor, second: Tensor) -> Tensor:
    dots = first @ second.T
    own = dots.diagonal()
    n = len(dots)
    return -2 * own.mean() + (dots.square().sum() - own.square().sum()) / (n * (n - 1))


def rebel(
    first: Tensor, second: Tensor, r_first: Tensor, r_second: Tensor, won: Tensor, lost: Tensor,
    eta: float,
) -> Tensor:  # fmt: skip
    return F.mse_loss((first - r_first - second + r_second) / eta, won - lost, reduction="none")


def rank_responses(score: Tensor, reward: Tensor, best: Tensor) -> Tensor:
    order = reward.argsort()
    worse, better = torch.combinations(order).unbind(1)
    return F.relu(score[worse] - score[better]).sum() - score[best]


PAPERS = {
    "beta_nll": Paper(
        {"mean": real(4), "variance": above(0.5, 4), "target": real(4)}, beta_nll, {"beta": 0.3}
    ),
    "mpdiou": Paper(
        {"prediction": boxes(0.5), "target": boxes(0)}, mpdiou, {"width": 20, "height": 10}
    ),
    "decoupled_knowledge_distillation": Paper(
        {"student": real(3, 5), "teacher": real(3, 5), "label": label(5, 3)},
        decoupled_knowledge_distillation,
        {"alpha": 0.5, "beta": 2, "temperature": 1.5},
    ),
    "robust_info_nce": Paper(
        {"query": real(4, 3), "key": real(4, 3)},
        robust_info_nce,
        {"q": 0.4, "lam": 0.7, "temperature": 0.9},
    ),
    "hard_negative_contrastive": Paper(
        {"query": real(4, 3), "key": real(4, 3)},
        hard_negative_contrastive,
        {"temperature": 0.8, "beta": 0.6},
    ),
    "cyclip": Paper(
        {"image": real(4, 3), "text": real(4, 3)}, cyclip, {"in_modal": 0.3, "cross_modal": 0.6}
    ),
    "dpo_positive": Paper(
        {name: real(5) for name in ("chosen", "rejected", "r_chosen", "r_rejected")},
        dpo_positive,
        {"beta": 0.4, "lam": 3},
    ),
    "dpo_length_regularised": Paper(
        {name: real(5) for name in ("chosen", "rejected", "r_chosen", "r_rejected")}
        | {"length": above(3, 5), "r_length": above(5, 5)},
        dpo_length_regularised,
        {"beta": 0.4, "alpha": 0.2},
    ),
    "rank_n_contrast": Paper(
        {"embedding": real(5, 3), "target": real(5)}, rank_n_contrast, {"temperature": 1.5}
    ),
    "squared_earth_mover": Paper(
        {"logits": real(3, 5), "target": simplex(3, 5)}, squared_earth_mover
    ),
    "sigmoid_f1": Paper(
        {"logits": real(4, 3), "target": share(4, 3)}, sigmoid_f1, {"beta": 1.5, "eta": 0.2}
    ),
    "smooth_ap": Paper(
        {"similarity": real(5), "relevant": flags(1, 0, 1, 1, 0)}, smooth_ap, {"tau": 0.5}
    ),
    "maximum_mean_discrepancy": Paper(
        {"source": real(4, 3), "drawn": real(5, 3)}, maximum_mean_discrepancy, {"sigma": 1.2}
    ),
    "deep_coral": Paper({"source": real(4, 3), "drawn": real(5, 3)}, deep_coral),
    "two_way_multilabel": Paper(
        {
            "logits": real(3, 3),
            "target": lambda g: torch.tensor([[1, 0, 0], [0, 1, 1], [1, 0, 1]]).bool(),
        },
        two_way_multilabel,
        {"temperature": 3},
    ),
    "huber_total_variation": Paper(
        {"prediction": real(3, 4), "noisy": real(3, 4)},
        huber_total_variation,
        {"strength": 0.7, "delta": 0.8},
    ),
    "energy_bounded": Paper(
        {"inside": real(4, 5), "outside": real(4, 5)},
        energy_bounded,
        {"temperature": 1.5, "inside_margin": -4, "outside_margin": -2},
    ),
    "discrete_time_survival": Paper(
        {"logits": real(4, 5), "interval": label(5, 4), "event": flags(1, 0, 1, 0)},
        discrete_time_survival,
    ),
    "smooth_concordance": Paper(
        {"risk": real(5), "time": real(5), "event": flags(1, 0, 1, 1, 1)}, smooth_concordance
    ),
    "deephit_ranking": Paper(
        {"probability": simplex(5, 4), "interval": label(4, 5), "event": flags(1, 1, 0, 1, 1)},
        deephit_ranking,
        {"sigma": 0.5},
    ),
    "generalized_advantage_value": Paper(
        {"value": real(5), "reward": real(5), "last_value": real()},
        generalized_advantage_value,
        {"gamma": 0.9, "lam": 0.8},
    ),
    "wise_iou": Paper({"prediction": boxes(0.5), "target": boxes(0)}, wise_iou),
    "active_contour": Paper(
        {"prediction": share(3, 4), "target": share(3, 4)},
        active_contour,
        {"region": 0.8, "epsilon": 1e-3},
    ),
    "source_aggregated_sdr": Paper(
        {"estimate": real(2, 6), "reference": real(2, 6)}, source_aggregated_sdr
    ),
    "spectral_contrastive": Paper(
        {"first": real(4, 3), "second": real(4, 3)}, spectral_contrastive
    ),
    "rebel": Paper(
        {name: real(5) for name in ("first", "second", "r_first", "r_second", "won", "lost")},
        rebel,
        {"eta": 0.7},
    ),
    "rank_responses": Paper(
        {"score": real(5), "reward": real(5), "best": label(5)}, rank_responses
    ),
}
