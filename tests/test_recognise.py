"""Every rule of recognition: an exact identity, and right where the naive formula is not."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

from losscompiler.analysis.evaluate import UndefinedError
from losscompiler.ir.operators import LogAddExp, LogCosh, XLogY
from losscompiler.passes.recognise import recognise
from losscompiler.spec import (
    Loss,
    Mask,
    Not,
    Prediction,
    Sum,
    Target,
    acos,
    cosh,
    exp,
    index,
    indicator,
    log,
    size,
    sqrt,
    where,
)
from losscompiler.spec.expressions import LogSumExp, Norm, sigmoid, softplus
from tests.compiled import entries, entry, exactly, gradient, naively, slope, value, written_out
from tests.spec_helpers import declare

SIZES = {"class": 3}
k = index("class", "k")
X, C = Prediction(), Prediction("class")
BIG = [1000.0, 998.5, 995.0]


@dataclass(frozen=True)
class Rule:
    """One identity.

    Attributes:
        name: What it turns into what.
        naive: The formula as an author writes it.
        roles: Its inputs.
        head: An operator that must be in the recognised formula.
        hazard: Inputs at which the naive formula is wrong in float64.
        limit: The right value there, if the naive formula has none even in exact arithmetic.
        slope: Whether the gradient is finite there.
    """

    name: str
    naive: Callable[..., Any]
    roles: Mapping[str, Any]
    head: type[sp.Basic]
    hazard: Mapping[str, Any]
    limit: float | None = None
    slope: bool = True
    free: dict[sp.Basic, int] = field(default_factory=dict)

    @property
    def loss(self) -> Loss:
        return declare(self.naive, **self.roles)


RULES = (
    Rule("log1p_exp", lambda x: log(1 + exp(x)), {"x": X}, softplus, {"x": 800.0}),
    Rule("log1p_exp_left", lambda x: log(1 + exp(x)), {"x": X}, softplus, {"x": -40.0}),
    Rule(
        "log1p_of_scaled_exp",
        lambda x: log(1 + 2 * exp(x)),
        {"x": X},
        softplus,
        {"x": 800.0},
    ),
    Rule(
        "log_of_logistic",
        lambda x: log(1 / (1 + exp(-x))),
        {"x": X},
        softplus,
        {"x": -800.0},
    ),
    Rule(
        "log_of_logistic_in_two_exponentials",
        lambda x: log(exp(x) / (1 + exp(x))),
        {"x": X},
        softplus,
        {"x": 800.0},
    ),
    Rule("log_of_sigmoid", lambda x: log(sigmoid(x)), {"x": X}, softplus, {"x": -800.0}),
    Rule(
        "log_of_complement",
        lambda x: log(1 - 1 / (1 + exp(-x))),
        {"x": X},
        softplus,
        {"x": 40.0},
    ),
    Rule("complement", lambda x: 1 - sigmoid(x), {"x": X}, sigmoid, {"x": 40.0}),
    Rule("logistic", lambda x: exp(x) / (1 + exp(x)), {"x": X}, sigmoid, {"x": 800.0}),
    Rule("exp_times_sigmoid", lambda x: exp(x) * sigmoid(-x), {"x": X}, sigmoid, {"x": 800.0}),
    Rule("log_of_power", lambda x: log((1 + exp(x)) ** 3), {"x": X}, softplus, {"x": 500.0}),
    Rule(
        "log_of_two_exponentials",
        lambda x, y: log(exp(x) + exp(y)),
        {"x": X, "y": X},
        LogAddExp,
        {"x": 1000.0, "y": 999.0},
    ),
    Rule(
        "log_of_three_exponentials",
        lambda x, y: log(exp(x) + exp(-x) + exp(y)),
        {"x": X, "y": X},
        LogAddExp,
        {"x": 1000.0, "y": 999.0},
    ),
    Rule(
        "log_of_exponentials_and_a_constant",
        lambda x, y: log(3 + exp(x) + exp(y)),
        {"x": X, "y": X},
        softplus,
        {"x": 1000.0, "y": 999.0},
    ),
    Rule(
        "share_of_two_exponentials",
        lambda x, y: log(exp(x) / (exp(x) + exp(y))),
        {"x": X, "y": X},
        softplus,
        {"x": 40.0, "y": -5.0},
    ),
    Rule(
        "share_of_an_exponential_in_a_sum",
        lambda x, y: log(exp(y) / (exp(y) + Sum(exp(x[k]), k))),
        {"x": C, "y": X},
        softplus,
        {"x": [1.0, -2.0, 3.0], "y": 900.0},
    ),
    Rule(
        "share_beside_a_quotient_of_sums",
        lambda x, y: log(
            exp(y) / (exp(y) + (size("class") - 1) * Sum(exp(2 * x[k]), k) / Sum(exp(x[k]), k))
        ),
        {"x": C, "y": X},
        softplus,
        {"x": BIG, "y": 1000.0},
    ),
    Rule(
        "log_of_exponentials_of_which_one_has_a_weight_of_either_sign",
        lambda x, y: log(exp(y) + (4 - size("class")) * exp(x[0])),
        {"x": C, "y": X},
        LogAddExp,
        {"x": BIG, "y": 999.0},
    ),
    Rule("logsumexp", lambda x: log(Sum(exp(x[k]), k)), {"x": C}, LogSumExp, {"x": BIG}),
    Rule(
        "logsumexp_underflow",
        lambda x: log(Sum(exp(x[k]), k)),
        {"x": C},
        LogSumExp,
        {"x": [-1000.0, -1001.0, -1005.0]},
    ),
    Rule(
        "weighted_logsumexp",
        lambda x, w: log(Sum(w[k] * exp(x[k]), k)),
        {"x": C, "w": Target("class", positive=True)},
        LogSumExp,
        {"x": BIG, "w": [0.5, 2.0, 1.5]},
    ),
    Rule(
        "masked_logsumexp",
        lambda x, m: log(Sum(where(m[k], exp(x[k]), 0), k)),
        {"x": C, "m": Mask("class")},
        LogSumExp,
        {"x": BIG, "m": [True, False, True]},
    ),
    Rule(
        "logsumexp_of_the_other_branch",
        lambda x, m: log(Sum(where(Not(m[k]), 0, exp(x[k])), k)),
        {"x": C, "m": Mask("class")},
        LogSumExp,
        {"x": BIG, "m": [True, False, True]},
    ),
    Rule(
        "logsumexp_times_indicator",
        lambda x, m: log(Sum(indicator(m[k]) * exp(x[k]), k)),
        {"x": C, "m": Mask("class")},
        LogSumExp,
        {"x": [2000.0, 998.5, 995.0], "m": [False, True, True]},
    ),
    Rule(
        "log_of_one_plus_sum",
        lambda x: log(1 + Sum(exp(x[k]), k)),
        {"x": C},
        softplus,
        {"x": BIG},
    ),
    Rule(
        "log_of_softmax",
        lambda x: log(exp(x[0]) / Sum(exp(x[k]), k)),
        {"x": C},
        LogSumExp,
        {"x": [-900.0, 10.0, 20.0]},
    ),
    Rule(
        "softmax",
        lambda x: exp(x[0]) / Sum(exp(x[k]), k),
        {"x": C},
        LogSumExp,
        {"x": BIG},
    ),
    Rule(
        "log_of_product",
        lambda x, y: log(y * exp(x)),
        {"x": X, "y": Target(positive=True)},
        sp.log,
        {"x": 800.0, "y": 3.0},
    ),
    Rule("log_of_cosh", lambda x: log(cosh(x)), {"x": X}, LogCosh, {"x": 800.0}),
    Rule("log_of_cosh_at_0", lambda x: log(cosh(x)), {"x": X}, LogCosh, {"x": 1e-9}),
    Rule(
        "zero_times_log_of_zero",
        lambda p, y: y * log(p),
        {"p": Prediction(nonnegative=True), "y": Target(nonnegative=True)},
        XLogY,
        {"p": 0.0, "y": 0.0},
        limit=0.0,
        slope=False,
    ),
    Rule(
        "zero_times_log_of_quotient",
        lambda p, y: y * log(y / p),
        {"p": Prediction(positive=True), "y": Target(nonnegative=True)},
        XLogY,
        {"p": 0.25, "y": 0.0},
        limit=0.0,
        slope=False,
    ),
    Rule(
        "product_of_exponentials",
        lambda x, y: exp(x) * exp(y),
        {"x": X, "y": X},
        sp.exp,
        {"x": 800.0, "y": -799.0},
    ),
)
BY_NAME = [pytest.param(rule, id=rule.name) for rule in RULES]


def formulas(rule: Rule) -> tuple[sp.Basic, sp.Basic]:
    """Both sides, written out."""
    naive = rule.loss.expression
    return written_out(naive, SIZES, {}), written_out(recognise(naive), SIZES, {})


def random_arrays(rule: Rule, rng: random.Random) -> dict[str, Any]:
    """Inputs inside their domains, some tens wide."""
    arrays: dict[str, Any] = {}
    for name, role in rule.roles.items():
        shape = tuple(SIZES[a] for a in role.axes)
        if role.kind == "mask":
            arrays[name] = np.array([True, rng.random() < 0.5, rng.random() < 0.5])
            continue
        low = 0.01 if role.domain.inf == 0 else -30
        numbers = [rng.uniform(low, 30) for _ in range(int(np.prod(shape)))]
        arrays[name] = np.reshape(numbers, shape)
    return arrays


@pytest.mark.parametrize("rule", BY_NAME)
def test_both_sides_are_equal(rule: Rule) -> None:
    naive, recognised = formulas(rule)
    rng = random.Random(rule.name)
    for _ in range(8):
        arrays = random_arrays(rule, rng)
        expected, found = (exactly(e, arrays, 90) for e in (naive, recognised))
        assert mpmath.almosteq(expected, found, rel_eps=mpmath.mpf(10) ** -15, abs_eps=1e-40)
        with mpmath.workdps(60):
            assert abs(expected - found) < mpmath.mpf(10) ** -40 * (1 + abs(expected))


@pytest.mark.parametrize("rule", BY_NAME)
def test_the_operator_is_found(rule: Rule) -> None:
    recognised = recognise(rule.loss.expression)
    assert recognised.has(rule.head)
    assert recognise(recognised) == recognised


@pytest.mark.parametrize("rule", BY_NAME)
def test_the_naive_side_is_wrong_at_its_hazard(rule: Rule) -> None:
    naive, _ = formulas(rule)
    assert not np.isclose(naively(naive, rule.hazard), right(rule), rtol=1e-6, atol=0)


@pytest.mark.parametrize("rule", BY_NAME)
def test_the_emitted_value_is_right_at_the_hazard(rule: Rule) -> None:
    np.testing.assert_allclose(
        value(rule.loss, rule.hazard), right(rule), rtol=rounding(rule), atol=0
    )


@pytest.mark.parametrize("rule", [p for p, r in zip(BY_NAME, RULES, strict=True) if r.slope])
def test_the_emitted_gradient_is_right_at_the_hazard(rule: Rule) -> None:
    naive, _ = formulas(rule)
    found = gradient(rule.loss, rule.hazard)
    names = rule.loss.differentiated
    for name, array in zip(names, found if len(names) > 1 else (found,), strict=True):
        for place in np.ndindex(np.shape(array)):
            expected = float(slope(naive, rule.hazard, entry(name, *place)))
            np.testing.assert_allclose(array[place], expected, rtol=rounding(rule), atol=0)


def rounding(rule: Rule) -> float:
    """What may be lost: the last digit of an exponent is a relative error of the exponential."""
    largest = max(np.max(np.abs(v)) for v in rule.hazard.values() if np.asarray(v).dtype != bool)
    scaled = recognise(rule.loss.expression).has(LogSumExp, sp.exp)
    return 4e-16 + (2.3e-16 * float(largest) if scaled else 0)


def right(rule: Rule) -> float:
    """The value at the hazard."""
    if rule.limit is None:
        return float(exactly(formulas(rule)[0], rule.hazard, 900))
    with pytest.raises(UndefinedError):
        exactly(formulas(rule)[0], rule.hazard)
    return rule.limit


def test_the_norm_of_nothing_has_a_gradient() -> None:
    made = declare(lambda x: sqrt(Sum(x[k] ** 2, k)), x=C)
    assert recognise(made.expression).has(Norm)
    naive = written_out(made.expression, SIZES, {})
    zero = {"x": [0.0, 0.0, 0.0]}
    by_sympy = [float(naively(naive.diff(s), zero)) for s in entries(zero)]
    assert np.isnan(by_sympy).all()
    np.testing.assert_array_equal(gradient(made, zero), [0, 0, 0])
    np.testing.assert_allclose(gradient(made, {"x": [3.0, 0.0, -4.0]}), [0.6, 0, -0.8], rtol=4e-16)


def test_cross_entropy_of_logits_is_found_through_the_sums() -> None:
    made = declare(
        lambda x, y: -(y * log(1 / (1 + exp(-x))) + (1 - y) * log(1 - 1 / (1 + exp(-x)))),
        x=X,
        y=Target(interval=(0, 1)),
    )
    found = recognise(made.expression)
    x, y = (made.roles[n].tensor(n)[()] for n in "xy")
    assert sp.expand(found - (y * softplus(-x) + (1 - y) * softplus(x))) == 0


def test_a_share_is_found_though_its_exponent_is_real_only_inside_a_domain() -> None:
    def share(x: Any, z: Any) -> Any:
        own = exp(900 * acos(z))
        return log(own / (own + Sum(exp(x[k]), k)))

    made = declare(share, x=C, z=Prediction(interval=(-1, 1)))
    arrays = {"x": [2000.0, 1400.0, 1300.0], "z": -0.5}
    right = float(exactly(written_out(made.expression, SIZES, {}), arrays, 900))
    np.testing.assert_allclose(value(made, arrays), right, rtol=1e-12)


@pytest.mark.parametrize(
    "body",
    [
        lambda x: log(1 + x**2),
        lambda x: log(2 - exp(x)),
        lambda x: log(3 + x**4),
        lambda x: exp(x) + 1,
    ],
)
def test_what_only_looks_alike_stays(body: Callable[..., Any]) -> None:
    made = declare(body, x=X)
    assert recognise(made.expression) == made.expression


@pytest.mark.parametrize("x", [[1.0, 2.0, 0.5], BIG, [-900.0, -800.0, -850.0]])
def test_weights_of_either_sign(x: list[float]) -> None:
    made = declare(lambda x, w: log(Sum(w[k] * exp(x[k]), k)), x=C, w=Target("class"))
    arrays = {"x": x, "w": [2.0, -0.5, 1.0] if x[0] > x[1] else [-0.5, 2.0, 1.0]}
    naive = written_out(made.expression, SIZES, {})
    np.testing.assert_allclose(value(made, arrays), float(exactly(naive, arrays)), rtol=1e-15)
