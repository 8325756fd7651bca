"""Objectives as boosters call them: gradients, Hessians, weights, layouts, settings, CatBoost."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn._loss import loss as theirs

from generated import boosting as package

boosting: Any = package
Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(3)
N = 50
RAW = RNG.normal(0, 2, N)
REAL, COUNT = RNG.normal(0, 2, N), RNG.poisson(2.0, N).astype(float)
BINARY, WEIGHT = (RNG.random(N) < 0.4).astype(float), RNG.random(N)
LABEL, SCORES = RNG.integers(0, 4, N), RNG.normal(0, 2, (N, 4))
OBJECTIVES = [getattr(boosting, name) for name in boosting.__all__]

EQUAL: dict[str, tuple[Any, Any, Array, float]] = {
    "squared": (boosting.SquaredErrorObjective(), theirs.HalfSquaredError(), REAL, 0.5),
    "absolute": (boosting.AbsoluteErrorObjective(), theirs.AbsoluteError(), REAL, 1.0),
    "pinball": (
        boosting.QuantileObjective(tau=0.3),
        theirs.PinballLoss(quantile=0.3),
        REAL,
        1.0,
    ),
    "huber": (boosting.HuberObjective(delta=0.5), theirs.HuberLoss(delta=0.5), REAL, 1.0),
    "poisson": (boosting.PoissonNllObjective(), theirs.HalfPoissonLoss(), COUNT, 1.0),
    "binomial": (
        boosting.BinaryCrossEntropyWithLogitsObjective(),
        theirs.HalfBinomialLoss(),
        BINARY,
        1.0,
    ),
}


@pytest.mark.parametrize("case", EQUAL)
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_gradient_and_hessian_are_those_of_scikit_learn(case: str, weight: Array | None) -> None:
    ours, other, target, factor = EQUAL[case]
    gradient, hessian = ours(target, RAW, weight)
    wanted, curvature = other.gradient_hessian(target, RAW, weight)
    np.testing.assert_allclose(factor * gradient, wanted, rtol=1e-12, atol=1e-14)
    flat = case in ("absolute", "pinball")  # scikit-learn says 1 there, and so does "clamp"
    assert ours.hessian == ("clamp" if flat else "exact")
    np.testing.assert_allclose(factor * hessian, curvature, rtol=1e-12, atol=1e-14)
    losses = other.loss(target, RAW, weight)
    np.testing.assert_allclose(factor * ours.loss(target, RAW, weight), losses, atol=1e-13)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_softmax_is_that_of_scikit_learn(weight: Array | None) -> None:
    ours, other = boosting.SparseSoftmaxCrossEntropyObjective(), theirs.HalfMultinomialLoss(4)
    gradient, hessian = ours(LABEL, SCORES, weight)
    wanted, curvature = other.gradient_hessian(LABEL.astype(float), SCORES, weight)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(hessian, curvature, rtol=1e-12, atol=1e-14)
    bound = boosting.SparseSoftmaxCrossEntropyObjective(hessian="upper_bound")
    np.testing.assert_allclose(bound(LABEL, SCORES, weight)[1], 2 * curvature, rtol=1e-12)


def test_layouts_of_classes() -> None:
    ours = boosting.SparseSoftmaxCrossEntropyObjective()
    gradient, hessian = ours(LABEL, SCORES, WEIGHT)
    flat = ours(LABEL, SCORES.ravel(order="F"), WEIGHT)
    np.testing.assert_array_equal(flat[0], gradient.ravel(order="F"))
    np.testing.assert_array_equal(flat[1], hessian.ravel(order="F"))
    for labels in (LABEL.astype(np.float32), LABEL.astype(np.int32)):
        np.testing.assert_array_equal(ours(labels, np.asfortranarray(SCORES), WEIGHT)[0], gradient)
    dense = boosting.SoftmaxCrossEntropyObjective()
    for target in (LABEL, np.eye(4)[LABEL]):
        np.testing.assert_allclose(dense(target, SCORES, WEIGHT)[0], gradient, atol=1e-14)


def test_float32_scores_and_columns() -> None:
    ours = boosting.SquaredErrorObjective()
    gradient, _ = ours(REAL.astype(np.float32), RAW.astype(np.float32))
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(gradient, 2 * (RAW - REAL), atol=1e-5)
    column, curvature = ours(REAL, RAW[:, None], WEIGHT)
    assert column.shape == curvature.shape == (N, 1)
    np.testing.assert_allclose(column[:, 0], 2 * (RAW - REAL) * WEIGHT)
    both = ours(np.stack([REAL, COUNT], 1), np.stack([RAW, RAW], 1), WEIGHT)[0]
    np.testing.assert_allclose(both[:, 1], 2 * (RAW - COUNT) * WEIGHT)


class Data:
    """What a native training function passes as its data set."""

    def __init__(self, weight: Array | None) -> None:
        self.weight = weight

    def get_label(self) -> Array:
        return REAL

    def get_weight(self) -> Array | None:
        return self.weight


@pytest.mark.parametrize("weight", [None, np.empty(0), WEIGHT])
def test_native_data_sets_bring_targets_and_weights(weight: Array | None) -> None:
    ours = boosting.HuberObjective()
    wanted = ours(REAL, RAW, WEIGHT if weight is WEIGHT else None)
    found = ours(RAW, Data(weight))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    assert ours.metric()(RAW, Data(weight))[0] == "huber"


@pytest.mark.parametrize("made", OBJECTIVES)
def test_an_objective_is_a_value(made: Any) -> None:
    one = made()
    stream = io.BytesIO()
    joblib.dump(one, stream)
    stream.seek(0)
    copies = (pickle.loads(pickle.dumps(one)), copy.deepcopy(one), joblib.load(stream))
    for other in (*copies, eval(repr(one), vars(boosting))):
        assert other == one
        assert hash(other) == hash(one)
    assert made(hessian="clamp" if one.hessian != "clamp" else "exact") != one
    # LightGBM tells by the number of parameters whether a weight is wanted.
    assert list(inspect.signature(one).parameters) == ["y_true", "y_pred", "sample_weight"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: boosting.HuberObjective(delta=0), "huber(): parameter `delta` is 0"),
        (lambda: boosting.HuberObjective(hessian="full"), "`hessian` is 'full', but must be one"),
        (
            lambda: boosting.PoissonNllObjective(hessian="upper_bound"),
            "grows without bound in the prediction; use 'exact'",
        ),
        (lambda: boosting.HuberObjective()(REAL[1:], RAW), "(49,) and `y_pred` has shape (50,)"),
        (lambda: boosting.PoissonNllObjective()(-COUNT - 1, RAW), "target >= 0"),
        (lambda: boosting.HingeObjective()(BINARY, RAW), "but the loss asks for target in"),
        (lambda: boosting.HuberObjective()(REAL, RAW, -WEIGHT), "`sample_weight` has shape (50,)"),
        (
            lambda: boosting.SparseSoftmaxCrossEntropyObjective()(LABEL + 1, SCORES),
            "between 0 and 3",
        ),
        (
            lambda: boosting.SparseSoftmaxCrossEntropyObjective()(LABEL[1:], SCORES),
            "raw scores of shape (samples, classes)",
        ),
        (lambda: boosting.HuberObjective().metric("other"), "`style` is 'other'"),
    ],
)
def test_refusals(call: Any, words: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the words are checked below
        call()
    assert words in str(raised.value)


def test_catboost_maximises() -> None:
    ours = boosting.SquaredErrorObjective()
    found = np.asarray(ours.catboost().calc_ders_range(list(RAW), list(REAL), list(WEIGHT)))
    np.testing.assert_allclose(found[:, 0], -2 * (RAW - REAL) * WEIGHT)
    np.testing.assert_allclose(found[:, 1], -2 * WEIGHT)
    assert np.asarray(ours.catboost().calc_ders_range(RAW, REAL, None)).shape == (N, 2)
    total, weight = ours.metric("catboost").evaluate([list(RAW)], REAL, WEIGHT)
    mean = ours.metric("catboost").get_final_error(total, weight)
    assert mean == pytest.approx(np.average((RAW - REAL) ** 2, weights=WEIGHT))
    assert not ours.metric("catboost").is_max_optimal()


@pytest.mark.parametrize("hessian", ["exact", "upper_bound"])
def test_catboost_wants_the_full_hessian_of_classes(hessian: Any) -> None:
    ours = boosting.SparseSoftmaxCrossEntropyObjective(hessian=hessian)
    first, second = ours.catboost().calc_ders_multi(list(SCORES[0]), int(LABEL[0]), 2.0)
    p = np.exp(SCORES[0]) / np.exp(SCORES[0]).sum()
    np.testing.assert_allclose(first, -2 * (p - np.eye(4)[LABEL[0]]), atol=1e-14)
    full = np.diag(p) - np.outer(p, p)
    wanted = full if hessian == "exact" else np.diag(2 * p * (1 - p))
    np.testing.assert_allclose(second, -2 * wanted, atol=1e-14)


def test_catboost_may_write_to_what_it_is_given() -> None:
    for made in (boosting.HuberObjective, boosting.SparseSoftmaxCrossEntropyObjective):
        for given in (made().catboost(), made().metric("catboost")):
            given._jited = True
            assert pickle.loads(pickle.dumps(given)) == given


def test_metrics_of_each_style() -> None:
    ours = boosting.SquaredErrorObjective()
    mean = np.average((RAW - REAL) ** 2, weights=WEIGHT)
    name, value, larger_is_better = ours.metric()(REAL, RAW, WEIGHT)
    assert (name, larger_is_better) == ("squared_error", False)
    assert value == pytest.approx(mean)
    alone = ours.metric("xgboost")
    assert alone(REAL, RAW, sample_weight=WEIGHT) == pytest.approx(mean)
    assert alone.__name__ == "squared_error"
    assert pickle.loads(pickle.dumps(alone)) == alone


def test_curvatures_are_positive_but_where_they_are_exact() -> None:
    far = np.array([0.0, 3.0, 30.0])
    for made in (boosting.TukeyBiweightObjective, boosting.HuberObjective):
        clamped = made(hessian="clamp")(np.zeros(3), far)[1]
        exact = made(hessian="exact")(np.zeros(3), far)[1]
        np.testing.assert_array_equal(clamped, np.maximum(exact, boosting._objective.FLOOR))
    assert boosting.TukeyBiweightObjective(hessian="exact")(np.zeros(3), far)[1].min() < 0
    assert boosting.TukeyBiweightObjective().hessian == "upper_bound"
