"""Rows for divergences, distillation, similarities and penalties."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import keras
import optax
import torch
import torch.nn.functional as F
from torch.distributions import Normal
from torch.distributions import kl_divergence as torch_kl

from tests.equality.optax_rows import optax_loss
from tests.equality.rows import (
    ANY_BATCH,
    DENSE,
    DISTRIBUTIONS,
    Row,
    between,
    constant,
    formula,
    plain,
    real,
)

categorical: Any = torch.distributions.Categorical  # has no types
STUDENT = {"student": real(5), "teacher": real(5)}
VECTORS = {"prediction": real(4), "target": real(4)}
POSITIVE = {"prediction": between(0.2, 3, 4), "target": between(0.2, 3, 4)}
MOMENTS = {
    "mean": real(),
    "deviation": between(0.3, 2),
    "target_mean": real(),
    "target_deviation": between(0.3, 2),
}


def kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL(p || q) over the last axis."""
    return (p * (p.log() - q.log())).sum(-1)


def js(x: SimpleNamespace) -> torch.Tensor:
    """kornia.losses.js_div_loss_2d and timm's JsdCrossEntropy of two distributions."""
    mean = (x.prediction + x.target) / 2
    return (kl(x.target, mean) + kl(x.prediction, mean)) / 2


def log_kl(x: SimpleNamespace, reduction: str) -> Any:
    value = F.kl_div(x.log_prediction, x.log_target, reduction="none", log_target=True)
    return plain(value.sum(-1), reduction)


def distil(x: SimpleNamespace) -> Any:
    """mmdet.models.losses.KnowledgeDistillationKLDivLoss, summed over the classes."""
    target = F.softmax(x.teacher / x.temperature, dim=-1).detach()
    student = F.log_softmax(x.student / x.temperature, dim=-1)
    return F.kl_div(student, target, reduction="none").sum(-1) * x.temperature**2


def reverse_distil(x: SimpleNamespace) -> Any:
    p, q = (torch.softmax(z / x.temperature, -1) for z in (x.teacher, x.student))
    return x.temperature**2 * kl(q, p)


def trl_gkd(x: SimpleNamespace) -> torch.Tensor:
    """trl.GKDTrainer.generalized_jsd_loss, summed over the vocabulary."""
    student = F.log_softmax(x.student / x.temperature, dim=-1)
    teacher = F.log_softmax(x.teacher / x.temperature, dim=-1)
    if x.beta == 0:
        value = F.kl_div(student, teacher, reduction="none", log_target=True)
    elif x.beta == 1:
        value = F.kl_div(teacher, student, reduction="none", log_target=True)
    else:
        beta = torch.tensor(x.beta, dtype=student.dtype)
        parts = torch.stack([student + torch.log1p(-beta), teacher + torch.log(beta)])
        mixture = torch.logsumexp(parts, dim=0)
        of_teacher = F.kl_div(mixture, teacher, reduction="none", log_target=True)
        of_student = F.kl_div(mixture, student, reduction="none", log_target=True)
        value = beta * of_teacher + (1 - beta) * of_student
    return value.sum(-1)


def normals(x: SimpleNamespace, reduction: str) -> Any:
    own, other = Normal(x.mean, x.deviation), Normal(x.target_mean, x.target_deviation)
    return plain(torch_kl(own, other), reduction)


def standard_normals(x: SimpleNamespace, reduction: str) -> Any:
    own = Normal(x.mean, (x.log_variance / 2).exp())
    return plain(torch_kl(own, Normal(torch.zeros(()), torch.ones(()))).sum(-1), reduction)


def kendall(x: SimpleNamespace) -> Any:
    """Kendall et al., 2018, equation 7, with half the log-variances for the log-deviations."""
    return (torch.exp(-x.log_variance) * x.losses / 2 + x.log_variance / 2).sum(-1)


def soft_orthogonality(x: SimpleNamespace) -> Any:
    product = x.matrix.mT @ x.matrix
    return ((product - torch.eye(product.shape[-1], dtype=product.dtype)) ** 2).sum((-1, -2))


def overlap(x: SimpleNamespace) -> Any:
    return (x.target**x.alpha * x.prediction ** (1 - x.alpha)).sum(-1)


