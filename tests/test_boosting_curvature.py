"""Curvature bounds, links and facts that the compiler derives, on losses of its own and shipped."""

# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated import boosting as package
from losscompiler.backends.boosting.derive import Derived, derive
from losscompiler.backends.boosting.express import obstacle
from losscompiler.backends.boosting.trial import callable_kernel
from losscompiler.passes import compile_loss
from losscompiler.spec import (
    Abs,
    Label,
    Max,
    Min,
    Param,
    Piecewise,
    Prediction,
    Rational,
    Target,
    exp,
    index,
    log,
    loss,
    sigmoid,
    softplus,
    sqrt,
    where,
)

boosting: Any = package
FINITE = st.floats(-1e3, 1e3, allow_subnormal=False)
BOUNDED = {
    name: made
    for name in boosting.__all__
    for made in [getattr(boosting, name)]
    if made.task.upper_bound is not None and not made.task.classes
}


@pytest.mark.parametrize("name", BOUNDED)
@settings(max_examples=20, deadline=None)
@given(scores=st.tuples(FINITE, FINITE), target=FINITE, positive=st.booleans())
def test_a_parabola_with_the_bound_lies_above(
    name: str, scores: tuple[float, float], target: float, positive: bool
) -> None:
    objective = BOUNDED[name](hessian="upper_bound")
    allowed = objective.task.truth
    if allowed.values:
        target = allowed.values[int(positive)]
    target = min(max(target, allowed.low), allowed.high)
    here, there = np.array(scores[:1]), np.array(scores[1:])
    truth = np.array([target])
    gradient, bound = objective(truth, here)
    exact = BOUNDED[name](hessian="exact")(truth, here)[1]
    assert exact[0] <= bound[0] * (1 + 1e-12)
    step = there - here
    above = objective.loss(truth, here) + gradient * step + bound * step**2 / 2
    size = 1 + np.abs(objective.loss(truth, here)) + np.abs(gradient * step) + bound * step**2
    # On a kink no parabola lies above: it misses a jump times the least distance by a quarter.
    assert objective.loss(truth, there)[0] <= above[0] + 1e-5 + 1e-9 * size[0]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=2, max_size=5), st.integers(0, 4))
def test_the_bound_of_classes_is_above_the_whole_hessian(scores: list[float], place: int) -> None:
    label = np.array([place % len(scores)])
    made = boosting.SparseSoftmaxCrossEntropyObjective
    full = made().full_hessian(np.array(scores), label[0], 1.0)
    bound = made(hessian="upper_bound")(label, np.array([scores]))[1][0]
    assert np.linalg.eigvalsh(np.diag(bound) - full).min() > -1e-12


def derived(made: Any) -> Derived:
    return derive(compile_loss(made))


def bound_at(facts: Derived, *inputs: float) -> float:
    assert facts.bound.program is not None
    kernel = callable_kernel(facts.bound.program)
    (found,) = kernel(*(np.asarray(x, np.float64) for x in (*inputs, 1.0)))
    return float(found)


@loss
def pseudo_huber(p=Prediction(), t=Target(), *, delta=Param(1, positive=True)):
    return delta**2 * (sqrt(1 + ((p - t) / delta) ** 2) - 1)


@loss
def expectile(p=Prediction(), t=Target(), *, tau=Param(Rational(1, 2), interval=(0, 1))):
    return where(t > p, tau, 1 - tau) * (p - t) ** 2


@loss
def student_t(p=Prediction(), t=Target(), *, nu=Param(3, positive=True)):
    return (nu + 1) / 2 * log(1 + (p - t) ** 2 / nu)


@loss
def epsilon_insensitive(p=Prediction(), t=Target(), *, epsilon=Param(1, positive=True)):
    return Max(0, Abs(p - t) - epsilon)


@loss
def truncated(p=Prediction(), t=Target(), *, top=Param(2, positive=True)):
    return Min(Abs(p - t), top)


@loss
def gamma_deviance(p=Prediction(), t=Target(positive=True)):
    return 2 * (t * exp(-p) + p)


@loss
def exponential(p=Prediction(), t=Target(values={-1, 1})):
    return exp(-t * p)


@loss
def logistic_margin(p=Prediction(), t=Target(values={-1, 1})):
    return log(1 + exp(-t * p))


