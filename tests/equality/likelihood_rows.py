"""Rows for likelihoods, evidential losses and families with a shape parameter."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.distributions
from sklearn._loss.loss import HalfTweedieLoss, HalfTweedieLossIdentity

from tests.equality.rows import (
    REAL_PAIR,
    WEIGHT,
    Row,
    between,
    constant,
    flags,
    one_of,
    plain,
    real,
)

td: Any = torch.distributions  # PyTorch has no annotations for them


def log_prob(distribution: Callable[[SimpleNamespace], Any]) -> Callable[..., Any]:
    """The negative log-density of one of PyTorch's distributions."""
    return lambda x, reduction: plain(-distribution(x).log_prob(x.target), reduction)


def phi(z: Any) -> Any:
    """The normal distribution function."""
    return torch.special.ndtr(z)


def tobit(x: SimpleNamespace, reduction: str) -> Any:
    below = torch.log(phi((x.target - x.prediction) / x.scale))
    density = td.Normal(x.prediction, x.scale).log_prob(x.target)
    return plain(-torch.where(x.censored, below, density), reduction)


def survival(distribution: Callable[[SimpleNamespace], Any]) -> Callable[..., Any]:
    """Density where the event was seen, the probability of living longer elsewhere."""

    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        d = distribution(x)
        longer = torch.log(1 - d.cdf(x.time))
        return plain(-torch.where(x.event, d.log_prob(x.time), longer), reduction)

    return theirs


def crps(x: SimpleNamespace, reduction: str) -> Any:
    z = (x.target - x.mean) / x.scale
    pdf = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    value = x.scale * (z * (2 * phi(z) - 1) + 2 * pdf - 1 / math.sqrt(math.pi))
    return plain(value, reduction)


def edl(function: Callable[[Any], Any]) -> Callable[..., Any]:
    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        alpha = x.evidence + 1
        strength = torch.sum(alpha, dim=-1, keepdim=True)
        value = torch.sum(x.target * (function(strength) - function(alpha)), dim=-1)
        return plain(value, reduction)

    return theirs


def digamma(x: Any) -> Any:
    """Stirling's series: the derivative of `torch.digamma` has nine digits only."""
    z = x + 15
    terms = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132)
    series = sum(c / z ** (2 * k + 2) for k, c in enumerate(terms))
    return torch.log(z) - 1 / (2 * z) - series - sum(1 / (x + k) for k in range(15))


def lossfun(x: SimpleNamespace, reduction: str) -> Any:
    squared = ((x.prediction - x.target) / x.c) ** 2
    beta = abs(x.alpha - 2)
    return plain(beta / x.alpha * ((squared / beta + 1) ** (0.5 * x.alpha) - 1), reduction)


def sklearn_tweedie(loss: Any, name: str, power: float) -> Callable[..., Any]:
    """Scikit-learn's half deviance, its value less what the target alone fixes."""

    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        y, weight = np.asarray(x.target, dtype=float), x.weight
        raw = np.asarray(getattr(x, name))
        value, gradient = loss.loss_gradient(y_true=y, raw_prediction=raw, sample_weight=weight)
        fixed = 1 / (2 - power) - y / (1 - power)
        if name == "mean":
            fixed = fixed + y ** (2 - power) / ((1 - power) * (2 - power))
        value = value - weight * fixed
        scale = 1 / weight.sum() if reduction == "mean" else 1.0
        return (value if reduction == "none" else value.sum()) * scale, [gradient * scale]

    return theirs


def exact_count(x: SimpleNamespace) -> Any:
    return td.Poisson(torch.exp(x.log_rate))


def overdispersed(x: SimpleNamespace) -> Any:
    return td.NegativeBinomial(1 / x.dispersion, logits=x.log_mean + torch.log(x.dispersion))


COUNT = one_of(0, 1, 2, 7)
TIMES = {"time": between(0.2, 3), "event": flags()}


def one_hot(rng: np.random.Generator, batch: tuple[int, ...]) -> np.ndarray:
    """Classes out of 4, as indicators."""
    return np.eye(4)[rng.integers(0, 4, size=batch)]


EVIDENCE = {"evidence": between(0.1, 4, 4), "target": one_hot}
SPREAD = {"mean": real(), "scale": between(0.3, 2), "target": real()}


def torch_row(
    name: str, distribution: Callable[..., Any], cls: str, inputs: Any, **rest: Any
) -> Row:
    """A likelihood that PyTorch has as a distribution."""
    function = f"torch.distributions.{cls}.log_prob"
    adapter = rest.pop("adapter", "negated")
    made = log_prob(distribution)
    return Row(name, "torch", made, inputs, function=function, adapter=adapter, **rest)


