"""What a spec means: axes, free indices, signatures, domains, composition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec import (
    Abs,
    And,
    AxisMax,
    Eq,
    Interval,
    Label,
    Mask,
    Max,
    Mean,
    Norm,
    Param,
    Piecewise,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    log_softmax,
    logsumexp,
    oo,
    size,
    softmax,
    where,
)
from losscompiler.spec.decorator import RESERVED
from losscompiler.spec.expressions import Element
from losscompiler.spec.expressions import Piecewise as PiecewiseNode
from losscompiler.spec.roles import assumptions_of
from tests.spec_helpers import (
    X,
    Y,
    code,
    declare,
    kept,
    made_element,
    square,
)

# ---- signatures, axes, free indices -----------------------------------------------------------

SIGNATURES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "(),()->()": (lambda x, y: x - y, {"x": X, "y": Y}),
    "(class),()->()": (
        lambda x, y: -x[y],
        {"x": Prediction("class"), "y": Label("class")},
    ),
    "(class),(batch)->(class,batch)": (
        lambda x, y: x[index("class")] * y[index("batch")],
        {"x": Prediction("class"), "y": Target("batch")},
    ),
    "(batch),(class)->(batch,class)": (
        lambda x, y: x[index("batch")] * y[index("class")],
        {"x": Target("batch"), "y": Prediction("class")},
    ),
    "(batch,feature),(batch)->(batch)": (
        lambda x, y: Sum(x[y[index("batch", "i")], index("feature", "d")], index("feature", "d")),
        {"x": Prediction("batch", "feature"), "y": Label("batch", "batch")},
    ),
    "(class,*spatial),(class,*spatial)->(class)": (
        lambda x, y: Mean(
            x[index("class"), index("spatial")] * y[index("class"), index("spatial")],
            index("spatial"),
        ),
        {"x": Prediction("class", "*spatial"), "y": Target("class", "*spatial")},
    ),
    "(class,*spatial)->(class,spatial)": (
        lambda x: x[index("class"), index("*spatial")],
        {"x": Prediction("class", "*spatial")},
    ),
    "(coordinate)->()": (lambda x: x[2] - x[0], {"x": Prediction("coordinate")}),
    "(time)->(time)": (
        lambda x: where(index("time") < size("time") - 1, x[index("time") + 1], 0),
        {"x": Prediction("time")},
    ),
}


@pytest.mark.parametrize("signature", SIGNATURES)
def test_signature(signature: str) -> None:
    body, roles = SIGNATURES[signature]
    assert declare(body, **roles).signature == signature


def test_free_indices_come_in_the_order_of_the_signature_not_of_the_formula() -> None:
    i, c = index("batch", "i"), index("class", "c")
    made = declare(lambda x, y: y[c] + x[i], x=Prediction("batch"), y=Prediction("class"))
    assert made.free_indices == (i, c)
    assert made.axis_order == ("batch", "class")


def test_two_free_indices_over_one_axis_are_two_axes_of_the_loss() -> None:
    i, j = index("batch", "i j")
    made = declare(lambda x: (x[j] - x[i]) ** 2, x=Prediction("batch"))
    assert made.free_indices == (i, j)
    assert made.signature == "(batch)->(batch,batch)"


def test_reductions_bind_their_indices_and_softmax_keeps_its_axis() -> None:
    k = index("class", "k")
    reductions: list[Callable[..., Any]] = [Sum, Mean, AxisMax, Norm, logsumexp]
    for reduced in reductions:
        assert declare(lambda x, f=reduced: f(x[k], k), x=Prediction("class")).free_indices == ()
    for keeping in (softmax, log_softmax):
        assert declare(lambda x, f=keeping: f(x[k], k), x=Prediction("class")).free_indices == (k,)


def test_one_reduction_may_bind_several_indices() -> None:
    i, d = index("batch", "i"), index("feature", "d")
    made = declare(lambda x: Mean(x[i, d], i, d), x=Prediction("batch", "feature"))
    assert made.free_indices == ()
    assert made.expression == Sum(made_element(made, "x", i, d), i, d) / (size(i) * size(d))


def test_an_index_is_its_name_and_its_axis() -> None:
    assert index("class", "k") == index("class", "k")
    assert index("class", "k") != index("batch", "k")
    assert index("class") == index("class", "c")
    assert index("class", "c, k") == (index("class", "c"), index("class", "k"))
    assert size(index("class")) == size("class")


# ---- roles, domains, assumptions --------------------------------------------------------------


def test_inputs_keep_the_order_of_the_author() -> None:
    made = declare(
        lambda y, x, p, z: x * y + p * z,
        y=Y,
        x=X,
        z=Prediction(),
        p=Param(1),
    )
    assert list(made.roles) == ["y", "x", "z", "p"]
    assert list(made.inputs) == ["y", "x", "z"]
    assert made.differentiated == ("x", "z")


def test_learnable_parameters_are_differentiated_last() -> None:
    made = declare(
        lambda s, x, y, t: s * x + t * y,
        x=X,
        y=Prediction(),
        t=Param(3),
        s=Param(1, learnable=True),
    )
    assert made.differentiated == ("x", "y", "s")


DOMAINS: dict[str, tuple[dict[str, Any], Any]] = {
    "positive": ({"positive": True}, Interval.open(0, oo)),
    "closed interval": ({"interval": (0, 1)}, Interval(0, 1)),
    "half-infinite interval": ({"interval": (0, oo)}, Interval(0, oo)),
    "decimals": ({"interval": (0.1, 0.3)}, Interval(Rational(1, 10), Rational(3, 10))),
    "any set": ({"domain": Interval.open(0, 1)}, Interval.open(0, 1)),
    "values": ({"values": {-1, 1}}, sp.FiniteSet(-1, 1)),
    "both": ({"positive": True, "interval": (-1, 1)}, Interval.Lopen(0, 1)),
    "nothing": ({}, sp.S.Reals),
}


@pytest.mark.parametrize("name", DOMAINS)
def test_domain(name: str) -> None:
    given, wanted = DOMAINS[name]
    assert Prediction(**given).domain == wanted
    assert Target(**given).domain == wanted


def test_entries_have_the_assumptions_of_their_domain() -> None:
    assert assumptions_of(Interval(0, 1))["nonnegative"]
    assert "positive" not in assumptions_of(Interval(0, 1))
    assert assumptions_of(sp.FiniteSet(-1, 1))["integer"]
    assert assumptions_of(sp.FiniteSet(-1, 1))["nonzero"]
    seen: dict[str, Any] = {}

    def look(x: Any, y: Any, p: Any) -> Any:
        seen.update(x=x, y=y[index("class")], p=p)
        return x

    declare(look, x=Prediction(positive=True), y=Target("class", interval=(0, 1)),
            p=Param(-1, negative=True))  # fmt: skip
    assert seen["x"].is_positive
    assert seen["y"].is_nonnegative
    assert seen["y"].is_positive is None
    assert seen["p"].is_negative
    assert Abs(seen["x"]) == seen["x"]


@pytest.mark.parametrize(
    "role",
    [
        lambda: Prediction(positiv=True),
        lambda: Prediction(positive=False),
        lambda: Target(domain=(0, 1)),
        lambda: Target(values=set()),
        lambda: Target(positive=True, interval=(-2, -1)),
    ],
)
def test_a_domain_that_cannot_be_is_refused(role: Callable[[], Any]) -> None:
    with pytest.raises(SpecError) as caught:
        role()
    assert caught.value.code == "LC116"


def test_the_default_of_a_parameter_must_lie_in_its_domain() -> None:
    with pytest.raises(SpecError) as caught:
        Param(0, positive=True)
    assert caught.value.code == "LC118"


def test_floats_are_the_decimals_that_were_written() -> None:
    made = declare(lambda x, t: 0.1 * x + 1e-3 + t, x=X, t=Param(0.07))
    assert not made.expression.atoms(sp.Float)
    assert made.expression.atoms(sp.Rational) == {Rational(1, 10), Rational(1, 1000)}
    assert made.params["t"].default == Rational(7, 100)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_refused(name: str) -> None:
    assert code(lambda **inputs: inputs[name], **{name: Prediction()}) == "LC101"


def test_optional_inputs_give_a_formula_per_omission() -> None:
    def body(x: Any, y: Any, m: Any) -> Any:
        i = index("list", "i")
        kept = True if m is None else m[i]
        shift = 0 if y is None else y
        return Sum(x[i] - shift if kept is True else where(kept, x[i] - shift, 0), i)

    made = declare(
        body, x=Prediction("list"), y=Target(optional=True), m=Mask("list", optional=True)
    )
    assert set(made.variants) == {frozenset("y"), frozenset("m"), frozenset("ym")}
    assert made.signature == "(list),(),(list)->()"
    assert made.expression.has(PiecewiseNode)
    alone = made.variants[frozenset("ym")]
    i = index("list", "i")
    assert alone == Sum(made_element(made, "x", i), i)


def test_constants_and_labels_index_tensors_and_masks_are_conditions() -> None:
    i = index("batch", "i")
    made = declare(
        lambda x, c, y, m: Sum(where(And(m[i], Eq(y[i], 2)), x[i, y[i]] - c[y[i], 0], 0), i),
        x=Prediction("batch", "class"),
        c=Prediction("class", "feature"),
        y=Label("class", "batch"),
        m=Mask("batch"),
    )
    assert made.signature == "(batch,class),(class,feature),(batch),(batch)->()"


# ---- mistakes ---------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[str, Callable[[], Any]]] = {
    "no role": ("LC102", lambda: declare(lambda x: x, x=1)),
    "no prediction": ("LC103", lambda: declare(lambda y: y, y=Y)),
    "no index": ("LC105", lambda: declare(lambda x: x + 1, x=Prediction("class"))),
    "returns a tensor": ("LC105", lambda: declare(lambda x: x, x=Prediction("class"))),
    "iterates": ("LC105", lambda: declare(lambda x: sum(x), x=Prediction("class"))),
    "too few indices": (
        "LC106",
        lambda: declare(lambda x: x[index("class")], x=Prediction("batch", "class")),
    ),
    "indexes a scalar": ("LC106", lambda: declare(lambda x: x[0], x=X)),
    "negative constant": ("LC107", lambda: declare(lambda x: x[-1], x=Prediction("class"))),
    "index of another axis": (
        "LC108",
        lambda: declare(lambda x: x[index("batch")], x=Prediction("class")),
    ),
    "label of another axis": (
        "LC108",
        lambda: declare(lambda x, y: x[y], x=Prediction("class"), y=Label("token")),
    ),
    "index times two": (
        "LC109",
        lambda: declare(lambda x: x[2 * index("time")], x=Prediction("time")),
    ),
    "python's !=": (
        "LC110",
        lambda: declare(lambda x: where(index("batch", "i") != index("batch", "j"), x, 0), x=X),
    ),
    "no last branch": ("LC111", lambda: declare(lambda x: Piecewise((x, x > 0)), x=X)),
    "returns a condition": ("LC112", lambda: declare(lambda x: x > 0, x=X)),
    "returns nothing": ("LC112", lambda: declare(lambda x: None, x=X)),
    "sums a condition": (
        "LC112",
        lambda: declare(
            lambda x: Sum(x[index("class")] > 0, index("class")), x=Prediction("class")
        ),
    ),
    "adds a mask": ("LC112", lambda: declare(lambda x, m: m + x, x=X, m=Mask())),
    "number for a condition": ("LC112", lambda: declare(lambda x: where(x, 1, 0), x=X)),
    "condition for a number": (
        "LC112",
        lambda: declare(lambda x, m: where(m, m, x), x=X, m=Mask()),
    ),
    "mask for a number": ("LC112", lambda: declare(lambda x, m: square(x, m), x=X, m=Mask())),
    "condition for an input": ("LC112", lambda: declare(lambda x: square(x, x > 0), x=X)),
    "number for a mask": ("LC112", lambda: declare(lambda x: kept(x, x), x=X)),
    "function of a tensor": ("LC105", lambda: declare(lambda x: exp(x), x=Prediction("class"))),
    "sums a tensor": (
        "LC105",
        lambda: declare(lambda x: Sum(x, index("class")), x=Prediction("class")),
    ),
    "tensor in a branch": (
        "LC105",
        lambda: declare(lambda x, m: where(m, x, 0), x=Prediction("class"), m=Mask()),
    ),
    "sympy's Piecewise below a sum": (
        "LC113",
        lambda: declare(
            lambda x: Sum(sp.Piecewise((x[index("class")], x[0] > 0), (0, True)), index("class")),
            x=Prediction("class"),
        ),
    ),
    "no index to sum over": ("LC114", lambda: declare(lambda x: Sum(x), x=X)),
    "sums over a number": ("LC114", lambda: declare(lambda x: Sum(x, 3), x=X)),
    "starred axis first": ("LC117", lambda: Prediction("*spatial", "class")),
    "axis that is no name": ("LC117", lambda: index("my axis")),
    "not a real number": ("LC121", lambda: declare(lambda x: x + sp.sqrt(-1), x=X)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str) -> None:
    wanted, make = MISTAKES[name]
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.code == wanted
    assert caught.value.help


def test_functions_look_at_entries_without_iterating_over_them() -> None:
    made = declare(lambda x, y: Max(2 * (x - y), (y - x) * 3), x=X, y=Y)
    assert made.expression.has(sp.Max)
    assert sp.factor_terms(made.expression.args[0]).has(Element)
