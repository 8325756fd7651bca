"""What losses are the likelihood of: known from the literature, and cases that only look so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from losscompiler.analysis import densities
from losscompiler.analysis.elementary import elementary
from losscompiler.analysis.ledger import InapplicableError, OpenError
from losscompiler.analysis.likelihood import likelihood
from losscompiler.analysis.narrowed import at_defaults
from losscompiler.analysis.probe import value
from losscompiler.analysis.verdict import Verdict, unknown
from losscompiler.spec import (
    Abs,
    Max,
    Naturals0,
    Param,
    Piecewise,
    Prediction,
    Target,
    cosh,
    exp,
    log,
    oo,
    sigmoid,
    sqrt,
)
from tests.spec_helpers import declare

PAIR = {"p": Prediction(), "y": Target()}
COUNTS = {"p": Prediction(), "y": Target(domain=Naturals0)}
AMOUNTS = {"p": Prediction(positive=True), "y": Target(positive=True)}
SIGNS = {"p": Prediction(), "y": Target(values={-1, 1})}
BITS = {"p": Prediction(), "y": Target(values={0, 1})}
SCALED = {"p": Prediction(), "s": Prediction(positive=True), "y": Target()}
C = {"c": Param(1, positive=True)}


def found(formula: Any, **roles: Any) -> Verdict:
    try:
        return likelihood(declare(formula, **roles))
    except OpenError as open_:
        return unknown(str(open_))


def huber(p: Any, y: Any, c: Any) -> Any:
    e = Abs(p - y)
    return Piecewise((e**2 / 2, e <= c), (c * (e - c / 2), True))


KNOWN: dict[str, tuple[Any, dict[str, Any], str, dict[str, str]]] = {
    "squared": (lambda p, y: (p - y) ** 2, PAIR, "Gaussian", {"variance": "1/2"}),
    "expanded square": (lambda p, y: p**2 - 2 * p * y, PAIR, "Gaussian", {"variance": "1/2"}),
    "weighted square": (lambda p, y, c: c * (p - y) ** 2, PAIR | C, "Gaussian",
                        {"variance": "1/(2*c)"}),
    "absolute": (lambda p, y: Abs(p - y), PAIR, "Laplace", {"scale": "1"}),
    "absolute by maximum": (lambda p, y: 2 * Max(p - y, y - p), PAIR, "Laplace", {"scale": "1/2"}),
    "pinball": (lambda p, y: Max(y - p, (p - y) / 3), PAIR, "asymmetric Laplace",
                {"level": "3/4", "scale": "3/4"}),
    "log-cosh": (lambda p, y: log(cosh(p - y)), PAIR, "hyperbolic secant", {"scale": "pi/2"}),
    "twice log-cosh": (lambda p, y: 2 * log(cosh((p - y) / 2)), PAIR, "logistic", {"scale": "1"}),
    "huber": (huber, PAIR | C, "Huber's", {"variance in the middle": "1", "tails from": "c"}),
    "cauchy": (lambda p, y, c: log(1 + ((p - y) / c) ** 2), PAIR | C, "Cauchy", {"scale": "c"}),
    "student": (lambda p, y: 2 * log(1 + (p - y) ** 2 / 3), PAIR, "Student's t",
                {"degrees of freedom": "3", "scale": "1"}),
    "pseudo-huber": (lambda p, y: sqrt(1 + (p - y) ** 2) - 1, PAIR, "hyperbolic",
                     {"rate": "1", "width": "1"}),
    "linex": (lambda p, y: exp(p - y) - (p - y) - 1, PAIR, "Gumbel of maxima", {"scale": "1"}),
    "expectile": (lambda p, y: Piecewise(((p - y) ** 2, p >= y), (3 * (p - y) ** 2, True)), PAIR,
                  "split normal", {"variance below": "1/2", "variance above": "1/6"}),
    "fourth power": (lambda p, y: (p - y) ** 4, PAIR, "generalised normal",
                     {"exponent": "4", "scale": "1"}),
    "poisson": (lambda p, y: exp(p) - p * y, COUNTS, "Poisson", {"mean": "exp(p)"}),
    "twice poisson": (lambda p, y: 2 * (p - y * log(p)), {"p": AMOUNTS["p"], "y": COUNTS["y"]},
                      "Poisson", {"mean": "p", "times": "2"}),
    "gamma": (lambda p, y: y / p + log(p), AMOUNTS, "exponential", {"mean": "p"}),
    "gamma of a shape": (lambda p, y: 3 * (y / p + log(p)), AMOUNTS, "gamma",
                         {"mean": "p", "shape": "3"}),
    "inverse gaussian": (lambda p, y: (p - y) ** 2 / (2 * p**2 * y), AMOUNTS, "inverse Gaussian",
                         {"mean": "p", "shape": "1"}),
    "negative binomial": (lambda p, y: (y + 2) * log(1 + exp(p)) - y * p, COUNTS,
                          "negative binomial", {"dispersion": "1/2"}),
    "log-normal": (lambda p, y: (log(y) - p) ** 2 / 2, {"p": Prediction(), "y": AMOUNTS["y"]},
                   "log-normal", {"mean of the logarithm": "p"}),
    "logistic": (lambda p, y: log(1 + exp(-y * p)), SIGNS, "Bernoulli", {}),
    "cross-entropy": (lambda p, y: -y * log(sigmoid(p)) - (1 - y) * log(1 - sigmoid(p)), BITS,
                      "Bernoulli", {}),
    "complementary log-log": (lambda p, y: -y * log(1 - exp(-exp(p))) + (1 - y) * exp(p), BITS,
                              "Bernoulli", {}),
    "gaussian, scale predicted": (lambda p, s, y: (p - y) ** 2 / (2 * s**2) + log(s), SCALED,
                                  "Gaussian", {"variance": "s**2"}),
    "laplace, scale predicted": (lambda p, s, y: Abs(p - y) / s + log(s), SCALED, "Laplace",
                                 {"scale": "s"}),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_known_likelihoods(name: str) -> None:
    formula, roles, distribution, given = KNOWN[name]
    verdict = found(formula, **roles)
    assert verdict.verdict == "proved", verdict.reason
    assert verdict.details["distribution"] == distribution
    assert {key: verdict.details["given"][key] for key in given} == given


OTHERS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a scale that depends on the target": (
        lambda p, y: (p - y) ** 2 / (1 + y**2), PAIR, "unknown"),
    "a relative error": (lambda p, y: Abs(p - y) / Max(Abs(y), 1), PAIR, "unknown"),
    "a scale without its normaliser": (
        lambda p, s, y: (p - y) ** 2 / (2 * s**2), SCALED, "unknown"),
    "half the normaliser": (
        lambda p, s, y: (p - y) ** 2 / (2 * s**2) + log(s) / 2, SCALED, "unknown"),
    "a square with a jump": (
        lambda p, y: Piecewise(((p - y) ** 2, p >= y), ((p - y) ** 2 + 1, True)), PAIR, "unknown"),
    "counts that are never 0": (lambda p, y: p - y * log(p), AMOUNTS, "unknown"),
    "counts below 0": (lambda p, y: exp(p) - p * y, PAIR, "unknown"),
    "squares of shares": (
        lambda p, y: (p - y) ** 2, {"p": Prediction(), "y": Target(interval=(0, 1))}, "unknown"),
    "a density with a pole": (
        lambda p, y: Abs(p - y) + log(Abs(p - y)), PAIR, "unknown"),
    "too heavy tails": (lambda p, y: log(1 + (p - y) ** 2) / 2, PAIR, "refuted"),
    "bounded": (lambda p, y: 1 - exp(-((p - y) ** 2)), PAIR, "refuted"),
    "truncated": (lambda p, y: Piecewise(((p - y) ** 2, Abs(p - y) <= 1), (1, True)), PAIR,
                  "refuted"),
    "hinge": (lambda p, y: Max(0, 1 - y * p), SIGNS, "refuted"),
    "exponential": (lambda p, y: exp(-y * p), SIGNS, "refuted"),
    "savage": (lambda p, y: sigmoid(-y * p) ** 2, SIGNS, "refuted"),
    "weighted cross-entropy": (lambda p, y: log(1 + exp(-p)) * 2 * y + (1 - y) * log(1 + exp(p)),
                               BITS, "refuted"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_others(name: str) -> None:
    formula, roles, verdict = OTHERS[name]
    assert found(formula, **roles).verdict == verdict


def test_a_nameless_density_is_one() -> None:
    verdict = found(lambda p, y: Max(0, Abs(p - y) - 1), **PAIR)
    assert verdict.verdict == "proved"
    assert verdict.details["distribution"] == "exp(-loss)"


def test_degrees_of_freedom_that_parameters_decide() -> None:
    def cauchy(p: Any, y: Any, c: Any) -> Any:
        return c**2 / 2 * log(1 + ((p - y) / c) ** 2)

    anywhere = found(cauchy, **PAIR, **C)
    assert anywhere.verdict == "refuted"
    heavy = found(cauchy, **PAIR, c=Param(2, domain=sp.Interval.open(1, oo)))
    assert heavy.details["given"]["degrees of freedom"] == "c**2 - 1"
    usual = at_defaults(declare(cauchy, **PAIR, c=Param(2, positive=True)))
    assert usual is not None
    assert likelihood(usual).details["given"]["degrees of freedom"] == "3"


def test_without_a_target_there_is_no_question() -> None:
    with pytest.raises(InapplicableError):
        likelihood(declare(lambda p: p**2, p=Prediction()))


SCALES: dict[str, Any] = {
    "gaussian": lambda e, s: densities.gaussian(e, s**2),
    "laplace": lambda e, s: densities.laplace(e, 1 / s, 3 / s),
    "split normal": lambda e, s: densities.split_normal(e, 1 / s**2, 3 / s**2),
    "student": lambda e, s: densities.student(e, sp.Integer(3), 3 * s**2),
    "logistic": densities.logistic,
    "hyperbolic secant": lambda e, s: densities.hyperbolic_secant(e, 1 / s),
    "gumbel": lambda e, s: densities.gumbel(e, -1 / s),
    "power": lambda e, s: densities.power(e, s, sp.Integer(3)),
}


@pytest.mark.parametrize("name", SCALES)
def test_normalisers_are_complete_in_the_scale(name: str) -> None:
    e, t = sp.Symbol("e", real=True), np.linspace(-14, 14, 100_001)

    def integral(scale: int) -> float:
        surprisal = elementary(SCALES[name](e, sp.Integer(scale)).surprisal)
        with np.errstate(over="ignore"):
            return float(np.trapezoid(np.exp(-value(surprisal, {e: np.sinh(t)})) * np.cosh(t), t))

    assert integral(1) == pytest.approx(integral(4), rel=1e-6)
