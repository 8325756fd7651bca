"""Rows for regression: robust, relative and quantile losses, deviances."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import torch
import torch.nn.functional as F
from sklearn import metrics
from sklearn._loss import loss as sklearn_loss
from sklearn.linear_model import _sgd_fast as sgd

from tests.equality.keras_rows import SUM_AND_MEAN, keras_loss
from tests.equality.rows import (
    ANY_BATCH,
    REAL_PAIR,
    WEIGHT,
    Maker,
    Row,
    between,
    constant,
    formula,
    one_of,
    real,
)
from tests.equality.sklearn_rows import FLAT, sklearn_raw

LEVELS = constant([0.1, 0.25, 0.5, 0.9])
POSITIVE_PAIR = {"mean": between(0.2, 4), "target": between(0.2, 4)}
GAMMA = {"log_mean": real(), "target": between(0.2, 4)}


def sklearn_sgd(loss: Any, target: str = "target", raw: str = "prediction") -> Callable[..., Any]:
    """One of the losses of stochastic gradient descent, which takes one sample at a time."""

    def theirs(x: SimpleNamespace, reduction: str) -> Any:
        pairs = list(zip(getattr(x, raw), getattr(x, target), strict=True))
        value = np.array([loss.py_loss(p, y) for p, y in pairs])
        gradient = np.array([loss.py_dloss(p, y) for p, y in pairs])
        scale = 1 / len(value) if reduction == "mean" else 1
        return (value if reduction == "none" else value.sum() * scale), [gradient * scale]

    return theirs


def score(
    loss: str,
    function: Callable[..., Any],
    inputs: dict[str, Maker],
    arguments: tuple[str, str] = ("target", "prediction"),
    **texts: Any,
) -> Row:
    """A row for a weighted score of scikit-learn, which has no gradient."""
    true, predicted = arguments

    def theirs(x: SimpleNamespace, _: str) -> Any:
        return function(getattr(x, true), getattr(x, predicted), sample_weight=x.weight), None

    name = f"sklearn.metrics.{function.__name__}"
    how = {"reductions": ("mean",), "batches": FLAT, "note": "score", "function": name}
    return Row(loss, "sklearn", theirs, inputs, {"weight": WEIGHT}, **{**how, **texts})


def relative_squared(x: SimpleNamespace, _: str) -> Any:
    return torch.mean((x.prediction - x.target) ** 2) / torch.var(x.target, correction=0)


def pinball(u: torch.Tensor, tau: Any) -> torch.Tensor:
    return torch.maximum(tau * u, (tau - 1) * u)


def dabney(x: SimpleNamespace) -> Any:
    """Equation 10 and algorithm 1 of Dabney et al., 2018, with their kappa as `delta`."""
    count = x.prediction.shape[-1]
    tau = ((torch.arange(count, dtype=torch.float64) + 0.5) / count)[:, None]
    u = x.target[..., None, :] - x.prediction[..., :, None]
    huber = torch.where(u.abs() <= x.delta, u**2 / 2, x.delta * (u.abs() - x.delta / 2))
    return ((tau - (u < 0).double()).abs() * huber / x.delta).mean(-1).sum(-1)


def winkler(x: SimpleNamespace) -> Any:
    """Gneiting and Raftery, 2007, equation 43."""
    below, above = (x.target < x.lower).double(), (x.target > x.upper).double()
    return (
        (x.upper - x.lower)
        + 2 / x.alpha * (x.lower - x.target) * below
        + 2 / x.alpha * (x.target - x.upper) * above
    )


def crps(x: SimpleNamespace) -> Any:
    spread = (x.prediction[..., None, :] - x.prediction[..., :, None]).abs().mean((-1, -2))
    return (x.prediction - x.target[..., None]).abs().mean(-1) - spread / 2


def smooth_pinball(x: SimpleNamespace) -> Any:
    """Zheng, 2011, equation 5: alpha is our width."""
    u = x.target - x.prediction
    return x.tau * u + x.width * torch.log(1 + torch.exp(-u / x.width))


def andrews(x: SimpleNamespace) -> torch.Tensor:
    r = x.prediction - x.target
    inside = x.c**2 * (1 - torch.cos(r / x.c))
    return torch.where(r.abs() <= np.pi * x.c, inside, 2 * x.c**2)


def error(x: SimpleNamespace) -> Any:
    return x.prediction - x.target


SCALE_1 = "c = 1: it has no scale"
ROWS = [
    # ---- robust ----
    formula(
        "pseudo_huber",
        lambda x: x.delta**2 * (torch.sqrt(1 + (error(x) / x.delta) ** 2) - 1),
        REAL_PAIR,
        {"delta": 0.7},
        function="xgboost: reg:pseudohubererror",
        adapter="huber_slope is delta",
    ),
    formula(
        "pseudo_huber",
        lambda x: (error(x) ** 2 + 1.0).sqrt() - 1.0,
        REAL_PAIR,
        batches=ANY_BATCH,
        function="kornia.losses.charbonnier_loss",
        adapter="delta = 1: it has no scale",
        unlike="called after Charbonnier, whose sqrt(e^2 + epsilon^2) is epsilon, not 0, at e = 0",
    ),
    formula(
        "charbonnier",
        lambda x: torch.sqrt(error(x) ** 2 + x.epsilon**2),
        REAL_PAIR,
        {"epsilon": 0.01},
        function="basicsr.losses.CharbonnierLoss",
        adapter="eps is epsilon**2",
    ),
    formula(
        "cauchy",
        lambda x: (0.5 * error(x) ** 2 + 1.0).log(),
        REAL_PAIR,
        function="kornia.losses.cauchy_loss",
        adapter=SCALE_1,
    ),
    formula(
        "cauchy",
        lambda x: torch.log1p(0.5 * (error(x) / x.c) ** 2),
        REAL_PAIR,
        {"c": 0.4},
        function="robust_loss_pytorch.general.lossfun",
        adapter="alpha = 0, scale is c",
    ),
    formula(
        "welsch",
        lambda x: 1.0 - (-0.5 * error(x) ** 2).exp(),
        REAL_PAIR,
        function="kornia.losses.welsch_loss",
        adapter=SCALE_1,
    ),
    formula(
        "welsch",
        lambda x: -torch.expm1(-0.5 * (error(x) / x.c) ** 2),
        REAL_PAIR,
        {"c": 0.4},
        function="robust_loss_pytorch.general.lossfun",
        adapter="alpha = -inf, scale is c",
    ),
    formula(
        "geman_mcclure",
        lambda x: 2.0 * error(x) ** 2 / (error(x) ** 2 + 4.0),
        REAL_PAIR,
        function="kornia.losses.geman_mcclure_loss",
        adapter=SCALE_1,
    ),
    formula(
        "geman_mcclure",
        lambda x: -2 * ((1 + (error(x) / x.c) ** 2 / 4) ** -1 - 1),
        REAL_PAIR,
        {"c": 0.4},
        function="robust_loss_pytorch.general.lossfun",
        adapter="alpha = -2, scale is c",
    ),
    formula(
        "fair",
        lambda x: x.c**2 * (error(x).abs() / x.c - torch.log1p(error(x).abs() / x.c)),
        REAL_PAIR,
        {"c": 0.6},
        function="lightgbm: fair",
        adapter="fair_c is c",
    ),
    formula(
        "andrews_wave",
        andrews,
        REAL_PAIR,
        {"c": 0.4},
        function="statsmodels.robust.norms.AndrewWave",
        adapter="a is c",
    ),
    formula(
        "truncated_squared_error",
        lambda x: torch.where(error(x).abs() <= x.c, error(x) ** 2 / 2, x.c**2 / 2),
        REAL_PAIR,
        {"c": 0.8},
        function="statsmodels.robust.norms.TrimmedMean",
    ),
    # ---- tubes and asymmetry ----
    Row(
        "epsilon_insensitive",
        "sklearn",
        sklearn_sgd(sgd.EpsilonInsensitive(0.3)),
        REAL_PAIR,
        {"epsilon": 0.3},
        batches=FLAT,
        function="sklearn.linear_model.SGDRegressor(loss='epsilon_insensitive')",
    ),
    Row(
        "squared_epsilon_insensitive",
        "sklearn",
        sklearn_sgd(sgd.SquaredEpsilonInsensitive(0.3)),
        REAL_PAIR,
        {"epsilon": 0.3},
        batches=FLAT,
        function="sklearn.linear_model.SGDRegressor(loss='squared_epsilon_insensitive')",
    ),
    formula(
        "asymmetric_squared_error",
        lambda x: torch.where(error(x) > 0, x.over, x.under) * error(x) ** 2,
        REAL_PAIR,
        {"over": 3.0, "under": 0.5},
        function="Newey and Powell, 1987",
    ),
    Row(
        "asymmetric_absolute_error",
        "sklearn",
        sklearn_raw(sklearn_loss.PinballLoss(quantile=0.2), "target", "prediction", factor=5),
        REAL_PAIR,
        {"over": 4.0, "under": 1.0},
        batches=FLAT,
        function="sklearn._loss.loss.PinballLoss",
        adapter="quantile is under / (over + under); theirs times over + under",
    ),
    # ---- quantiles ----
    formula(
        "expectile",
        lambda x: (x.tau - (x.target <= x.prediction).double()).abs() * error(x) ** 2,
        REAL_PAIR,
        {"tau": 0.8},
        function="rlax.expectile_loss",
        adapter="predictions are target - prediction, expectile is tau",
    ),
    formula(
        "multi_quantile",
        lambda x: pinball(x.target[..., None] - x.prediction, x.tau).mean(-1),
        {"prediction": real(4), "target": real(), "tau": LEVELS},
        function="catboost: MultiQuantile",
        adapter="alpha is tau",
    ),
    formula(
        "smooth_quantile",
        smooth_pinball,
        REAL_PAIR,
        {"tau": 0.7, "width": 0.4},
        function="Zheng, 2011",
    ),
    formula(
        "quantile_huber",
        lambda x: (
            (x.tau - (error(x) > 0).double()).abs()
            * F.huber_loss(x.prediction, x.target, delta=x.delta, reduction="none")
            / x.delta
        ),
        REAL_PAIR,
        {"tau": 0.8, "delta": 0.5},
        function="Dabney et al., 2018, equation 10",
    ),
    formula(
        "quantile_regression",
        dabney,
        {"prediction": real(5), "target": real(3)},
        {"delta": 0.8},
        function="rlax.quantile_regression_loss",
        adapter="tau_q are the midpoints, huber_param is delta",
    ),
    formula(
        "interval_score",
        winkler,
        {"lower": between(-2, 0), "upper": between(0, 2), "target": real()},
        {"alpha": 0.2},
        wrt=("lower", "upper"),
        function="Gneiting and Raftery, 2007, equation 43",
    ),
    formula(
        "ensemble_crps",
        crps,
        {"prediction": real(5), "target": real()},
        function="properscoring.crps_ensemble",
    ),
    # ---- relative errors ----
    Row(
        "absolute_percentage_error",
        "keras",
        lambda x, r: (
            keras_loss(keras.losses.MeanAbsolutePercentageError, "target", "prediction")(x, r) / 100
        ),
        {"prediction": real(), "target": one_of(-2, 0.5, 3)},
        reductions=SUM_AND_MEAN,
        batches=((6, 1),),
        function="keras.losses.MeanAbsolutePercentageError",
        adapter="theirs / 100",
        unlike="in per cent: 50.0 for a prediction of 3 and a target of 2, where ours is 0.5",
    ),
    score(
        "absolute_percentage_error",
        metrics.mean_absolute_percentage_error,
        {"prediction": real(), "target": one_of(-2, 0.5, 3)},
    ),
    formula(
        "absolute_percentage_error",
        lambda x: error(x).abs() / x.target.abs().clamp(min=1.0),
        REAL_PAIR,
        {"epsilon": 1.0},
        function="lightgbm: mape",
        adapter="epsilon = 1",
    ),
    Row(
        "squared_logarithmic_error",
        "keras",
        keras_loss(keras.losses.MeanSquaredLogarithmicError, "target", "prediction"),
        {"prediction": between(0.1, 4), "target": between(0.1, 4)},
        reductions=SUM_AND_MEAN,
        batches=((6, 1),),
        function="keras.losses.MeanSquaredLogarithmicError",
        unlike="clips at 1e-7: a prediction of -0.5 for a target of 0 costs 1e-14 and has no "
        "gradient, where ours costs 0.4805",
    ),
    score(
        "squared_logarithmic_error",
        metrics.mean_squared_log_error,
        {"prediction": between(0, 4), "target": between(0, 4)},
    ),
    Row(
        "root_mean_squared_error",
        "torch",
        lambda x, r: F.mse_loss(x.prediction, x.target).sqrt(),
        REAL_PAIR,
        reductions=("mean",),
        batches=((6,),),
        function="torch.nn.functional.mse_loss",
        adapter="the root of theirs",
    ),
    Row(
        "relative_squared_error",
        "torch",
        relative_squared,
        REAL_PAIR,
        reductions=("mean",),
        batches=((6,),),
        function="sklearn.metrics.r2_score",
        adapter="1 - theirs",
    ),
    # ---- deviances ----
    Row(
        "gamma_deviance",
        "sklearn",
        sklearn_raw(sklearn_loss.HalfGammaLoss(), "target", "log_mean"),
        GAMMA,
        {"weight": WEIGHT},
        batches=FLAT,
        function="sklearn._loss.loss.HalfGammaLoss",
    ),
    Row(
        "inverse_gaussian_deviance",
        "sklearn",
        sklearn_raw(sklearn_loss.HalfTweedieLoss(power=3), "target", "log_mean"),
        GAMMA,
        {"weight": WEIGHT},
        batches=FLAT,
        function="sklearn._loss.loss.HalfTweedieLoss",
        adapter="power = 3",
    ),
    score(
        "poisson_unit_deviance",
        metrics.mean_poisson_deviance,
        {"mean": between(0.2, 4), "target": one_of(0, 1, 2, 7)},
        ("target", "mean"),
    ),
    formula(
        "poisson_unit_deviance",
        lambda x: 2 * (torch.xlogy(x.target, x.target / x.mean) - x.target + x.mean),
        {"mean": between(0.2, 4), "target": one_of(1, 2, 7)},
        function="McCullagh and Nelder, 1989",
    ),
    score("gamma_unit_deviance", metrics.mean_gamma_deviance, POSITIVE_PAIR, ("target", "mean")),
    formula(
        "gamma_unit_deviance",
        lambda x: 2 * (torch.log(x.mean / x.target) + x.target / x.mean - 1),
        POSITIVE_PAIR,
        function="McCullagh and Nelder, 1989",
    ),
]