ROWS = [
    # ---- distributions ----
    formula(
        "reverse_kl_divergence",
        lambda x: kl(x.prediction, x.target),
        DISTRIBUTIONS,
        function="Kullback and Leibler, 1951",
    ),
    Row(
        "kl_divergence_with_logits",
        "optax",
        lambda x, r: plain(optax.losses.kl_divergence(jax.nn.log_softmax(x.logits), x.target), r),
        DENSE,
        function="optax.losses.kl_divergence",
        adapter="of the log-softmax of the logits",
        unlike="its gradient by a target of 0 is NaN",
    ),
    Row(
        "kl_divergence_with_log_target",
        "torch",
        log_kl,
        {"log_prediction": between(-4, -0.1, 5), "log_target": between(-4, -0.1, 5)},
        batches=ANY_BATCH,
        function="torch.nn.functional.kl_div",
        adapter="log_target=True, summed over the classes",
        unlike="mean divides by the classes, too, but for reduction='batchmean'",
    ),
    Row(
        "kl_divergence_with_log_target",
        "optax",
        optax_loss(optax.losses.kl_divergence_with_log_targets, "log_prediction", "log_target"),
        {"log_prediction": between(-4, -0.1, 5), "log_target": between(-4, -0.1, 5)},
        function="optax.losses.kl_divergence_with_log_targets",
    ),
    formula("js_divergence", js, DISTRIBUTIONS, function="kornia.losses.js_div_loss_2d"),
    formula(
        "total_variation_distance",
        lambda x: (x.prediction - x.target).abs().sum(-1) / 2,
        DISTRIBUTIONS,
        function="liger_kernel.transformers.LigerTVDLoss",
    ),
    formula(
        "squared_hellinger_distance",
        lambda x: ((x.prediction.sqrt() - x.target.sqrt()) ** 2).sum(-1) / 2,
        DISTRIBUTIONS,
        function="Hellinger, 1909",
    ),
    formula(
        "bhattacharyya_distance",
        lambda x: -(x.prediction * x.target).sqrt().sum(-1).log(),
        DISTRIBUTIONS,
        function="Bhattacharyya, 1943",
    ),
    formula(
        "chi_squared_divergence",
        lambda x: ((x.prediction - x.target) ** 2 / x.prediction).sum(-1),
        DISTRIBUTIONS,
        function="Pearson, 1900",
    ),
    formula(
        "alpha_divergence",
        lambda x: (1 - overlap(x)) / x.alpha / (1 - x.alpha),
        DISTRIBUTIONS,
        {"alpha": 0.3},
        function="Amari, 1985",
    ),
    formula(
        "renyi_divergence",
        lambda x: overlap(x).log() / (x.alpha - 1),
        DISTRIBUTIONS,
        {"alpha": 0.3},
        function="Rényi, 1961",
    ),
    Row(
        "generalized_kl_divergence",
        "optax",
        lambda x, r: plain(
            optax.losses.generalized_kl_divergence(jnp.log(x.prediction), x.target), r
        ),
        POSITIVE,
        function="optax.losses.generalized_kl_divergence",
        adapter="log_predictions are logarithms of the prediction",
    ),
    formula(
        "itakura_saito_divergence",
        lambda x: (x.target / x.prediction - (x.target / x.prediction).log() - 1).sum(-1),
        POSITIVE,
        function="sklearn.decomposition.NMF(beta_loss='itakura-saito')",
    ),
    # ---- teachers ----
    formula(
        "distillation",
        distil,
        STUDENT,
        {"temperature": 2.5},
        function="mmdet.models.losses.KnowledgeDistillationKLDivLoss",
        adapter="pred is student, soft_label is teacher; theirs is averaged over the classes",
    ),
    formula(
        "reverse_distillation",
        reverse_distil,
        STUDENT,
        {"temperature": 2.5},
        function="Gu et al., 2024",
    ),
    *(
        formula(
            "generalized_js_distillation",
            trl_gkd,
            STUDENT,
            {"beta": beta, "temperature": 0.9},
            note=f"beta {beta}",
            function="trl.GKDTrainer.generalized_jsd_loss",
            adapter="summed over the vocabulary",
            unlike="near the ends of beta it fades to 0, at the ends it does not, as ours",
        )
        for beta in (0.0, 0.3, 1.0)
    ),
    # ---- Gaussians ----
    Row(
        "gaussian_kl",
        "torch",
        normals,
        MOMENTS,
        wrt=("mean", "deviation"),
        function="torch.distributions.kl_divergence",
        adapter="of two Normal",
    ),
    Row(
        "standard_gaussian_kl",
        "torch",
        standard_normals,
        {"mean": real(4), "log_variance": real(4)},
        wrt=("mean", "log_variance"),
        function="torch.distributions.kl_divergence",
        adapter="of two Normal, summed",
    ),
    # ---- angles ----
    Row(
        "negative_cosine_similarity",
        "keras",
        lambda x, r: keras.losses.CosineSimilarity(reduction=r)(x.target, x.prediction),
        VECTORS,
        function="keras.losses.CosineSimilarity",
    ),
    # ---- penalties ----
    formula(
        "l1_penalty",
        lambda x: x.parameter.abs(),
        {"parameter": real()},
        function="keras.regularizers.L1",
        adapter="l1 = 1; theirs is the sum",
    ),
    formula(
        "l2_penalty",
        lambda x: x.parameter.square(),
        {"parameter": real()},
        function="keras.regularizers.L2",
        adapter="l2 = 1; theirs is the sum",
    ),
    formula(
        "elastic_net_penalty",
        lambda x: x.l1_ratio * x.parameter.abs() + 0.5 * (1 - x.l1_ratio) * x.parameter**2,
        {"parameter": real()},
        {"l1_ratio": 0.3},
        function="sklearn.linear_model.ElasticNet",
        adapter="alpha = 1; theirs is the sum over the weights",
    ),
    formula(
        "group_lasso_penalty",
        lambda x: x.parameter.norm(dim=-1) * 4**0.5,
        {"parameter": real(4)},
        function="Yuan and Lin, 2006",
    ),
    formula(
        "negative_entropy",
        lambda x: -categorical(logits=x.logits).entropy(),
        {"logits": real(5)},
        function="torch.distributions.Categorical.entropy",
        adapter="minus theirs",
    ),
    formula(
        "orthogonality_penalty",
        soft_orthogonality,
        {"matrix": real(4, 3)},
        function="keras.regularizers.OrthogonalRegularizer",
        unlike="normalises the columns and sums their products, not the squares",
    ),
    formula(
        "multi_task_uncertainty",
        kendall,
        {"losses": between(0.1, 3, 3)},
        {"log_variance": constant([0.3, -0.2, 1.0])},
        wrt=("losses", "log_variance"),
        function="Kendall et al., 2018, equation 7",
    ),
]
