"""Losses made to deceive: equal functions in other words, small faults, parameters that decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy as sp

from losscompiler.analysis.curvature import convexity
from losscompiler.spec import (
    Abs,
    And,
    AxisMax,
    Eq,
    Interval,
    Label,
    Max,
    Min,
    Ne,
    Norm,
    Param,
    Piecewise,
    Prediction,
    Sum,
    Target,
    atan,
    cosh,
    erf,
    exp,
    index,
    log,
    log_ndtr,
    logsumexp,
    ndtr,
    sigmoid,
    sign,
    softplus,
    sqrt,
    stop_gradient,
    tanh,
    where,
)
from tests.spec_helpers import declare

Q = sp.Rational
TINY = Q(1, 10**6)
X = {"p": Prediction()}
PAIR = {**X, "y": Target()}
UNIT = {"p": Prediction(domain=Interval.open(0, 1))}
POSITIVE = {"p": Prediction(positive=True)}
TWO = {"a": Prediction(), "b": Prediction()}
BOTH_POSITIVE = {"a": Prediction(positive=True), "b": Prediction(positive=True)}
Z = {"z": Prediction("class")}
LABELLED = {**Z, "y": Label("class")}
k, c = index("class", "k c")


def K(**domain: Any) -> dict[str, Any]:
    return {"k": Param(domain.pop("default", 1), **domain)}


def shifted(at: Any, size: Any) -> Callable[[Any], Any]:
    return lambda p: Abs(p) + Piecewise((0, p < at), (size, True))


CONVEX: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "softplus in four notations": (
        lambda p: log(1 + exp(p)) + softplus(p) - log(sigmoid(-p)) + Max(p, 0)
        + log(1 + exp(-Abs(p))), X
    ),
    "a square in pieces": (lambda p: Max(p, 0) ** 2 + Min(p, 0) ** 2, X),
    "a square by cases": (lambda p: Piecewise((p**2, p > 1), (Abs(p) ** 2, True)), X),
    "a root of a square": (lambda p: sqrt((p - 3) ** 2), X),
    "the product of a number and its sign": (lambda p: p * sign(p), X),
    "a value on the guard that fits": (lambda p: Piecewise((9, Eq(p, 3)), (p**2, True)), X),
    "a pole outside": (lambda p: 1 / p, POSITIVE),
    "entropy": (lambda p: p * log(p) + (1 - p) * log(1 - p), UNIT),
    "a difference that cancels": (lambda p: (p**4 + p**2) - p**4, X),
    "logarithm of cosh": (lambda p: log(cosh(p)) - tanh(p) * 0, X),
    "a barely convex quartic": (lambda p: p**4 - 6 * p**2 * 0 + TINY * p**2, X),
    "a barely positive form": (lambda a, b: a**2 + Q(1999, 1000) * a * b + b**2, TWO),
    "the same slopes on both sides": (lambda p: Piecewise((2 * p - 1, p > 1), (p**2, True)), X),
    "slopes that rise by a millionth": (
        lambda p: Piecewise(((1 + TINY) * (p - 1), p > 1), (p - 1, True)), X
    ),
    "a parameter above one": (lambda p, k: Abs(p) ** k, {**X, **K(interval=(1, 4))}),
    "a weight that may vanish": (lambda p, k: k * p**2, {**X, **K(nonnegative=True)}),
    "a huber with its pieces swapped": (
        lambda p, k: Piecewise((k * Abs(p) - k**2 / 2, Abs(p) > k), (p**2 / 2, True)),
        {**X, **K(positive=True)},
    ),
    "a huber as a minimum's complement": (
        lambda p, k: Min(Abs(p), k) * (Abs(p) - Min(Abs(p), k) / 2), {**X, **K(positive=True)}
    ),
    "the negative logarithm of the normal": (lambda p: -log_ndtr(p), X),
    "probit": (lambda p, y: -y * log_ndtr(p) - (1 - y) * log_ndtr(-p),
               {**X, "y": Target(interval=(0, 1))}),
    "exponential of a square": (lambda p: exp(p**2), X),
    "a quadratic over a linear": (lambda a, b: a**2 / b, {**TWO, "b": Prediction(positive=True)}),
    "relative entropy": (lambda a, b: a * log(a / b), BOTH_POSITIVE),
    "log-sum-exp of two": (lambda a, b: log(exp(a) + exp(b)), TWO),
    "the larger of three": (lambda a, b: Max(a, b, 2 * a - b), TWO),
    "an unused branch": (lambda p: Piecewise((p**2, p**4 + p > -10), (-(p**2), True)), X),
    "a guard that is a square": (lambda p: Piecewise((p**2, (p - 1) ** 2 > 0), (1, True)), X),
    "frozen, but only for derivatives": (lambda p: stop_gradient(p) * p, X),
    "the worst class": (lambda z, y: AxisMax(z[k], k) - z[y], LABELLED),
    "twice reduced": (lambda z: log(Sum(exp(logsumexp(z[k] + z[c], k)), c)), Z),
    "the norm of a norm": (lambda z: sqrt(Norm(z[k], k) ** 2 + 1), Z),
    "hinges of a difference": (
        lambda z, y: Sum(where(Ne(k, y), Max(0, z[k] - z[y]) ** 2, 0), k), LABELLED
    ),
    "a rate of either sign": (
        lambda p, y, k: log(1 + exp(k * (p - y))), {**PAIR, **K(real=True)}
    ),
}  # fmt: skip
NONCONVEX: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "a jump of a millionth": (shifted(2, TINY), X),
    "a jump down of a millionth": (shifted(2, -TINY), X),
    "a jump at a large number": (shifted(10_000, Q(1, 100)), X),
    "a value off the guard": (lambda p: Piecewise((9 + TINY, Eq(p, 3)), (p**2, True)), X),
    "a value below, at one point": (lambda p: Piecewise((-TINY, Eq(p, 0)), (p**2, True)), X),
    "the square of a sign": (lambda p: p**2 + sign(p) ** 2 * TINY, X),
    "slopes that fall by a millionth": (
        lambda p: Piecewise(((1 - TINY) * (p - 1), p > 1), (p - 1, True)), X
    ),
    "a slightly indefinite form": (lambda a, b: a**2 + Q(2001, 1000) * a * b + b**2, TWO),
    "a dent": (lambda p: p**2 - Q(1, 1000) * exp(-((100 * (p - 1)) ** 2)), X),
    "shallow wells": (lambda p: (p**2 - Q(1, 10**4)) ** 2, X),
    "a concave tail": (
        lambda p: Piecewise((p**2, Abs(p) < 100), (10_000 + sqrt(Abs(p)) - 10, True)), X
    ),
    "a tail that levels off": (lambda p: log(1 + p**2 / 10**6), X),
    "a power below one": (lambda p, k: Abs(p) ** k, {**X, **K(interval=(Q(9, 10), 4))}),
    "a weight that may be negative": (lambda p, k: k * p**2, {**X, **K(interval=(-TINY, 1))}),
    "a saddle": (lambda a, b: a * b, TWO),
    "convex in each alone": (lambda a, b: a**2 + b**2 + 3 * a * b, TWO),
    "a ratio": (lambda a, b: a / b, BOTH_POSITIVE),
    "a probability": (lambda p: sigmoid(p), X),
    "the normal distribution": (lambda p: ndtr(p), X),
    "an error function": (lambda p: erf(p) ** 2, X),
    "an arctangent": (lambda p: atan(p) ** 2, X),
    "the smaller of two": (lambda a, b: Min(a, b), TWO),
    "a clipped square": (lambda p, k: Min(p**2, k), {**X, **K(positive=True)}),
    "a reverse huber of the wrong sign": (
        lambda p: Piecewise((-Abs(p), Abs(p) < 1), ((p**2 - 3) / 2, True)), X
    ),
    "two conditions": (lambda p: Piecewise((p**2 + TINY, And(p > 0, p < 1)), (p**2, True)), X),
    "a logit squared": (lambda p, y: (sigmoid(p) - y) ** 2, {**X, "y": Target(interval=(0, 1))}),
    "the entropy of a share": (lambda z: -Sum(exp(z[k]) * z[k], k) / Sum(exp(z[k]), k), Z),
    "a distance below a margin": (lambda z: Max(0, 1 - Norm(z[k], k)) ** 2, Z),
    "the logarithm of a mean square": (lambda z: log(1 + Sum(z[k] ** 2, k)), Z),
    "a product of margins": (lambda z, y: -Sum(z[k] * z[y], k), LABELLED),
    "a power of a sum": (lambda z: sqrt(Sum(exp(-z[k] ** 2), k)), Z),
}  # fmt: skip


def test_there_are_enough() -> None:
    assert len(CONVEX) + len(NONCONVEX) >= 60


@pytest.fixture(scope="module")
def verdicts() -> dict[str, str]:
    every = {**CONVEX, **NONCONVEX}
    return {name: convexity(declare(f, **roles)).verdict for name, (f, roles) in every.items()}


@pytest.mark.parametrize("name", CONVEX)
def test_no_convex_loss_is_refuted(name: str, verdicts: dict[str, str]) -> None:
    assert verdicts[name] != "refuted"


@pytest.mark.parametrize("name", NONCONVEX)
def test_no_other_is_proved(name: str, verdicts: dict[str, str]) -> None:
    assert verdicts[name] != "proved"


def test_few_are_open(verdicts: dict[str, str]) -> None:
    open_ = [name for name, verdict in verdicts.items() if verdict == "unknown"]
    assert len(open_) <= len(verdicts) // 10, open_
