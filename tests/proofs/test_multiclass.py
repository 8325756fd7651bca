"""Losses over a class axis: scoring rules, likelihoods, calibration, and noise of labels."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp

from losscompiler.analysis.instance import instance
from losscompiler.analysis.ledger import InapplicableError, OpenError
from losscompiler.analysis.multiclass import questions
from losscompiler.analysis.report import analyse
from losscompiler.analysis.sampled import SAMPLES
from losscompiler.analysis.verdict import Verdict, unknown
from losscompiler.analysis.walk import Walk
from losscompiler.crosscheck.proofs import witnesses
from losscompiler.spec import (
    Abs,
    AxisMax,
    Eq,
    Label,
    Loss,
    Max,
    Mean,
    Ne,
    Param,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    indicator,
    log,
    log_softmax,
    softmax,
    sqrt,
)
from tests.spec_helpers import declare

SHARES = {"q": Prediction("class", interval=(0, 1)), "y": Label("class")}
DENSE = {"q": Prediction("class", interval=(0, 1)), "t": Target("class", interval=(0, 1))}
SCORES = {"z": Prediction("class"), "y": Label("class")}
K, C = index("class", "k c")


def total(body: Any) -> Any:
    return Sum(body, K)


def cross_entropy(z: Any, y: Any) -> Any:
    return log(total(exp(z[K]))) - z[y]


RULES: dict[str, tuple[Any, dict[str, Any], str, bool | None]] = {
    "logarithmic": (lambda q, y: -log(q[y]), SHARES, "proved", True),
    "logarithmic, dense": (lambda q, t: -total(t[K] * log(q[K])), DENSE, "proved", True),
    "brier": (lambda q, t: total((q[K] - t[K]) ** 2), DENSE, "proved", True),
    "brier of a label": (lambda q, y: total((q[K] - indicator(Eq(y, K))) ** 2), SHARES, "proved",
                         True),
    "half brier": (lambda q, y: total(q[K] ** 2) / 2 - q[y], SHARES, "proved", True),
    "spherical": (lambda q, y: -q[y] / sqrt(total(q[K] ** 2)), SHARES, "proved", True),
    "cubic": (lambda q, y: 2 * total(q[K] ** 3) - 3 * q[y] ** 2, SHARES, "proved", True),
    "a constant": (lambda q, y: total(q[K]), SHARES, "proved", False),
    "linear": (lambda q, y: 1 - q[y], SHARES, "refuted", None),
    "divergence": (lambda q, t: total(t[K] * log(t[K] / q[K])), DENSE, "proved", True),
    "half a logarithm": (lambda q, t: -log(total(sqrt(t[K] * q[K]))), DENSE, "proved", True),
    "absolute": (lambda q, t: total(Abs(q[K] - t[K])), DENSE, "refuted", None),
    "focal": (lambda q, y: -((1 - q[y]) ** 2) * log(q[y]), SHARES, "refuted", None),
    "smoothed": (lambda q, y: -9 * log(q[y]) / 10 - Mean(log(q[K]), K) / 10, SHARES, "refuted",
                 None),
    "brier without its square": (lambda q, y: total(q[K] ** 2) - q[y], SHARES, "refuted", None),
    "spherical of another power": (lambda q, y: -q[y] / total(q[K] ** 2), SHARES, "refuted", None),
    "tilted logarithm": (lambda q, y: -log(q[y]) - q[y] / 16, SHARES, "refuted", None),
    "concave": (lambda q, y: -total(q[K] ** 2) + 2 * q[y], SHARES, "refuted", None),
    "softmax": (cross_entropy, SCORES, "proved", True),
    "softmax by name": (lambda z, y: -total(indicator(Eq(y, K)) * log_softmax(z[K], K)), SCORES,
                        "proved", True),
    "brier of a softmax": (
        lambda z, y: total((softmax(z[K], K) - indicator(Eq(y, K))) ** 2), SCORES, "proved", True),
    "poly": (lambda z, y: cross_entropy(z, y) + 1 - exp(-cross_entropy(z, y)), SCORES, "refuted",
             None),
    "temperature": (lambda z, y: log(total(exp(2 * z[K]))) - 2 * z[y], SCORES, "refuted", None),
}  # fmt: skip


def asked(loss: Loss, name: str) -> Verdict:
    try:
        return questions(loss)[name]()
    except OpenError as open_:
        return unknown(str(open_))


@pytest.mark.parametrize("name", RULES)
def test_scoring_rules(name: str) -> None:
    formula, roles, verdict, strictly = RULES[name]
    found = asked(declare(formula, **roles), "proper")
    assert found.verdict == verdict, found.reason
    if strictly is not None:
        assert found.details["strictly"] is strictly


@pytest.mark.parametrize("name", [n for n in RULES if RULES[n][2] == "refuted"])
def test_counterexamples_to_rules(name: str) -> None:
    """Another report costs less than the truth, in double precision."""
    formula, roles, _, _ = RULES[name]
    verdict = asked(declare(formula, **roles), "proper")
    witness = verdict.witness
    assert witness is not None
    assert witnesses.fault(declare(formula, **roles), "proper", verdict.to_json()) == ""
    truth, report = (
        np.array([float(Fraction(x)) for x in witness[key]])
        for key in ("distribution", "better report")
    )
    assert risk(declare(formula, **roles), truth, report) < risk(
        declare(formula, **roles), truth, truth
    )


def risk(loss: Loss, truth: Any, report: Any) -> float:
    """The expected loss, by replacing entries in the formula written out."""
    count, names = len(truth), list(loss.roles)
    made = instance(loss, count)
    shown = np.log(report) if names[0] == "z" else report
    cost = 0.0
    for k in range(count):
        entries: dict[Any, Any] = {(names[0], (n,)): shown[n] for n in range(count)}
        if names[1] == "t":
            entries |= {("t", (n,)): float(n == k) for n in range(count)}
        else:
            entries |= {(names[1], ()): k}
        cost += truth[k] * float(Walk(SAMPLES, made.axis_sizes, entries)(made.formula))
    return cost


CATEGORICAL: dict[str, tuple[Any, dict[str, Any], str]] = {
    "softmax": (cross_entropy, SCORES, "proved"),
    "logarithmic": (lambda q, y: -log(q[y]), SHARES, "proved"),
    "shifted": (lambda q, y: 3 - log(q[y]), SHARES, "proved"),
    "twice": (lambda q, y: -2 * log(q[y]), SHARES, "refuted"),
    "brier": (lambda q, y: total(q[K] ** 2) - 2 * q[y], SHARES, "refuted"),
    "divergence": (lambda q, t: total(t[K] * log(t[K] / q[K])), DENSE, "proved"),
    "jensen-shannon": (
        lambda q, t: (
            total(t[K] * log(2 * t[K] / (t[K] + q[K])) + q[K] * log(2 * q[K] / (t[K] + q[K]))) / 2
        ),
        DENSE,
        "unknown",
    ),
    "unnormalised logits": (lambda z, y: -z[y], SCORES, "unknown"),
}


@pytest.mark.parametrize("name", CATEGORICAL)
def test_likelihoods_of_classes(name: str) -> None:
    formula, roles, verdict = CATEGORICAL[name]
    found = asked(declare(formula, **roles), "likelihood")
    assert found.verdict == verdict
    if verdict == "refuted":
        assert witnesses.fault(declare(formula, **roles), "likelihood", found.to_json()) == ""


def test_what_probabilities_are_of_scores_at_a_temperature() -> None:
    def tempered(z: Any, y: Any) -> Any:
        return log(total(exp(2 * z[K]))) - 2 * z[y]

    found = asked(declare(tempered, **SCORES), "likelihood")
    if found.verdict == "proved":
        assert found.details["given"] == {"probabilities": "proportional to exp(-loss)"}


def test_numbers_that_are_not_rational_are_no_linear_program() -> None:
    loss = declare(lambda z, y: AxisMax(sqrt(2) * z[K], K) - sqrt(2) * z[y], **SCORES)
    assert asked(loss, "calibrated").verdict == "unknown"


def crammer_singer(z: Any, y: Any) -> Any:
    return AxisMax(z[K] + indicator(Ne(y, K)), K) - z[y]


CALIBRATED: dict[str, tuple[Any, str]] = {
    "softmax": (cross_entropy, "proved"),
    "brier of a softmax": (RULES["brier of a softmax"][0], "proved"),
    "crammer-singer": (crammer_singer, "refuted"),
    "weston-watkins": (
        lambda z, y: total(indicator(Ne(y, K)) * Max(0, 1 + z[K] - z[y])), "refuted"),
    "perceptron": (lambda z, y: AxisMax(z[K], K) - z[y], "refuted"),
    "a scale in another notation": (lambda z, y: 2 * crammer_singer(z, y) + 1, "refuted"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALIBRATED)
def test_calibration(name: str) -> None:
    formula, verdict = CALIBRATED[name]
    found = asked(declare(formula, **SCORES), "calibrated")
    assert found.verdict == verdict, found.reason
    if verdict == "refuted":
        assert found.witness is not None
        truth = [float(Fraction(x)) for x in found.witness["distribution"]]
        scores = [float(Fraction(x)) for x in found.witness["minimiser"]]
        assert max(scores[1:]) >= scores[0]
        assert truth[0] > max(truth[1:])
        here = risk(declare(formula, **SCORES), truth, np.exp(scores))
        assert here == pytest.approx(float(Fraction(found.witness["expected loss"])))
        loss = declare(formula, **SCORES)
        assert witnesses.fault(loss, "calibrated", found.to_json()) == ""
        higher = {**found.witness, "expected loss": "9"}
        wrong = {**found.to_json(), "witness": higher}
        assert witnesses.fault(loss, "calibrated", wrong) != ""


SYMMETRIC: dict[str, tuple[Any, dict[str, Any], str]] = {
    "absolute": (lambda q, t: total(Abs(q[K] - t[K])), DENSE, "proved"),
    "linear": (lambda q, y: 1 - q[y], SHARES, "proved"),
    "absolute of a softmax": (lambda z, y: 2 - 2 * exp(-cross_entropy(z, y)), SCORES, "proved"),
    "softmax": (cross_entropy, SCORES, "refuted"),
    "generalised": (lambda q, y, p: (1 - q[y] ** p) / p,
                    SHARES | {"p": Param(sp.Rational(1, 2), domain=sp.Interval.Lopen(0, 1))},
                    "refuted"),
}  # fmt: skip


@pytest.mark.parametrize("name", SYMMETRIC)
def test_noise_of_labels(name: str) -> None:
    formula, roles, verdict = SYMMETRIC[name]
    found = asked(declare(formula, **roles), "symmetric")
    assert found.verdict == verdict
    if verdict == "refuted":
        assert witnesses.fault(declare(formula, **roles), "symmetric", found.to_json()) == ""


def test_modes_and_probabilities() -> None:
    mode = asked(declare(lambda q, y: 1 - q[y], **SHARES), "elicits")
    assert mode.details["functional"] == "mode"
    limit = asked(declare(SYMMETRIC["absolute of a softmax"][0], **SCORES), "elicits")
    assert limit.details["functional"] == "mode"
    assert limit.details["attained"] is False
    found = asked(declare(cross_entropy, **SCORES), "elicits")
    assert found.details == {"functional": "class probabilities", "link": "softmax(z)"}


def test_smoothing_is_improper_and_proper_at_its_default() -> None:
    def smoothed(z: Any, y: Any, a: Any) -> Any:
        return (1 - a) * cross_entropy(z, y) + a * (log(total(exp(z[K]))) - Mean(z[K], K))

    found = analyse(declare(smoothed, **SCORES, a=Param(0, interval=(0, 1))))
    assert found["proper"].verdict == "refuted"
    assert found["proper_at_defaults"].verdict == "proved"
    assert found["likelihood_at_defaults"].details["distribution"] == "categorical"


def test_other_losses_are_not_asked() -> None:
    with pytest.raises(InapplicableError):
        questions(declare(lambda p, y: (p - y) ** 2, p=Prediction(), y=Target()))
    pixels = {n: r("*pixel", interval=(0, 1)) for n, r in (("q", Prediction), ("t", Target))}
    pixel = index("pixel", "i")
    with pytest.raises(InapplicableError):
        questions(declare(lambda q, t: Sum((q[pixel] - t[pixel]) ** 2, pixel), **pixels))
