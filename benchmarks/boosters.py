"""Generated objectives beside the built-in ones of LightGBM, XGBoost and CatBoost, on real data.

    pip install lightgbm xgboost catboost scikit-learn && python -m benchmarks.boosters

Every row trains a booster twice with equal settings, once with its own objective and once with ours
of the same loss and curvature, and prints the mean loss of both on held-out data and the largest
difference of their raw scores. Rows marked `same` must agree to 1e-4 of the scores' size, the
others, where the built-in objective has another curvature or renews its leaves, within 10 %.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

from generated import boosting

Array = np.ndarray[Any, Any]
Split = tuple[Array, Array, Array, Array]
ROUNDS, RATE, DEPTH = 60, 0.1, 4
SAME, CLOSE = 1e-4, 0.1


@dataclass(frozen=True)
class Row:
    """One comparison: the same loss in a booster's own words and in ours."""

    booster: str
    loss: str
    data: str
    settings: dict[str, Any]
    objective: Any
    same: bool


def data(name: str) -> Split:
    """Training inputs, test inputs, training targets and test targets."""
    load = {"breast_cancer": datasets.load_breast_cancer, "digits": datasets.load_digits}
    inputs, target = load.get(name, datasets.load_diabetes)(return_X_y=True)
    if name == "counts":
        target = np.floor(target / 25)
    if name == "units":  # errors of about the size of 1
        target = (target - target.mean()) / target.std()
    split: Split = tuple(train_test_split(inputs, target, random_state=0))
    return split


def lightgbm(row: Row, split: Split) -> tuple[Array, Array]:
    """Raw scores of the test data: LightGBM's own objective, and ours."""
    from lightgbm import Dataset, train

    train_x, test_x, train_y, _ = split
    common: dict[str, Any] = {
        "learning_rate": RATE, "max_depth": DEPTH, "num_leaves": 15, "verbose": -1,
        "deterministic": True, "num_threads": 1, "boost_from_average": False,
        "min_sum_hessian_in_leaf": 1e-9,
    }  # fmt: skip
    classes = {"num_class": 10} if row.data == "digits" else {}

    def scores(settings: dict[str, Any]) -> Array:
        fitted = train({**common, **classes, **settings}, Dataset(train_x, train_y), ROUNDS)
        return np.asarray(fitted.predict(test_x, raw_score=True))

    return scores(row.settings), scores({"objective": row.objective})


def xgboost(row: Row, split: Split) -> tuple[Array, Array]:
    """Raw scores of the test data: XGBoost's own objective, and ours."""
    from xgboost import DMatrix, train

    train_x, test_x, train_y, _ = split
    common: dict[str, Any] = {
        # Our squared error has no factor 1/2: its curvature is 2, a penalty weighs half as much.
        "lambda": 0.0 if row.loss == "squared" else 1.0,
        "eta": RATE, "max_depth": DEPTH, "base_score": 0.0, "nthread": 1,
        "min_child_weight": 1e-9, "disable_default_eval_metric": True,
    }  # fmt: skip
    classes = {"num_class": 10} if row.data == "digits" else {}

    def scores(settings: dict[str, Any], objective: Any = None) -> Array:
        matrix = DMatrix(train_x, train_y)
        chosen = {**common, **classes, **settings}
        fitted = train(chosen, matrix, ROUNDS, obj=objective)
        return np.asarray(fitted.predict(DMatrix(test_x), output_margin=True))

    start = dict(row.settings)
    inverse_link = {"binary:logistic": 0.5, "count:poisson": 1.0}  # of a raw score of 0
    start["base_score"] = inverse_link.get(start["objective"], 0.0)
    return scores(start), scores({}, row.objective)


def catboost(row: Row, split: Split) -> tuple[Array, Array]:
    """Raw scores of the test data: CatBoost's own objective, and ours."""
    from catboost import CatBoost, Pool

    train_x, test_x, train_y, _ = split
    common: dict[str, Any] = {
        "iterations": 20 if row.data == "digits" else ROUNDS, "learning_rate": RATE,
        "depth": DEPTH, "verbose": 0, "random_seed": 0, "bootstrap_type": "No",
        "boost_from_average": False, "leaf_estimation_iterations": 1, "random_strength": 0,
        "leaf_estimation_method": "Newton", "score_function": "L2", "thread_count": 2,
        "allow_writing_files": False, "leaf_estimation_backtracking": "No",
        "boosting_type": "Plain", "l2_leaf_reg": 0.0,
    }  # fmt: skip
    if row.data == "digits":
        common |= {"classes_count": 10}
        common.pop("boost_from_average")

    def scores(settings: dict[str, Any]) -> Array:
        fitted = CatBoost({**common, **settings}).fit(Pool(train_x, train_y))
        return np.asarray(fitted.predict(test_x, prediction_type="RawFormulaVal"))

    ours = row.objective
    metric = "MultiClass" if row.data == "digits" else "RMSE"
    return (
        scores(row.settings),
        scores({"loss_function": ours.catboost(), "eval_metric": metric}),
    )


