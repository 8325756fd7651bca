"""Recurrences in the language: values and derivatives against the same loop in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from losscompiler.backends import formula
from losscompiler.crosscheck import balls
from losscompiler.crosscheck.oracle import Oracle
from losscompiler.passes import compile_loss
from losscompiler.spec import (
    Label,
    Loss,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    log,
    loss,
    oo,
    scan,
    size,
    softmax,
    where,
)
from losscompiler.spec import logsumexp as lse
from tests.compiled import gradient, hessian_diagonal, hvp, value
from tests.spec_helpers import code, declare

functional: Any = torch.autograd.functional  # has no types
TIME = Prediction("time")
t = index("time", "t")
s, r = index("state", "s r")


@loss
def smoothing(
    x: Any = Prediction("time"),
    start: Any = Prediction(),
    *,
    keep: Any = Param(Rational(1, 2), interval=(0, 1), learnable=True),
) -> Any:
    level = scan(lambda c, x: keep * c + (1 - keep) * x**2, x[t], t, init=start)
    return Sum(level**2, t)


def smoothing_loop(x: Tensor, start: Tensor, keep: Tensor) -> Tensor:
    level, total = start, torch.zeros(())
    for entry in x:
        level = keep * level + (1 - keep) * entry**2
        total = total + level**2
    return total


@loss
def backwards(x: Any = Prediction("time"), start: Any = Prediction()) -> Any:
    level = scan(lambda c, x: c * x + x**2, x[t], t, init=start, reverse=True)
    return Sum(where(t >= 1, level, 2 * level), t)


def backwards_loop(x: Tensor, start: Tensor) -> Tensor:
    level, total = start, torch.zeros(())
    for k in reversed(range(len(x))):
        level = level * x[k] + x[k] ** 2
        total = total + (level if k else 2 * level)
    return total


@loss
def oscillator(x: Any = Prediction("time", "state"), target: Any = Target("state")) -> Any:
    def step(state: Any, x: Any) -> Any:
        place, speed = state
        return place + speed / 2, speed - place / 3 + x**2

    place, speed = scan(step, x[t, s], t, init=(target[s], 0))
    return Sum(where(t >= 1, place * speed, place**2), t, s)


def oscillator_loop(x: Tensor, target: Tensor) -> Tensor:
    place, speed, total = target, torch.zeros_like(target), torch.zeros(())
    for k, row in enumerate(x):
        place, speed = place + speed / 2, speed - place / 3 + row**2
        total = total + ((place * speed) if k else place**2).sum()
    return total


@loss
def hidden_markov(
    emission: Any = Prediction("time", "state"), transition: Any = Prediction("state", "state")
) -> Any:
    """Minus the log-likelihood: neighbours of an entry come through a sum over states."""

    def step(forward: Any, x: Any) -> Any:
        return x + log(Sum(exp(forward[r] + transition[r, s]), r))

    forward = scan(step, emission[t, s], t, init=where(s >= 1, -oo, 0))
    return -lse(Sum(where(t >= size(t) - 1, forward, 0), t), s)


def hidden_markov_loop(emission: Tensor, transition: Tensor) -> Tensor:
    forward = torch.full_like(emission[0], -torch.inf)
    forward[0] = 0
    for row in emission:
        forward = row + torch.logsumexp(forward[:, None] + transition, 0)
    return -torch.logsumexp(forward, 0)


@loss
def shifting(x: Any = Prediction("time", "state"), label: Any = Label("state", "time")) -> Any:
    """A carry is read at a neighbour and at a label."""

    def step(c: Any, x: Any) -> Any:
        return where(s >= 1, c[s - 1], x) + x * c[label[t]] / 4

    last = scan(step, x[t, s], t, init=x[0, s] * 0 + 1)
    return Sum(last**2, t, s)


def shifting_loop(x: Tensor, label: Tensor) -> Tensor:
    c, total = torch.ones_like(x[0]), torch.zeros(())
    for row, at in zip(x, label, strict=True):
        c = torch.cat([row[:1], c[:-1]]) + row * c[at] / 4
        total = total + (c**2).sum()
    return total


@loss
def nested(x: Any = Prediction("time"), y: Any = Prediction("state")) -> Any:
    """The step of a recurrence over time is one over states, which starts from the former."""

    def row(above: Any, x: Any) -> Any:
        return scan(lambda left, y: left / 2 + above * x + y**2, y[s], s, init=x)

    path = scan(row, x[t], t, init=1)
    return Sum(path**2, t, s) + Sum(where(s >= 1, path, 0), t, s)


def nested_loop(x: Tensor, y: Tensor) -> Tensor:
    above, total = torch.ones_like(y), torch.zeros(())
    for entry in x:
        left, found = entry, []
        for k in range(len(y)):
            left = left / 2 + above[k] * entry + y[k] ** 2
            found.append(left)
        above = torch.stack(found)
        total = total + (above**2).sum() + above[1:].sum()
    return total


LOOPS: list[tuple[Loss, Callable[..., Tensor], dict[str, Any]]] = [
    (smoothing, smoothing_loop, {"x": (4,), "start": (), "keep": 0.3}),
    (backwards, backwards_loop, {"x": (4,), "start": ()}),
    (oscillator, oscillator_loop, {"x": (3, 2), "target": (2,)}),
    (hidden_markov, hidden_markov_loop, {"emission": (4, 3), "transition": (3, 3)}),
    (shifting, shifting_loop, {"x": (3, 3), "label": np.array([2, 0, 1])}),
    (nested, nested_loop, {"x": (3,), "y": (2,)}),
]
each = pytest.mark.parametrize(("made", "loop", "shapes"), LOOPS, ids=[m.name for m, _, _ in LOOPS])


def given(shapes: dict[str, Any]) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    return {
        name: generator.normal(size=given) if isinstance(given, tuple) else np.asarray(given)
        for name, given in shapes.items()
    }


def tensors(arrays: dict[str, Any]) -> list[Tensor]:
    return [torch.tensor(array) for array in arrays.values()]


@each
def test_values_are_those_of_the_loop(
    made: Loss, loop: Callable[..., Tensor], shapes: dict[str, Any]
) -> None:
    arrays = given(shapes)
    np.testing.assert_allclose(value(made, arrays), loop(*tensors(arrays)), rtol=1e-13)


@each
def test_derivatives_are_those_of_the_loop(
    made: Loss, loop: Callable[..., Tensor], shapes: dict[str, Any]
) -> None:
    arrays = given(shapes)
    names = list(arrays)
    by = [names.index(name) for name in made.differentiated]
    inputs = tensors(arrays)

    def of(*moved: Tensor) -> Tensor:
        placed = dict(zip(by, moved, strict=True))
        return loop(*(placed.get(k, x) for k, x in enumerate(inputs)))

    at = tuple(inputs[k] for k in by)
    vector = tuple(torch.cos(x + 1) for x in at)
    slopes = functional.jacobian(of, at)
    _, products = functional.hvp(of, at, vector)
    matrix = functional.hessian(of, at)
    diagonals = [
        torch.diagonal(matrix[k][k].reshape(x.numel(), x.numel())).reshape(x.shape)
        for k, x in enumerate(at)
    ]
    along: Any = tuple(v.numpy() for v in vector)
    found = (
        gradient(made, arrays),
        hvp(made, arrays, along if len(at) > 1 else along[0]),
        hessian_diagonal(made, arrays),
    )
    for ours, theirs in zip(found, (slopes, products, diagonals), strict=True):
        parts = ours if isinstance(ours, tuple) else (ours,)
        for mine, other in zip(parts, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-11, atol=1e-13)


def test_the_oracle_runs_recurrences_by_itself() -> None:
    for made, loop, shapes in LOOPS:
        arrays = given(shapes)
        sizes = {
            axis: n
            for name, role in made.roles.items()
            for axis, n in zip(role.axes, np.shape(arrays[name]), strict=True)
        }
        entries = {
            name: {
                at: int(x) if made.roles[name].kind == "label" else balls.from_float(float(x))
                for at, x in np.ndenumerate(np.asarray(array))
            }
            for name, array in arrays.items()
        }
        oracle = Oracle(made.expression, made.differentiated, (), coupled=True)
        exact = float(oracle.value(entries, sizes, ()))
        np.testing.assert_allclose(exact, float(loop(*tensors(arrays))), rtol=1e-12)


def test_an_empty_axis_leaves_what_does_not_run() -> None:
    empty = {"x": np.zeros((2, 0)), "start": np.ones(2)}
    np.testing.assert_array_equal(value(backwards, empty), [0, 0])
    slope, start = gradient(backwards, empty)
    assert slope.shape == (2, 0)
    np.testing.assert_array_equal(start, [0, 0])


def test_batches_are_run_together() -> None:
    generator = np.random.default_rng(1)
    emission, transition = generator.normal(size=(5, 4, 3)), generator.normal(size=(3, 3))
    found = value(hidden_markov, {"emission": emission, "transition": transition})
    alone = [value(hidden_markov, {"emission": e, "transition": transition}) for e in emission]
    np.testing.assert_allclose(found, alone, rtol=1e-14)


def test_nothing_reachable_has_no_derivative() -> None:
    """A logsumexp of -oo alone: its value is -oo, its gradient 0 and not NaN."""

    def blocked(x: Any) -> Any:
        c = scan(lambda c, x: lse(where(r >= s, c[r], -oo), r) + x, x[t, s], t, init=-oo)
        return Sum(where(c > 0, c, 0), t, s) + Sum(x[t, s] ** 2, t, s)

    made = declare(blocked, x=Prediction("time", "state"))
    x = np.random.default_rng(2).normal(size=(3, 2))
    np.testing.assert_allclose(gradient(made, {"x": x}), 2 * x)
    np.testing.assert_allclose(hessian_diagonal(made, {"x": x}), np.full(x.shape, 2.0))


# ---- composition and structure -----------------------------------------------------------------


def test_a_loss_of_a_recurrence_is_used_in_another() -> None:
    def twice(x: Any, y: Any) -> Any:
        return smoothing(x, 1, keep=Rational(1, 3)) + smoothing(softmax(y[t], t), 2)

    made = declare(twice, x=TIME, y=TIME)
    arrays = {"x": np.array([1.0, -2.0, 0.5]), "y": np.array([0.3, 0.1, -0.7])}
    share = np.exp(arrays["y"]) / np.exp(arrays["y"]).sum()
    expected = value(smoothing, {"x": arrays["x"], "start": 1.0, "keep": 1 / 3})
    expected = expected + value(smoothing, {"x": share, "start": 2.0, "keep": 0.5})
    np.testing.assert_allclose(value(made, arrays), expected, rtol=1e-14)


def test_a_recurrence_over_the_result_of_another_keeps_them_apart() -> None:
    def stacked(x: Any) -> Any:
        def once(values: Any) -> Any:
            return scan(lambda c, x: c / 2 + x, values, t, init=0)

        return Sum(once(once(x[t])) ** 2, t)

    made = declare(stacked, x=TIME)
    x = np.array([1.0, -2.0, 0.5, 3.0])
    once = [x[0]]
    for entry in x[1:]:
        once.append(once[-1] / 2 + entry)
    both = [once[0]]
    for entry in once[1:]:
        both.append(both[-1] / 2 + entry)
    np.testing.assert_allclose(value(made, {"x": x}), np.square(both).sum(), rtol=1e-15)


def test_the_structure_is_told() -> None:
    assert compile_loss(smoothing).structure == "scan"


def test_the_formula_names_the_sequence_of_carries() -> None:
    text = formula.text(backwards.expression)
    assert "c1[t] = c1[t + 1]*x[t] + x[t]^2" in text
    assert "c1[size(time)] = start" in text


# ---- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        lambda x: Sum(scan(lambda c, x: (c, x), x[t], t, init=0), t),
        lambda x: Sum(scan(lambda c, x: c[0] + x, x[t], t, init=(0, 1))[0], t),
        lambda x: Sum(scan(lambda c, x: None, x[t], t, init=0), t),
        lambda x: Sum(scan(lambda c, x: c + x, x[t], t, init=x[t]), t),
        lambda x: Sum(scan(lambda c, x: c[t - 1] + x, x[t], t, init=0), t),
    ],
    ids=["more", "fewer", "nothing", "start-moves", "no-axis"],
)
def test_a_step_that_is_none_is_refused(body: Any) -> None:
    assert code(body, x=TIME) == "LC132"


def test_a_recurrence_runs_over_an_index() -> None:
    assert code(lambda x: scan(lambda c, x: c + x, x[0], "time", init=0), x=TIME) == "LC114"


def test_a_neighbour_outside_its_axis_is_refused() -> None:
    def unguarded(x: Any) -> Any:
        return Sum(scan(lambda c, x: c[s - 1] + x, x[t, s], t, init=where(s >= 1, 0, 1)), t, s)

    with pytest.raises(Exception, match="can be outside the axis `state`"):
        compile_loss(declare(unguarded, x=Prediction("time", "state")))