@loss
def brier(p=Prediction(), t=Target(interval=(0, 1))):
    return (sigmoid(p) - t) ** 2


@loss
def poisson_softplus(p=Prediction(), t=Target(nonnegative=True)):
    return softplus(p) - t * log(softplus(p))


@loss
def scaled_squares(t=Target(), p=Prediction(), *, scale=Param(2, positive=True)):
    return Piecewise((scale * (p - t) ** 2, p > t), (3 * scale * (p - t) ** 2, True))


BOUNDS: list[tuple[Any, tuple[float, ...], float]] = [
    (pseudo_huber, (5.0, 1.0, 0.3), 1.0),
    (expectile, (5.0, 1.0, 0.3), 1.4),
    (student_t, (5.0, 1.0, 3.0), 4 / 3),
    (epsilon_insensitive, (5.0, 1.0, 1.0), 1 / (2 * 3) + 1 / (2 * 5)),
    (truncated, (5.0, 1.0, 2.0), 1 / 4),
    (logistic_margin, (5.0, 1.0), 0.25),
    (scaled_squares, (1.0, 5.0, 2.0), 12.0),
]


@pytest.mark.parametrize(("made", "inputs", "wanted"), BOUNDS, ids=lambda v: getattr(v, "name", ""))
def test_bounds_are_the_least_ones(made: Any, inputs: tuple[float, ...], wanted: float) -> None:
    assert bound_at(derived(made), *inputs) == pytest.approx(wanted)


@pytest.mark.parametrize("made", [gamma_deviance, exponential])
def test_exponential_curvature_has_no_bound(made: Any) -> None:
    facts = derived(made)
    assert facts.bound.program is None
    assert "grows without bound" in facts.bound.words


@loss
def damped_power(p=Prediction(), t=Target(interval=(0, 1)), *, power=Param(2, interval=(2, 3))):
    return where(Abs(p - t) < 1, log(1 + Abs(p - t) ** (power - t)), Abs(p - t))


def test_a_curvature_that_may_be_infinite_at_the_target_is_no_candidate() -> None:
    facts = derived(damped_power)
    assert facts.bound.program is None or bound_at(facts, 0.3, 0.0, 2.0) > 0


LINKS = [
    (pseudo_huber, "identity"),
    (gamma_deviance, "log"),
    (exponential, "identity"),
    (logistic_margin, "logit"),
    (brier, "logit"),
    (poisson_softplus, "softplus"),
]


@pytest.mark.parametrize(("made", "link"), LINKS, ids=lambda v: getattr(v, "name", v))
def test_links(made: Any, link: str) -> None:
    assert derived(made).link == link


def test_what_trains_best_is_the_default() -> None:
    defaults = {m.name: derived(m).default for m in (expectile, student_t, truncated, brier)}
    assert defaults == {
        "expectile": "exact",
        "student_t": "upper_bound",
        "truncated": "clamp",
        "brier": "clamp",
    }
    assert not derived(truncated).convex
    assert derived(expectile).convex


def test_losses_that_no_booster_can_train() -> None:
    @loss
    def two(a=Prediction(), b=Prediction(), t=Target()):
        return (a * b - t) ** 2

    @loss
    def scaled(p=Prediction(), t=Target(), s=Target(positive=True)):
        return (p - t) ** 2 / s

    @loss
    def pairs(p=Prediction("batch"), t=Target("batch")):
        i, j = index("batch", "i j")
        return (p[i] - p[j] - t[i] + t[j]) ** 2

    @loss
    def taken(p=Prediction(), t=Target(), *, hessian=Param(1)):
        return hessian * (p - t) ** 2

    @loss
    def learned(p=Prediction(), t=Target(), *, s=Param(1, learnable=True)):
        return (p - s * t) ** 2

    @loss
    def per_class(z=Prediction("class"), y=Label("class")):
        k = index("class", "k")
        return Max(0, 1 - z[y] + z[k])

    said = {m.name: obstacle(m) for m in (two, scaled, pairs, taken, learned, per_class)}
    assert "2 predictions" in said["two"]
    assert "`t`, `s`" in said["scaled"]
    assert "entries per sample" in said["pairs"]
    assert "`hessian`" in said["taken"]
    assert "learnable" in said["learned"]
    assert "entries per sample" in said["per_class"]