BOOSTERS: dict[str, Callable[[Row, Split], tuple[Array, Array]]] = {
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "catboost": catboost,
}


def rows() -> Iterator[Row]:
    """Every comparison."""
    squared = boosting.SquaredErrorObjective()
    logistic = boosting.BinaryCrossEntropyWithLogitsObjective()
    poisson = boosting.PoissonNllObjective()
    huber = boosting.HuberObjective(delta=50.0, hessian="upper_bound")
    absolute, median = boosting.AbsoluteErrorObjective(), boosting.QuantileObjective(tau=0.5)
    softmax = boosting.SparseSoftmaxCrossEntropyObjective()
    bounded = boosting.SparseSoftmaxCrossEntropyObjective(hessian="upper_bound")

    def of(booster: str, loss: str, data: str, own: Any, objective: Any, same: bool) -> Row:
        key = "loss_function" if booster == "catboost" else "objective"
        return Row(booster, loss, data, own if key in own else {key: own}, objective, same)

    def named(name: str, **more: Any) -> dict[str, Any]:
        return {"objective": name, **more}

    yield of("lightgbm", "squared", "diabetes", named("regression"), squared, True)
    yield of("lightgbm", "logistic", "breast_cancer", named("binary"), logistic, True)
    tight = named("poisson", poisson_max_delta_step=1e-12)
    yield of("lightgbm", "poisson", "counts", tight, poisson, True)
    yield of("lightgbm", "huber", "diabetes", named("huber", alpha=50.0), huber, True)
    yield of("lightgbm", "absolute", "units", named("regression_l1"), absolute, False)
    yield of("lightgbm", "softmax", "digits", named("multiclass"), softmax, False)
    yield of("xgboost", "squared", "diabetes", named("reg:squarederror"), squared, True)
    yield of("xgboost", "logistic", "breast_cancer", named("binary:logistic"), logistic, True)
    yield of("xgboost", "poisson", "counts", named("count:poisson"), poisson, False)
    yield of("xgboost", "absolute", "units", named("reg:absoluteerror"), absolute, False)
    yield of("xgboost", "softmax", "digits", named("multi:softprob"), bounded, True)
    yield of("catboost", "squared", "diabetes", {"loss_function": "RMSE"}, squared, True)
    yield of("catboost", "logistic", "breast_cancer", {"loss_function": "Logloss"}, logistic, True)
    yield of("catboost", "poisson", "counts", {"loss_function": "Poisson"}, poisson, True)
    gradient = {"loss_function": "Quantile:alpha=0.5", "leaf_estimation_method": "Gradient"}
    yield of("catboost", "median", "units", gradient, median, False)
    yield of("catboost", "softmax", "digits", {"loss_function": "MultiClass"}, softmax, True)


def compared(row: Row) -> tuple[str, bool]:
    """A line of the table, and whether the two agree as they should."""
    split = data(row.data)
    own, ours = BOOSTERS[row.booster](row, split)
    test_y = split[3]
    losses = [float(np.mean(row.objective.loss(test_y, scores))) for scores in (own, ours)]
    size = float(np.abs(own).max())
    apart = float(np.abs(own - ours).max()) / size
    agrees = apart < SAME if row.same else losses[1] < losses[0] + CLOSE * abs(losses[0])
    kind = "same" if row.same else "close"
    return (
        f"{row.booster:9} {row.loss:9} {row.data:14} {losses[0]:12.6g} {losses[1]:12.6g} "
        f"{apart:10.2e} {kind:6} {'ok' if agrees else 'DIFFERS'}",
        agrees,
    )


def main(wanted: list[str]) -> int:
    """Prints the table for the boosters named, or for all; 1 if a row differs."""
    print("booster   loss      data             own loss     our loss      apart")
    good = True
    for row in rows():
        if not wanted or row.booster in wanted:
            line, agrees = compared(row)
            print(line, flush=True)
            good = good and agrees
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
