"""Objectives in LightGBM, trained on real data beside its own objective of the same loss."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn import datasets
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, mean_pinball_loss
from sklearn.model_selection import train_test_split

from generated import boosting as package

boosting: Any = package
Array = np.ndarray[Any, Any]
SETTINGS: dict[str, Any] = {
    "n_estimators": 30,
    "num_leaves": 7,
    "min_child_samples": 10,
    "min_child_weight": 1e-9,
    "n_jobs": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


def weights(size: int) -> Array:
    return np.random.default_rng(1).uniform(0.2, 2.0, size)


def counts() -> tuple[Array, Array]:
    inputs, target = datasets.load_diabetes(return_X_y=True)
    return inputs, np.floor(target / 25)


def binary() -> tuple[Array, Array]:
    found: tuple[Array, Array] = datasets.load_breast_cancer(return_X_y=True)
    return found


def real() -> tuple[Array, Array]:
    found: tuple[Array, Array] = datasets.load_diabetes(return_X_y=True)
    return found


SAME_TREES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "squared": (boosting.SquaredErrorObjective(), real, {"objective": "regression"}),
    "poisson": (
        boosting.PoissonNllObjective(),
        counts,
        {"objective": "poisson", "poisson_max_delta_step": 1e-12},
    ),
    "binary": (
        boosting.BinaryCrossEntropyWithLogitsObjective(),
        binary,
        {"objective": "binary"},
    ),
    "huber": (
        boosting.HuberObjective(delta=50.0, hessian="upper_bound"),
        real,
        {"objective": "huber", "alpha": 50.0},
    ),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", SAME_TREES)
def test_the_trees_are_those_of_the_built_in_objective(case: str, weighted: bool) -> None:
    objective, load, settings = SAME_TREES[case]
    inputs, target = load()
    weight = weights(len(target)) if weighted else None
    own = lightgbm.LGBMRegressor(**SETTINGS, boost_from_average=False, **settings)
    own.fit(inputs, target, sample_weight=weight)
    ours = lightgbm.LGBMRegressor(**SETTINGS, objective=objective)
    ours.fit(inputs, target, sample_weight=weight)
    raw = ours.predict(inputs, raw_score=True)
    size = np.abs(raw).max()
    np.testing.assert_allclose(own.predict(inputs, raw_score=True), raw, atol=1e-6 * size)
    np.testing.assert_allclose(own.predict(inputs), objective.predict(raw), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", ["squared", "poisson", "binary"])
def test_the_initial_score_is_the_built_in_one(case: str) -> None:
    objective, load, settings = SAME_TREES[case]
    inputs, target = load()
    own = lightgbm.LGBMRegressor(**SETTINGS, boost_from_average=True, **settings)
    own.fit(inputs, target)
    start = objective.init_score(target)
    ours = lightgbm.LGBMRegressor(**SETTINGS, objective=objective)
    ours.fit(inputs, target, init_score=np.full(len(target), start))
    raw = start + ours.predict(inputs, raw_score=True)
    wanted = own.predict(inputs, raw_score=True)
    np.testing.assert_allclose(raw, wanted, atol=2e-6 * np.abs(wanted).max())


def test_native_training_with_weights_and_a_metric() -> None:
    inputs, target = binary()
    objective = boosting.BinaryCrossEntropyWithLogitsObjective()
    weight = weights(len(target))
    parameters = {k: v for k, v in SETTINGS.items() if k not in ("n_estimators", "n_jobs")}
    found: dict[str, Any] = {}
    native = lightgbm.train(
        {**parameters, "num_threads": 1, "objective": objective, "metric": "none"},
        train := lightgbm.Dataset(inputs, target, weight=weight),
        30,
        valid_sets=[train],
        feval=objective.metric(),
        callbacks=[lightgbm.record_evaluation(found)],
    )
    fitted = lightgbm.LGBMRegressor(**SETTINGS, objective=objective)
    fitted.fit(inputs, target, sample_weight=weight)
    raw = native.predict(inputs)
    np.testing.assert_allclose(raw, fitted.predict(inputs, raw_score=True), atol=1e-9)
    (history,) = found["training"].values()
    told = log_loss(target, objective.predict(raw), sample_weight=weight)
    assert history[-1] == pytest.approx(told, rel=1e-6)


@pytest.mark.parametrize("hessian", ["exact", "upper_bound"])
@pytest.mark.parametrize("native", [False, True])
def test_classes(hessian: Any, native: bool) -> None:
    inputs, label = datasets.load_iris(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(inputs, label, random_state=0)
    objective = boosting.SparseSoftmaxCrossEntropyObjective(hessian=hessian)
    own = lightgbm.LGBMClassifier(**SETTINGS, objective="multiclass").fit(train_x, train_y)
    if native:
        settings = {k: v for k, v in SETTINGS.items() if k not in ("n_estimators", "n_jobs")}
        settings |= {"objective": objective, "num_class": 3, "num_threads": 1}
        raw = lightgbm.train(settings, lightgbm.Dataset(train_x, train_y), 30).predict(test_x)
    else:
        ours = lightgbm.LGBMClassifier(**SETTINGS, objective=objective, num_class=3)
        raw = ours.fit(train_x, train_y).predict(test_x, raw_score=True)
    probabilities = objective.predict(raw)
    wanted = own.predict_proba(test_x)
    right, wanted_right = (accuracy_score(test_y, p.argmax(1)) for p in (probabilities, wanted))
    assert right > wanted_right - 2 / len(test_y)
    assert abs(log_loss(test_y, probabilities) - log_loss(test_y, wanted)) < 0.1


NOISE: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "absolute": (
        boosting.AbsoluteErrorObjective(),
        {"objective": "regression_l1"},
        mean_absolute_error,
    ),
    "quantile": (
        boosting.QuantileObjective(tau=0.8),
        {"objective": "quantile", "alpha": 0.8},
        lambda y, p: mean_pinball_loss(y, p, alpha=0.8),
    ),
    "log_cosh": (boosting.LogCoshObjective(), {"objective": "regression_l1"}, mean_absolute_error),
    "huber": (
        boosting.HuberObjective(delta=40.0, hessian="upper_bound"),
        {"objective": "huber", "alpha": 40.0},
        mean_absolute_error,
    ),
}


@pytest.mark.parametrize("case", NOISE)
def test_the_metric_is_that_of_the_built_in_objective(case: str) -> None:
    objective, settings, measure = NOISE[case]
    inputs, target = real()
    train_x, test_x, train_y, test_y = train_test_split(inputs, target, random_state=0)
    scale = np.median(np.abs(train_y - np.median(train_y)))
    unit = 1.0 if case == "huber" else scale  # curvature 1 fits errors of the size of 1
    longer = {**SETTINGS, "n_estimators": 100}
    own = lightgbm.LGBMRegressor(**longer, **settings).fit(train_x, train_y / unit)
    start = objective.init_score(train_y / unit)
    ours = lightgbm.LGBMRegressor(**longer, objective=objective)
    ours.fit(train_x, train_y / unit, init_score=np.full(len(train_y), start))
    wanted = measure(test_y / unit, own.predict(test_x))
    found = measure(test_y / unit, start + ours.predict(test_x))
    constant = measure(test_y / unit, np.full(len(test_y), start))
    assert found < 0.9 * constant
    assert found < 1.08 * wanted


def test_an_estimator_with_an_objective_is_cloned() -> None:
    estimator = lightgbm.LGBMRegressor(**SETTINGS, objective=boosting.HuberObjective(delta=3))
    assert clone(estimator).get_params()["objective"] == boosting.HuberObjective(delta=3)
