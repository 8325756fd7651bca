"""Rows for margin losses, losses for noisy labels and rare classes, scores and a linear layer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch
import torch.nn.functional as F
from sklearn import metrics
from sklearn._loss import loss as sklearn_loss
from sklearn.linear_model import _sgd_fast as sgd

from tests.equality.optax_rows import optax_loss
from tests.equality.regression_rows import score, sklearn_sgd
from tests.equality.rows import (
    ANY_BATCH,
    BINARY,
    DENSE,
    LOGIT,
    SIGNED,
    SPARSE,
    Maker,
    Row,
    between,
    constant,
    formula,
    label,
    one_of,
    plain,
    real,
    simplex,
)
from tests.equality.sklearn_rows import FLAT

SCORES = {"scores": real(5), "label": label(5)}
PROBABILITIES = {"probabilities": simplex(5), "label": label(5)}
SCORED = {"probability": between(0.05, 0.95), "target": one_of(0, 1)}
FREQUENCIES = constant([0.4, 0.3, 0.2, 0.07, 0.03])

categorical: Any = torch.distributions.Categorical  # has no types


def some(size: int) -> Maker:
    """Zeros and ones over the batch shape and an axis, the first of which is a one."""

    def make(rng: np.random.Generator, batch: tuple[int, ...]) -> np.ndarray:
        made = (rng.random((*batch, size)) < 0.5).astype(float)
        made[..., 0] = 1
        return made

    return make


def flat(function: Any, **options: str) -> Any:
    """A loss of torch that takes (samples, classes) alone, at any batch shape."""

    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        scores = x.scores if hasattr(x, "scores") else x.logits
        target = x.label if hasattr(x, "label") else x.target
        given = {mine: getattr(x, ours) for mine, ours in options.items()}
        rows = target.reshape(-1, *target.shape[scores.ndim - 1 :])
        value = function(scores.reshape(-1, scores.shape[-1]), rows, reduction="none", **given)
        return plain(value.reshape(scores.shape[:-1]), reduction)

    return theirs


def padded_labels(x: SimpleNamespace, reduction: str) -> Any:
    """Torch wants the present classes in front, and -1 behind them."""
    place = torch.arange(x.target.shape[-1]).expand(x.target.shape)
    found = torch.where(x.target > 0, place, 99).sort(-1).values
    labels = torch.where(found == 99, -1, found)
    return F.multilabel_margin_loss(x.scores, labels, reduction=reduction)


def half_exponential(x: SimpleNamespace, reduction: str) -> Any:
    """Scikit-learn has targets of 0 and 1, and the same score."""
    value, gradient = sklearn_loss.ExponentialLoss().loss_gradient(
        y_true=(x.target + 1) / 2, raw_prediction=x.prediction
    )
    scale = 1 / len(value) if reduction == "mean" else 1
    return (value if reduction == "none" else value.sum() * scale), [gradient * scale]


def chosen(x: SimpleNamespace) -> Any:
    """The probability of the label."""
    probability = x.logits.softmax(-1) if hasattr(x, "logits") else x.probabilities
    return probability.gather(-1, x.label[..., None])[..., 0]


def wang(x: SimpleNamespace) -> Any:
    """The code of Wang et al., 2019, whose clamp of the one-hot label is exp(log_zero)."""
    prediction = x.logits.softmax(-1)
    one_hot = F.one_hot(x.label, 5).double().clamp(min=float(np.exp(x.log_zero)), max=1.0)
    reverse = -(prediction * one_hot.log()).sum(-1)
    return x.alpha * -chosen(x).log() + x.beta * reverse


def timm_asymmetric(x: SimpleNamespace) -> Any:
    """timm.loss.AsymmetricLossMultiLabel, per entry, with `disable_torch_grad_focal_loss=False`."""
    xs_pos = torch.sigmoid(x.logits)
    xs_neg = (1 - xs_pos + x.clip).clamp(max=1)
    value = x.target * torch.log(xs_pos) + (1 - x.target) * torch.log(xs_neg)
    pt = xs_pos * x.target + xs_neg * (1 - x.target)
    gamma = x.gamma_positive * x.target + x.gamma_negative * (1 - x.target)
    return -value * torch.pow(1 - pt, gamma)


def mmdet_quality_focal(x: SimpleNamespace) -> Any:
    cross_entropy = F.binary_cross_entropy_with_logits(x.logits, x.target, reduction="none")
    return cross_entropy * (x.target - x.logits.sigmoid()).abs().pow(x.beta)


def mmdet_varifocal(x: SimpleNamespace) -> Any:
    p, y = x.logits.sigmoid(), x.target
    weight = y * (y > 0.0).double() + x.alpha * (p - y).abs().pow(x.gamma) * (y <= 0.0).double()
    return F.binary_cross_entropy_with_logits(x.logits, y, reduction="none") * weight


def cao_margins(x: SimpleNamespace) -> torch.Tensor:
    """The code of Cao et al., 2019, whose `s` is multiplied into logits and margins."""
    moved = x.logits - x.margins[x.label][..., None]
    output = torch.where(F.one_hot(x.label, 5).bool(), moved, x.logits)
    return F.cross_entropy(output.movedim(-1, 1), x.label, reduction="none")


def effective_numbers(x: SimpleNamespace) -> Any:
    """The code of Cui et al., 2019."""
    weights = (1.0 - x.beta) / (1.0 - torch.pow(torch.tensor(x.beta, dtype=torch.float64), x.count))
    weights = weights / weights.sum() * 5
    cross_entropy = F.cross_entropy(x.logits.movedim(-1, 1), x.label, reduction="none")
    return weights[x.label] * cross_entropy


def adjusted(x: SimpleNamespace) -> torch.Tensor:
    logits = x.logits + x.tau * torch.log(x.prior)
    return F.cross_entropy(logits.movedim(-1, 1), x.label, reduction="none")


def penalized(x: SimpleNamespace) -> Any:
    entropy = categorical(logits=x.logits).entropy()
    return -chosen(x).log() - x.beta * entropy


def coral_pytorch(x: SimpleNamespace) -> Any:
    term = F.logsigmoid(x.logits) * x.levels + (F.logsigmoid(x.logits) - x.logits) * (1 - x.levels)
    return -term.sum(-1)


def nce(x: SimpleNamespace) -> torch.Tensor:
    count = x.noise_scores.shape[-1]
    model, noise = x.score.exp(), count * x.log_noise.exp()
    models, noises = x.noise_scores.exp(), count * x.noise_log_noise.exp()
    return -torch.log(model / (model + noise)) - torch.log(noises / (models + noises)).sum(-1)


def linear(x: SimpleNamespace, reduction: str) -> Any:
    logits = F.linear(x.hidden, x.weights, getattr(x, "bias", None))
    smoothing = getattr(x, "label_smoothing", 0.0)
    return F.cross_entropy(logits, x.label, reduction=reduction, label_smoothing=smoothing)


LAYER = {"hidden": real(4), "weights": constant(np.random.default_rng(7).normal(size=(5, 4)))}
SGD = "sklearn.linear_model.SGDClassifier(loss={!r})"
ROWS = [
    # ---- margins ----
    Row(
        "perceptron",
        "optax",
        optax_loss(optax.losses.perceptron_loss, "prediction", "target"),
        SIGNED,
        function="optax.losses.perceptron_loss",
    ),
    Row(
        "perceptron",
        "sklearn",
        sklearn_sgd(sgd.Hinge(0.0)),
        SIGNED,
        batches=FLAT,
        function=SGD.format("perceptron"),
    ),
    Row(
        "soft_margin",
        "torch",
        lambda x, r: F.soft_margin_loss(x.prediction, x.target, reduction=r),
        SIGNED,
        batches=ANY_BATCH,
        function="torch.nn.functional.soft_margin_loss",
        unlike="infinite for a prediction of -100 and a target of 1 in float32, where ours is 100",
    ),
    Row(
        "exponential",
        "sklearn",
        half_exponential,
        SIGNED,
        batches=FLAT,
        function="sklearn._loss.loss.ExponentialLoss",
        adapter="targets of 0 and 1 for -1 and 1",
    ),
    Row(
        "modified_huber_classification",
        "sklearn",
        sklearn_sgd(sgd.ModifiedHuber()),
        SIGNED,
        batches=FLAT,
        function=SGD.format("modified_huber"),
    ),
    formula(
        "savage",
        lambda x: (1 + (x.target * x.prediction).exp()) ** -2,
        SIGNED,
        function="Masnadi-Shirazi and Vasconcelos, 2008",
    ),
    formula(
        "tangent",
        lambda x: (2 * torch.atan(x.target * x.prediction) - 1) ** 2,
        SIGNED,
        function="Masnadi-Shirazi et al., 2010",
    ),
    Row(
        "binary_sparsemax",
        "optax",
        lambda x, r: plain(
            optax.losses.sparsemax_loss(x.prediction, (x.target.astype(int) + 1) // 2), r
        ),
        SIGNED,
        function="optax.losses.sparsemax_loss",
        adapter="targets of 0 and 1 for -1 and 1",
    ),
    Row(
        "categorical_hinge",
        "optax",
        optax_loss(optax.losses.multiclass_hinge_loss, "scores", "label"),
        SCORES,
        batches=ANY_BATCH,
        function="optax.losses.multiclass_hinge_loss",
    ),
    Row(
        "categorical_hinge",
        "keras",
        lambda x, r: keras.losses.CategoricalHinge(reduction=r)(
            keras.ops.one_hot(x.label, 5), x.scores
        ),
        {"scores": between(0.1, 3, 5), "label": label(5)},
        function="keras.losses.CategoricalHinge",
        adapter="one-hot targets",
        unlike="the best rival scores at least 0: 2.0 for scores -1, -2 and the first label, where "
        "ours is 0",
    ),
    Row(
        "multiclass_perceptron",
        "optax",
        optax_loss(optax.losses.multiclass_perceptron_loss, "scores", "label"),
        SCORES,
        function="optax.losses.multiclass_perceptron_loss",
    ),
    Row(
        "multi_margin",
        "torch",
        flat(F.multi_margin_loss, margin="margin"),
        SCORES,
        {"margin": 0.7},
        function="torch.nn.functional.multi_margin_loss",
    ),
    Row(
        "multi_margin",
        "torch",
        flat(F.multi_margin_loss, p="p"),
        SCORES,
        {"p": 2},
        function="torch.nn.functional.multi_margin_loss",
    ),
    Row(
        "multilabel_margin",
        "torch",
        padded_labels,
        {"scores": real(5), "target": some(5)},
        batches=((6,),),
        function="torch.nn.functional.multilabel_margin_loss",
        adapter="labels padded by -1 for zeros and ones",
    ),
    Row(
        "multilabel_soft_margin",
        "torch",
        lambda x, r: F.multilabel_soft_margin_loss(x.logits, x.target, reduction=r),
        {"logits": real(5), "target": some(5)},
        function="torch.nn.functional.multilabel_soft_margin_loss",
    ),
    # ---- noisy labels ----
    Row(
        "generalized_cross_entropy",
        "keras",
        lambda x, r: keras.losses.CategoricalGeneralizedCrossEntropy(q=x.q, reduction=r)(
            x.label, x.probabilities
        ),
        PROBABILITIES,
        {"q": 0.7},
        function="keras.losses.CategoricalGeneralizedCrossEntropy",
    ),
    formula(
        "generalized_cross_entropy_with_logits",
        lambda x: (1 - chosen(x) ** x.q) / x.q,
        SPARSE,
        {"q": 0.7},
        function="Zhang and Sabuncu, 2018, equation 6",
    ),
    formula(
        "symmetric_cross_entropy",
        wang,
        SPARSE,
        {"alpha": 0.3, "beta": 0.8, "log_zero": -5.0},
        function="Wang et al., 2019, code",
    ),
    Row(
        "poly1_cross_entropy",
        "optax",
        optax_loss(optax.losses.poly_loss_cross_entropy, "logits", "target", options=("epsilon",)),
        DENSE,
        {"epsilon": 1.5},
        function="optax.losses.poly_loss_cross_entropy",
    ),
    Row(
        "sparse_poly1_cross_entropy",
        "optax",
        lambda x, r: plain(
            optax.losses.poly_loss_cross_entropy(x.logits, jnp.eye(5)[x.label], epsilon=x.epsilon),
            r,
        ),
        SPARSE,
        {"epsilon": -0.5},
        function="optax.losses.poly_loss_cross_entropy",
        adapter="one-hot targets",
    ),
    formula(
        "confidence_penalized_cross_entropy",
        penalized,
        SPARSE,
        {"beta": 0.3},
        function="Pereyra et al., 2017",
    ),
    formula(
        "softmax_squared_error",
        lambda x: ((x.logits.softmax(-1) - F.one_hot(x.label, 5)) ** 2).sum(-1),
        SPARSE,
        function="Brier, 1950, of a softmax",
    ),
    # ---- rare classes and positives ----
    formula(
        "asymmetric_multilabel",
        timm_asymmetric,
        BINARY,
        {"gamma_negative": 3.0, "gamma_positive": 1.0, "clip": 0.1},
        function="timm.loss.AsymmetricLossMultiLabel",
        adapter="gamma_neg, gamma_pos; theirs is always the sum",
        unlike="clamps probabilities at eps = 1e-8: 18.4 for a logit of -100 and a target of 1, "
        "where ours is 100; with disable_torch_grad_focal_loss the weight has no gradient",
    ),
    formula(
        "quality_focal",
        mmdet_quality_focal,
        LOGIT,
        {"beta": 2.5},
        function="mmdet.models.losses.QualityFocalLoss",
        adapter="per class; the quality is the target of the labelled class, 0 that of the others",
    ),
    formula(
        "varifocal",
        mmdet_varifocal,
        {"logits": real(), "target": one_of(0, 0.4, 0.9)},
        {"alpha": 0.6, "gamma": 1.5},
        function="mmdet.models.losses.VarifocalLoss",
    ),
    formula(
        "logit_adjusted_cross_entropy",
        adjusted,
        {**SPARSE, "prior": FREQUENCIES},
        {"tau": 0.8},
        function="Menon et al., 2021, equation 10",
    ),
    formula(
        "label_distribution_aware_margin",
        cao_margins,
        {**SPARSE, "margins": constant([0.1, 0.2, 0.3, 0.4, 0.5])},
        function="Cao et al., 2019, code",
    ),
    formula(
        "class_balanced_cross_entropy",
        effective_numbers,
        {**SPARSE, "count": constant([900.0, 500.0, 90.0, 20.0, 3.0])},
        {"beta": 0.99},
        function="Cui et al., 2019, code",
    ),
    # ---- scores ----
    score("brier_score", metrics.brier_score_loss, SCORED, ("target", "probability")),
    formula(
        "brier_score",
        lambda x: (x.probability - x.target) ** 2,
        SCORED,
        function="Brier, 1950",
    ),
    formula(
        "multiclass_brier_score",
        lambda x: ((x.probabilities - x.target) ** 2).sum(-1),
        {"probabilities": simplex(4), "target": simplex(4)},
        function="sklearn.metrics.brier_score_loss",
        adapter="one-hot targets; scale_by_half=False",
    ),
    formula(
        "spherical_score",
        lambda x: 1 - (x.probabilities * x.target).sum(-1) / x.probabilities.norm(dim=-1),
        {"probabilities": simplex(4), "target": simplex(4)},
        function="Gneiting and Raftery, 2007",
    ),
    formula(
        "coral",
        coral_pytorch,
        {"logits": real(4), "levels": constant([1.0, 1, 0, 0])},
        batches=((),),
        function="coral_pytorch.losses.coral_loss",
    ),
    formula(
        "noise_contrastive_estimation",
        nce,
        {
            "score": real(),
            "log_noise": between(-3, -1),
            "noise_scores": real(4),
            "noise_log_noise": between(-3, -1, 4),
        },
        wrt=("score", "noise_scores"),
        function="Gutmann and Hyvärinen, 2010",
    ),
    # ---- a linear layer ----
    Row(
        "linear_cross_entropy",
        "torch",
        linear,
        {**LAYER, "label": label(5), "bias": constant([0.1, -0.2, 0.3, 0.0, 1.0])},
        {"label_smoothing": 0.1},
        wrt=("hidden", "weights", "bias"),
        batches=((6,),),
        function="torch.nn.LinearCrossEntropyLoss",
        adapter="its weight and bias are weights and bias",
    ),
    Row(
        "linear_cross_entropy",
        "torch",
        linear,
        {**LAYER, "label": label(5)},
        wrt=("hidden", "weights"),
        batches=((6,),),
        function="torch.nn.LinearCrossEntropyLoss",
        adapter="bias=False",
        note="without bias",
    ),
]
