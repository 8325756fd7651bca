"""Classes of smoothness over axes that mathematics knows, and traps for their proofs."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import sympy as sp

from losscompiler.analysis.differentiability import differentiability
from losscompiler.analysis.instance import Instance, instance
from losscompiler.spec import (
    Abs,
    AxisMax,
    AxisMin,
    Eq,
    Label,
    Loss,
    Max,
    Mean,
    Min,
    Ne,
    Norm,
    Param,
    Piecewise,
    Prediction,
    Prod,
    Sum,
    Target,
    cos,
    cumsum,
    exp,
    index,
    log,
    rank,
    sort,
    sqrt,
    where,
)
from tests.spec_helpers import declare

c, k = index("class", "c k")
i, j = index("batch", "i j")
d = index("feature")
Z = {"z": Prediction("class")}
LABELLED = {**Z, "y": Label("class")}
SHARES = {**Z, "t": Target("class", interval=(0, 1))}
UNIT = {"q": Prediction("class", interval=(0, 1)), "t": Target("class", interval=(0, 1))}
POSITIVE = {"q": Prediction("class", positive=True)}
PAIR = {"a": Prediction("feature"), "b": Target("feature")}
ROWS = {"e": Prediction("batch", "feature")}


def lse(z: Any) -> Any:
    return log(Sum(exp(z[k]), k))


def cosine(a: Any, b: Any) -> Any:
    return Sum(a[d] * b[d], d) / (Norm(a[d], d) * Norm(b[d], d))


def gap(a: Any, b: Any) -> Any:
    return Norm(a[d] - b[d], d)


TRUTHS: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "cross-entropy": (lambda z, y: lse(z) - z[y], LABELLED, "Cinf"),
    "focal": (lambda z, y: (1 - exp(z[y]) / Sum(exp(z[k]), k)) ** sp.Rational(5, 2),
              LABELLED, "Cinf"),
    "crammer-singer": (lambda z, y: AxisMax(z[k] + where(Ne(k, y), 1, 0), k) - z[y],
                       LABELLED, "C0"),
    "least entry": (lambda z: AxisMin(z[k], k), Z, "C0"),
    "weston-watkins": (lambda z, y: Sum(where(Ne(k, y), Max(0, 1 + z[k] - z[y]), 0), k),
                       LABELLED, "C0"),
    "its square": (lambda z, y: Sum(where(Ne(k, y), Max(0, 1 + z[k] - z[y]) ** 2, 0), k),
                   LABELLED, "C1"),
    "euclidean distance": (gap, PAIR, "C0"),
    "its square as a power": (lambda a, b: gap(a, b) ** 2, PAIR, "Cinf"),
    "its cube": (lambda a, b: gap(a, b) ** 3, PAIR, "C2"),
    "its cosine": (lambda a, b: cos(gap(a, b)), PAIR, "Cinf"),
    "charbonnier of a distance": (lambda a, b: sqrt(1 + gap(a, b) ** 2), PAIR, "Cinf"),
    "root of squares and epsilon": (lambda z: sqrt(Sum(z[k] ** 2, k) + sp.Rational(1, 10**6)),
                                    Z, "Cinf"),
    "root of squares": (lambda z: sqrt(Sum(z[k] ** 2, k)), Z, "C0"),
    "sum of magnitudes": (lambda z: Mean(Abs(z[k]), k), Z, "C0"),
    "sum of cubes of magnitudes": (lambda z: Sum(Abs(z[k]) ** 3, k), Z, "C2"),
    "1-norm": (lambda z: Norm(z[k], k, p=1), Z, "C0"),
    "largest magnitude": (lambda z: Norm(z[k], k, p=sp.oo), Z, "C0"),
    "norm of what is positive": (lambda q: Norm(q[k], k), POSITIVE, "Cinf"),
    "1-norm of what is positive": (lambda q: Norm(q[k], k, p=1), POSITIVE, "Cinf"),
    "cosine": (lambda a, b: 1 - cosine(a, b), PAIR, "Cinf"),
    "cosine beyond a margin": (lambda a, b: Max(0, cosine(a, b)), PAIR, "C0"),
    "triplet": (lambda a, p, n: Max(0, 1 + gap(a, p) - gap(a, n)),
                {x: Prediction("feature") for x in "apn"}, "C0"),
    "contrastive": (lambda a, b: Max(0, 1 - gap(a, b)) ** 2, PAIR, "C0"),
    "a hinge that is never reached": (lambda a, b: Max(0, 1 + gap(a, b) ** 2), PAIR, "Cinf"),
    "squares in two pieces": (lambda z: Sum(Max(z[k], 0) ** 2 + Min(z[k], 0) ** 2, k), Z, "Cinf"),
    "softplus in its stable form": (
        lambda z: Sum(Max(z[k], 0) + log(1 + exp(-Abs(z[k]))), k), Z, "Cinf"),
    "huber over an axis": (
        lambda z: Sum(where(Abs(z[k]) <= 1, z[k] ** 2 / 2, Abs(z[k]) - sp.S.Half), k), Z, "C1"),
    "a jump in one entry": (lambda z: Sum(where(z[k] > 1, z[k] + 1, z[k]), k), Z, "discontinuous"),
    "a jump that is filled": (lambda z: Sum(where(z[k] > 1, z[k] ** 2, 2 * z[k] - 1), k), Z, "C1"),
    "hellinger": (lambda q, t: Sum((sqrt(q[c]) - sqrt(t[c])) ** 2, c), UNIT, "C0"),
    "kullback-leibler": (lambda q, t: Sum(t[c] * log(t[c] / q[c]), c), UNIT, "Cinf"),
    "dice": (lambda q, t: 1 - (1 + 2 * Sum(q[c] * t[c], c)) / (1 + Sum(q[c], c) + Sum(t[c], c)),
             UNIT, "Cinf"),
    "jaccard": (
        lambda q, t: -Sum(q[c] * t[c], c)
        / (1 + Sum(q[c], c) + Sum(t[c], c) - Sum(q[c] * t[c], c)), UNIT, "Cinf"),
    "sorted with weights": (lambda z: Sum(sort(z[k], k) * (k + 1), k), Z, "C0"),
    "sorted by the targets": (
        lambda z, t: Sum(sort(z[k], k, by=t[k]) * (k + 1), k), SHARES, "Cinf"),
    "ranks": (lambda z: Sum(rank(z[k], k) * (k + 1) * z[k], k), Z, "discontinuous"),
    "cumulated exponentials": (lambda z: Sum(log(cumsum(exp(z[k]), k)), k), Z, "Cinf"),
    "total variation": (lambda z: Sum(Abs(z[k] - z[c]), k, c), Z, "C0"),
    "products": (lambda z: Prod(1 + z[k] ** 2, k), Z, "Cinf"),
    "a power that may be 1": (
        lambda z, p: Sum(Abs(z[k]) ** p, k), {**Z, "p": Param(2, interval=(1, 3))}, "C0"),
    "a power that is at least 2": (
        lambda z, p: Sum(Abs(z[k]) ** p, k), {**Z, "p": Param(2, interval=(2, 3))}, "C2"),
    "nearest neighbour": (
        lambda e: AxisMin(where(Ne(i, j), Norm(e[i, d] - e[j, d], d), sp.oo), j), ROWS, "C0"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRUTHS)
def test_classes_over_axes(name: str) -> None:
    formula, roles, expected = TRUTHS[name]
    found = differentiability(declare(formula, **roles))
    assert found.verdict == "proved", found.reason
    assert (found.details["class"], found.details["exact"]) == (expected, True)
    assert (found.witness is None) == (expected == "Cinf")


SAID = {
    "crammer-singer": "two of `z[k]",
    "euclidean distance": "`a[f]` = `b[f]` throughout",
    "least entry": "two entries of `z` tie for the least",
    "root of squares": "`Sum(z[k]**2, k)` = `0`",
    "its square": "`z[y]` = `z[k] + 1`",
}


@pytest.mark.parametrize("name", SAID)
def test_places_have_names(name: str) -> None:
    formula, roles, _ = TRUTHS[name]
    found = differentiability(declare(formula, **roles))
    assert any(kink["where"].startswith(SAID[name]) for kink in found.details["kinks"])


def test_what_has_no_value_is_told() -> None:
    formula, roles, _ = TRUTHS["cosine"]
    found = differentiability(declare(formula, **roles))
    assert found.details["undefined"] == ["`a` is the zero vector"]


def test_what_is_not_decided_is_at_least_something() -> None:
    one = declare(lambda z, y: AxisMax(where(Eq(k, y), z[k], -sp.oo), k), **LABELLED)
    found = differentiability(one)
    assert (found.details["class"], found.details["exact"]) == ("C0", False)


def test_a_pole_at_an_end_of_a_domain_is_no_smooth_point() -> None:
    loss = declare(lambda q: Piecewise((1 / q, q > 0), (0, True)), q=Prediction(interval=(0, 1)))
    found = differentiability(loss)
    assert found.details.get("class") not in ("Cinf", "C0", "C1")


def test_a_divisor_that_vanishes_at_an_end_is_told() -> None:
    formula = {"u": Prediction("feature"), "x": Prediction()}
    loss = declare(lambda u, x: Max(x, 0) ** 2 / Norm(u[d], d), **formula)
    assert differentiability(loss).details["undefined"] == ["`u` is the zero vector"]


# ---- witnesses, by finite differences in floating point -----------------------------------------


def value(made: Instance, point: dict[Any, float]) -> float:
    return float(made.evaluate(point))


def slots(made: Instance, told: dict[str, Any]) -> dict[Any, Any]:
    found = {}
    for name, entries in told.items():
        for slot in made.slots[name]:
            entry = entries
            for n in slot[1]:
                entry = entry[n]
            kind = made.loss.roles[name].kind
            found[slot] = int(entry) if kind == "label" else float(Fraction(entry))
    return found


def size_of(loss: Loss, told: dict[str, Any]) -> Instance:
    (name, entries), *_ = told.items()
    return instance(loss, len(entries) if loss.roles[name].axes else 2)


@pytest.mark.parametrize("name", [n for n, t in TRUTHS.items() if t[2] in ("C0", "discontinuous")])
def test_slopes_of_witnesses_are_those_of_differences(name: str) -> None:
    formula, roles, expected = TRUTHS[name]
    loss = declare(formula, **roles)
    told = differentiability(loss).witness
    assert told is not None
    made = size_of(loss, told["point"])
    at = slots(made, {**told["fixed"], **told["point"]})
    along = slots(made, told["direction"])
    step = 1e-7

    def moved(t: float) -> float:
        return value(made, {s: x + t * along.get(s, 0.0) for s, x in at.items()})

    sides = {"left": (moved(-2 * step), moved(-step)), "right": (moved(step), moved(2 * step))}
    for side, (low, high) in sides.items():
        if told[side] in ("?", "infinite"):
            continue
        seen = (high - low) / step if expected == "C0" else (low if side == "right" else high)
        assert seen == pytest.approx(float(Fraction(told[side])), abs=1e-4)