ROWS = [
    torch_row(
        "laplace_nll",
        lambda x: td.Laplace(x.mean, x.scale),
        "Laplace",
        SPREAD,
        wrt=("mean", "scale"),
    ),
    torch_row(
        "student_t_nll",
        lambda x: td.StudentT(x.df, x.prediction, x.scale),
        "StudentT",
        REAL_PAIR,
        options={"df": constant(3.5), "scale": constant(0.7)},
        wrt=("prediction", "df", "scale"),
    ),
    torch_row(
        "poisson_nll_full",
        exact_count,
        "Poisson",
        {"log_rate": real(), "target": COUNT},
        adapter="negated; rate is exp(log_rate)",
    ),
    torch_row(
        "negative_binomial_nll",
        overdispersed,
        "NegativeBinomial",
        {"log_mean": real(), "target": COUNT},
        options={"dispersion": constant(0.4)},
        adapter="negated; total_count is 1 / dispersion",
        wrt=("log_mean", "dispersion"),
    ),
    torch_row(
        "gamma_nll",
        lambda x: td.Gamma(x.shape, x.shape * torch.exp(-x.log_mean)),
        "Gamma",
        {"log_mean": real(), "target": between(0.1, 4)},
        options={"shape": constant(2.5)},
        wrt=("log_mean", "shape"),
        adapter="negated; rate is shape / mean",
    ),
    torch_row(
        "log_normal_nll",
        lambda x: td.LogNormal(x.prediction, x.scale),
        "LogNormal",
        {"prediction": real(), "target": between(0.1, 4)},
        options={"scale": constant(0.8)},
        wrt=("prediction", "scale"),
    ),
    Row(
        "probit",
        "formula",
        lambda x, reduction: plain(-torch.log(phi(x.target * x.score)), reduction),
        {"score": real(), "target": one_of(-1, 1)},
        function="statsmodels.discrete.discrete_model.Probit.loglikeobs",
        adapter="negated; labels are -1 and 1",
    ),
    Row(
        "tobit",
        "formula",
        tobit,
        {**REAL_PAIR, "censored": flags()},
        {"scale": constant(0.8)},
        function="Tobin (1958)",
        wrt=("prediction", "scale"),
    ),
    Row(
        "weibull_survival",
        "torch",
        survival(lambda x: td.Weibull(torch.exp(x.log_scale), x.shape)),
        {"log_scale": real(), **TIMES},
        {"shape": constant(1.5)},
        function="torch.distributions.Weibull",
        adapter="negated log_prob where the event was seen, log(1 - cdf) elsewhere",
        wrt=("log_scale", "shape"),
    ),
    Row(
        "log_normal_survival",
        "torch",
        survival(lambda x: td.LogNormal(x.prediction, x.scale)),
        {"prediction": real(), **TIMES},
        {"scale": constant(0.8)},
        function="torch.distributions.LogNormal",
        adapter="negated log_prob where the event was seen, log(1 - cdf) elsewhere",
        wrt=("prediction", "scale"),
    ),
    Row(
        "crps_gaussian",
        "formula",
        crps,
        SPREAD,
        wrt=("mean", "scale"),
        function="properscoring.crps_gaussian",
    ),
    Row(
        "evidential_cross_entropy",
        "formula",
        edl(digamma),
        EVIDENCE,
        function="Sensoy, Kaplan and Kandemir (2018), equation 4",
    ),
    Row(
        "evidential_log_likelihood",
        "formula",
        edl(torch.log),
        EVIDENCE,
        function="Sensoy, Kaplan and Kandemir (2018), equation 3",
    ),
    *(
        Row(
            "barron_general",
            "formula",
            lossfun,
            REAL_PAIR,
            {"alpha": alpha, "c": constant(0.7)},
            wrt=("prediction", "c"),
            note=str(alpha),
            function="robust_loss_pytorch.general.lossfun",
            adapter="its x is prediction - target",
            unlike="alpha next to 0 or 2 is moved by 1.2e-7 to avoid a division by 0",
        )
        for alpha in (1.0, -1.5)
    ),
    *(
        Row(
            "tweedie_deviance",
            "sklearn",
            sklearn_tweedie(HalfTweedieLoss(power=power), "log_mean", power),
            {"log_mean": real(), "target": COUNT},
            {"power": power, "weight": WEIGHT},
            batches=((8,),),
            note=str(power),
            function="sklearn._loss.loss.HalfTweedieLoss",
            adapter="minus 1 / (2 - p) - y / (1 - p), without which there is no limit at p = 1, 2",
        )
        for power in (1.2, 1.5)
    ),
    *(
        Row(
            "tweedie_deviance_mean",
            "sklearn",
            sklearn_tweedie(HalfTweedieLossIdentity(power=power), "mean", power),
            {"mean": between(0.2, 3), "target": between(0.2, 3)},
            {"power": power, "weight": WEIGHT},
            batches=((8,),),
            note=str(power),
            function="sklearn._loss.loss.HalfTweedieLossIdentity",
            adapter="minus what the target alone fixes, so that there is a limit at p = 1, 2",
        )
        for power in (0.0, 1.5, 3.0)
    ),
]
