"""Initial scores against closed forms and brute force, and predictions of raw scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, special

from generated import boosting as package

boosting: Any = package
Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(5)
N = 81
REAL, POSITIVE = RNG.normal(3, 2, N), RNG.gamma(2.0, 3.0, N)
COUNT, BINARY = RNG.poisson(2.0, N).astype(float), (RNG.random(N) < 0.3).astype(float)
WEIGHT = np.where(RNG.random(N) < 0.2, 0.0, RNG.random(N))
LABEL = RNG.integers(0, 4, N)
FREQUENCY = np.bincount(LABEL, weights=WEIGHT) / WEIGHT.sum()


def mean(values: Array) -> float:
    return float(np.average(values, weights=WEIGHT))


CLOSED: list[tuple[Any, Array, Any]] = [
    (boosting.SquaredErrorObjective(), REAL, mean(REAL)),
    (boosting.PoissonNllObjective(), COUNT, np.log(mean(COUNT))),
    (boosting.PoissonNllRateObjective(), COUNT, mean(COUNT)),
    (boosting.BinaryCrossEntropyWithLogitsObjective(), BINARY, special.logit(mean(BINARY))),
    (
        boosting.BinaryCrossEntropyWithLogitsObjective(pos_weight=3),
        BINARY,
        np.log(3 * mean(BINARY) / (1 - mean(BINARY))),
    ),
    (boosting.BinaryCrossEntropyObjective(), BINARY, mean(BINARY)),
    (boosting.LinexObjective(a=0.5), REAL, -np.log(mean(np.exp(-0.5 * REAL))) / 0.5),
    (boosting.SparseSoftmaxCrossEntropyObjective(), LABEL, np.log(FREQUENCY)),
    (boosting.SoftmaxCrossEntropyObjective(), np.eye(4)[LABEL], np.log(FREQUENCY)),
]


@pytest.mark.parametrize(("objective", "target", "wanted"), CLOSED)
def test_initial_scores_in_closed_form(objective: Any, target: Array, wanted: Any) -> None:
    found = objective.init_score(target, WEIGHT)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert isinstance(found, float if np.ndim(wanted) == 0 else np.ndarray)


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.9])
def test_the_initial_score_of_a_quantile(tau: float) -> None:
    found = boosting.QuantileObjective(tau=tau).init_score(REAL, WEIGHT)
    share = WEIGHT[found > REAL].sum() / WEIGHT.sum()
    above = WEIGHT[found >= REAL].sum() / WEIGHT.sum()
    assert share <= tau <= above
    assert found in REAL


def test_the_initial_score_of_an_even_number_is_the_middle() -> None:
    assert boosting.AbsoluteErrorObjective().init_score([1, 2, 4, 9]) == pytest.approx(3.0)
    assert boosting.AbsoluteErrorObjective().init_score([1, 2, 4], [1, 1, 0]) == pytest.approx(1.5)


SOLVED: list[tuple[Any, Array]] = [
    (boosting.HuberObjective(delta=0.7), REAL),
    (boosting.LogCoshObjective(), REAL),
    (boosting.SmoothL1Objective(beta=0.3), REAL),
    (boosting.TukeyBiweightObjective(c=2.0), REAL),
    (boosting.BinaryFocalObjective(), BINARY),
    (boosting.SquaredHingeObjective(), 2 * BINARY - 1),
    (boosting.HingeObjective(), 2 * BINARY - 1),
]


@pytest.mark.parametrize(("objective", "target"), SOLVED)
def test_initial_scores_are_no_worse_than_any_other(objective: Any, target: Array) -> None:
    def total(score: float) -> float:
        return float(objective.loss(target, np.full(N, score), WEIGHT).sum())

    found = total(objective.init_score(target, WEIGHT))
    grid = np.linspace(target.min() - 2, target.max() + 2, 400)
    best = min(grid, key=total)
    refined = optimize.minimize_scalar(total, bounds=(best - 0.1, best + 0.1), method="bounded")
    assert found <= min(total(best), refined.fun) + 1e-9


@pytest.mark.parametrize(
    "objective",
    [
        boosting.SparseSoftmaxCrossEntropyObjective(label_smoothing=0.2),
        boosting.SoftmaxFocalObjective(gamma=1.5),
    ],
)
def test_initial_scores_of_classes_are_stationary(objective: Any) -> None:
    found = objective.init_score(LABEL, WEIGHT)
    gradient, _ = objective(LABEL, np.tile(found, (N, 1)), WEIGHT)
    np.testing.assert_allclose(gradient.sum(axis=0), 0.0, atol=1e-7)


def test_what_has_no_finite_best_score_gets_one() -> None:
    far = np.log(1e15)
    logits = boosting.BinaryCrossEntropyWithLogitsObjective()
    assert logits.init_score([1, 1, 1]) == pytest.approx(far)
    assert logits.init_score([0.0, 0.0]) == pytest.approx(-far)
    assert boosting.PoissonNllObjective().init_score([0, 0]) == pytest.approx(-far)
    assert boosting.PoissonNllRateObjective().init_score([0, 0]) == pytest.approx(1e-15)
    assert boosting.HingeObjective().init_score([1, 1]) == pytest.approx(1.0)
    absent = boosting.SparseSoftmaxCrossEntropyObjective().init_score([0, 2, 2])
    np.testing.assert_allclose(absent, np.log([1 / 3, 1e-15, 2 / 3]))


@pytest.mark.parametrize("made", [boosting.HuberObjective, boosting.TukeyBiweightObjective])
def test_constant_and_large_targets(made: Any) -> None:
    assert made().init_score([7.25] * 5) == pytest.approx(7.25)
    assert made().init_score([1e6, 1e6 + 1]) == pytest.approx(1e6 + 0.5)


@pytest.mark.parametrize(("target", "weight"), [([], None), ([1.0, 2.0], [0.0, 0.0])])
def test_nothing_has_no_initial_score(target: Any, weight: Any) -> None:
    with pytest.raises(ValueError, match="no sample of positive weight"):
        boosting.HuberObjective().init_score(target, weight)


RAW = np.array([-40.0, -1.0, 0.0, 2.5])
PREDICTIONS: dict[str, Any] = {
    "SquaredErrorObjective": RAW,
    "HuberObjective": RAW,
    "QuantileObjective": RAW,
    "LinexObjective": RAW,
    "HingeObjective": RAW,
    "SquaredHingeObjective": RAW,
    "PoissonNllObjective": np.exp(RAW),
    "PoissonNllRateObjective": RAW,
    "BinaryCrossEntropyObjective": RAW,
    "BinaryCrossEntropyWithLogitsObjective": special.expit(RAW),
    "BinaryFocalObjective": special.expit(RAW),
    "SoftmaxCrossEntropyObjective": special.softmax(RAW),
    "SparseSoftmaxCrossEntropyObjective": special.softmax(RAW),
    "SoftmaxFocalObjective": special.softmax(RAW),
    "NegativeLogLikelihoodObjective": RAW,
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_predictions(name: str) -> None:
    objective = getattr(boosting, name)()
    raw = RAW if not objective.task.classes else RAW[None, :]
    found = objective.predict(raw)
    np.testing.assert_allclose(found, PREDICTIONS[name].reshape(raw.shape), rtol=1e-14)
