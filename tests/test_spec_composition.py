"""One loss used inside another: defaults, renamed axes, expressions for tensors, no capture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec import (
    And,
    Label,
    Mean,
    Ne,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    index,
    indicator,
    log_softmax,
    logsumexp,
    loss,
    sigmoid,
    size,
    softmax,
    softplus,
    stop_gradient,
    where,
)
from losscompiler.spec.expressions import Index
from tests.spec_helpers import (
    X,
    Y,
    code,
    cross_entropy,
    declare,
    kept,
    made_element,
    square,
    weighted_sum,
)


def test_a_call_is_the_formula_with_defaults_for_what_is_left_out() -> None:
    made = declare(lambda x, y: square(x, y), x=X, y=Y)
    x, y = (made_element(made, name) for name in "xy")
    assert made.expression == 2 * (x - y) ** 2
    given = declare(lambda x, y, s: square(prediction=x, target=y, scale=s + 1),
                    x=X, y=Y, s=Param(4))  # fmt: skip
    s = made_element(given, "s")
    assert given.expression == (s + 1) * (x - y) ** 2


def test_a_call_takes_expressions_and_numbers() -> None:
    made = declare(lambda x, y: square(sigmoid(x), 0.5, scale=1) + y, x=X, y=Y)
    x, y = (made_element(made, name) for name in "xy")
    assert made.expression == (sigmoid(x) - Rational(1, 2)) ** 2 + y


def test_a_call_renames_axes() -> None:
    made = declare(
        lambda x, y: cross_entropy(x, y), x=Prediction("token"), y=Target("token", interval=(0, 1))
    )
    assert made.signature == "(token),(token)->()"
    assert {i.axis for i in made.expression.atoms(Index)} == {"token"}


def test_a_call_refuses_axes_that_do_not_fit() -> None:
    with pytest.raises(SpecError) as caught:
        declare(lambda x, y: cross_entropy(x, y), x=Prediction("token"), y=Target("class"))
    assert caught.value.code == "LC108"
    with pytest.raises(SpecError) as caught:
        declare(lambda x: cross_entropy(x, x), x=Prediction("batch", "class"))
    assert caught.value.code == "LC119"


def test_an_expression_may_stand_in_for_a_tensor() -> None:
    c, d = index("class", "c"), index("feature", "d")
    made = declare(
        lambda h, w, y: cross_entropy(Sum(h[d] * w[c, d], d), y),
        h=Prediction("feature"),
        w=Prediction("class", "feature"),
        y=Target("class", interval=(0, 1)),
    )
    assert made.signature == "(feature),(class,feature),(class)->()"


def test_an_index_of_the_caller_is_not_captured() -> None:
    # The callee binds k over "class"; the k that the caller passes must stay free in it.
    k = index("class", "k")
    made = declare(lambda x, b: weighted_sum(x, b[k]), x=Prediction("class"), b=Prediction("class"))
    assert made.free_indices == (k,)
    (bound,) = made.expression.indices
    assert bound != k
    x, b = made_element(made, "x", bound), made_element(made, "b", k)
    assert made.expression == Sum(b * x, bound)


def test_an_index_of_the_caller_meets_the_axis_that_it_stands_for() -> None:
    # The callee's own k goes where the expression has c, and the expression's bound k stays.
    c, k = index("class", "c k")
    made = declare(
        lambda x: weighted_sum(x[c] - Mean(x[k], k), 3),
        x=Prediction("class"),
    )
    assert made.free_indices == ()
    assert made.expression.has(size("class"))
    assert made.expression.body.args[1].atoms(Index) <= {c, k, index("class", "k_")}


def test_a_softmax_may_stand_in_for_a_tensor() -> None:
    c = index("class", "c")
    made = declare(lambda x: weighted_sum(softmax(x[c], c), 2), x=Prediction("class"))
    k = index("class", "k")
    assert made.expression == Sum(2 * softmax(made_element(made, "x", k), k), k)


@pytest.mark.parametrize("position", ["label", "constant"])
def test_a_softmax_may_be_read_at_one_position(position: str) -> None:
    @loss
    def picked(x: Any = Prediction("class"), y: Any = Label("class")) -> Any:
        return x[y if position == "label" else 0]

    k = index("class", "k")
    made = declare(
        lambda x, y: picked(log_softmax(x[k], k), y), x=Prediction("class"), y=Label("class")
    )
    at = made_element(made, "y") if position == "label" else 0
    assert made.free_indices == ()
    assert made.expression == made_element(made, "x", at) - logsumexp(made_element(made, "x", k), k)


def test_a_condition_may_stand_in_for_a_mask() -> None:
    made = declare(lambda x, y: kept(x, x > y), x=X, y=Y)
    x, y = (made_element(made, name) for name in "xy")
    assert made.expression == where(x > y, x, 0)


def test_the_caller_may_use_the_names_that_the_callee_binds() -> None:
    i = index("batch", "k")  # the callee's k, over another axis
    c = index("class", "c")
    made = declare(
        lambda x, t, y: cross_entropy(x[c] / t[i], y),
        x=Prediction("class"),
        t=Prediction("batch"),
        y=Target("class"),
    )
    assert made.free_indices == (i,)
    assert made.signature == "(class),(batch),(class)->(batch)"


def test_helpers_are_ordinary_functions_and_losses_add_up() -> None:
    def penalty(x: Any) -> Any:
        return stop_gradient(x) * softplus(x)

    made = declare(lambda x, y, a: square(x, y) + a * penalty(x), x=X, y=Y, a=Param(0.5))
    assert made.signature == "(),()->()"
    assert made.expression.has(softplus)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: square(x),
        lambda x: square(x, x, x),
        lambda x: square(x, x, weight=x),
        lambda x: square(x, x, prediction=x),
        lambda x: square(None, x),
    ],
)
def test_a_wrong_call_is_a_diagnostic(call: Callable[[Any], Any]) -> None:
    assert code(lambda x: call(x), x=X) == "LC120"


def test_a_condition_over_indices_is_symbolic() -> None:
    i, j = index("batch", "i j")
    made = declare(
        lambda x: Sum(indicator(And(Ne(i, j), j <= i)) * x[i] * x[j], i, j), x=Prediction("batch")
    )
    assert made.expression.atoms(sp.Ne)
    assert made.expression.atoms(sp.Le) or made.expression.atoms(sp.Ge)
