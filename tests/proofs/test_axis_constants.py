"""Constants and levels over axes that mathematics knows; what is claimed is attacked."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import sympy as sp

from losscompiler.analysis.curvature import convexity
from losscompiler.analysis.instance import instance
from losscompiler.analysis.over_axes import over_axes
from losscompiler.analysis.report import class_of
from losscompiler.analysis.verdict import Verdict
from losscompiler.crosscheck.proofs.attack import attack
from losscompiler.spec import (
    Abs,
    AxisMax,
    Label,
    Loss,
    Max,
    Mean,
    Ne,
    Norm,
    Param,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    log,
    log_softmax,
    softplus,
    sort,
    sqrt,
    where,
)
from tests.spec_helpers import declare

c, k = index("class", "c k")
i = index("batch")
d = index("feature")
Z = {"z": Prediction("class")}
LABELLED = {**Z, "y": Label("class")}
PAIR = {"a": Prediction("feature"), "b": Target("feature")}
BOTH = {"a": Prediction("feature"), "b": Prediction("feature")}
TWO = {"p": Prediction(), "n": Prediction()}
POSITIVE = {"q": Prediction("class", positive=True), "t": Target("class", positive=True)}


def lse(z: Any) -> Any:
    return log(Sum(exp(z[k]), k))


def gap(a: Any, b: Any) -> Any:
    return Norm(a[d] - b[d], d)


def cosine(a: Any, b: Any) -> Any:
    return Sum(a[d] * b[d], d) / (Norm(a[d], d) * Norm(b[d], d))


Row = tuple[Callable[..., Any], dict[str, Any], str, str]
TRUTHS: dict[str, Row] = {
    "log-sum-exp": (lse, Z, "1", "1/2"),
    "cross-entropy": (lambda z, y: lse(z) - z[y], LABELLED, "sqrt(2)", "1/2"),
    "of scaled logits": (lambda z, y: log(Sum(exp(3 * z[k]), k)) - 3 * z[y], LABELLED,
                         "3*sqrt(2)", "9/2"),
    "scaled": (lambda z, y: 2 * (lse(z) - z[y]), LABELLED, "2*sqrt(2)", "1"),
    "crammer-singer": (lambda z, y: AxisMax(z[k] + where(Ne(k, y), 1, 0), k) - z[y], LABELLED,
                       "sqrt(2)", "oo"),
    "greatest entry": (lambda z: AxisMax(z[k], k), Z, "1", "oo"),
    "euclidean distance": (gap, PAIR, "1", "oo"),
    "distance of two predictions": (gap, BOTH, "sqrt(2)", "oo"),
    "squared distance": (lambda a, b: gap(a, b) ** 2, PAIR, "oo", "2"),
    "charbonnier of a distance": (lambda a, b: sqrt(4 + gap(a, b) ** 2), PAIR, "oo", "?"),
    "sum of magnitudes": (lambda z: Sum(Abs(z[k]), k), Z, "sqrt(size_class)", "oo"),
    "mean of magnitudes": (lambda z: Mean(Abs(z[k]), k), Z, "1/sqrt(size_class)", "oo"),
    "mean of squares": (lambda z: Mean(z[k] ** 2, k), Z, "oo", "2/size_class"),
    "mean of softplus": (lambda z: Mean(softplus(z[k]), k), Z, "1/sqrt(size_class)",
                         "1/(4*size_class)"),
    "1-norm": (lambda z: Norm(z[k], k, p=1), Z, "sqrt(size_class)", "oo"),
    "largest magnitude": (lambda z: Norm(z[k], k, p=sp.oo), Z, "1", "oo"),
    "weighted sum": (lambda z: Sum((k + 1) * z[k], k), Z, "sqrt(Sum((k + 1)**2, k))", "0"),
    "difference": (lambda p, n: p - n, TWO, "sqrt(2)", "0"),
    "bradley-terry": (lambda p, n: softplus(n - p), TWO, "sqrt(2)", "1/2"),
    "pair of hinges": (lambda p, n: Max(0, 1 - p) + Max(0, 1 + n), TWO, "sqrt(2)", "oo"),
    "pair of softplus": (lambda p, n: softplus(-p) + softplus(2 * n), TWO, "sqrt(5)", "1"),
    "margin ranking": (lambda p, n: Max(0, 1 - 3 * (p - n)), TWO, "3*sqrt(2)", "oo"),
    "cosine distance": (lambda a, b: 1 - cosine(a, b), PAIR, "oo", "oo"),
    "chi squared": (lambda q, t: Sum((q[k] - t[k]) ** 2 / q[k], k), POSITIVE, "oo", "oo"),
    "a parameter": (
        lambda z, y, s: (log(Sum(exp(s * z[k]), k)) - s * z[y]) / s,
        {**LABELLED, "s": Param(1, positive=True)}, "sqrt(2)", "s/2",
    ),
    "huber over an axis": (
        lambda z: Sum(where(Abs(z[k]) <= 2, z[k] ** 2 / 2, 2 * Abs(z[k]) - 2), k), Z,
        "2*sqrt(size_class)", "1",
    ),
}  # fmt: skip


def found(loss: Loss) -> dict[str, Verdict]:
    smooth = class_of(loss)
    return {"smoothness": smooth, **over_axes(loss, smooth, convexity(loss))}


def symbols() -> dict[str, Any]:
    return {"size_class": sp.Symbol("size_class", positive=True),
            "s": sp.Symbol("s", positive=True)}  # fmt: skip


@pytest.mark.parametrize("name", TRUTHS)
def test_constants_over_axes(name: str) -> None:
    formula, roles, slope, bend = TRUTHS[name]
    loss = declare(formula, **roles)
    verdicts = found(loss)
    for prop, expected in (("lipschitz", slope), ("gradient_lipschitz", bend)):
        told = verdicts[prop]
        if expected == "?" or (name == "charbonnier of a distance" and prop == "lipschitz"):
            assert told.details.get("exact") is not True
            continue
        assert told.verdict == "proved", told.reason
        assert told.details["exact"]
        if "Sum" in expected:
            assert told.details["constant"] == expected
            continue
        names = symbols()
        difference = sp.sympify(told.details["constant"], locals=names) - sp.sympify(
            expected, locals=names
        )
        assert sp.simplify(difference) == 0 or told.details["constant"] == expected


BOUNDED = [n for n, t in TRUTHS.items() if "size" not in t[2] + t[3] and "Sum" not in t[2]]


@pytest.mark.parametrize("name", BOUNDED)
def test_no_segment_contradicts_a_constant(name: str) -> None:
    formula, roles, *_ = TRUTHS[name]
    loss = declare(formula, **roles)
    told = {n: v.to_json() for n, v in found(loss).items()}
    for prop, attacked in attack(loss, told, 2_000).items():
        assert not attacked.broken, (prop, attacked.broken)


LEVELS: dict[str, tuple[Callable[..., Any], dict[str, Any], str, bool]] = {
    "cross-entropy": (*TRUTHS["cross-entropy"][:2], "0", True),
    "crammer-singer": (*TRUTHS["crammer-singer"][:2], "0", True),
    "squared distance": (*TRUTHS["squared distance"][:2], "0", True),
    "cosine distance": (*TRUTHS["cosine distance"][:2], "0", True),
    "difference": (*TRUTHS["difference"][:2], "-oo", True),
    "bradley-terry": (*TRUTHS["bradley-terry"][:2], "0", True),
    "of soft labels": (
        lambda z, t: -Sum(t[c] * log_softmax(z[c], c), c),
        {**Z, "t": Target("class", interval=(0, 1))}, "0", True,
    ),
    "dice": (
        lambda q, t: 1 - (1 + 2 * Sum(q[k] * t[k], k)) / (1 + Sum(q[k], k) + Sum(t[k], k)),
        {"q": Prediction("class", interval=(0, 1)), "t": Target("class", interval=(0, 1))},
        "0", True,
    ),
    "triplet": (
        lambda a, p, n: Max(0, 1 + gap(a, p) - gap(a, n)),
        {x: Prediction("feature") for x in "apn"}, "0", True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEVELS)
def test_lower_bounds_over_axes(name: str) -> None:
    formula, roles, bound, exact = LEVELS[name]
    told = found(declare(formula, **roles))["lower_bound"]
    assert told.verdict == "proved", told.reason
    assert (told.details["bound"], told.details["exact"]) == (bound, exact)


STRAIGHT = ("cross-entropy", "crammer-singer", "euclidean distance", "bradley-terry", "log-sum-exp")


@pytest.mark.parametrize("name", STRAIGHT)
def test_what_is_straight_along_a_line_is_not_strictly_convex(name: str) -> None:
    formula, roles, *_ = TRUTHS[name]
    loss = declare(formula, **roles)
    verdicts = found(loss)
    told = verdicts["strictly_convex"]
    assert told.verdict == "refuted"
    assert told.witness is not None
    assert verdicts["strong_convexity"].details["modulus"] == "0"
    made = instance(loss, 2)
    ends = [slots(loss, {**told.witness["fixed"], **p}) for p in told.witness["points"]]
    middle = {s: (x + ends[1][s]) / 2 if isinstance(x, float) else x for s, x in ends[0].items()}
    first, second, inside = (float(made.evaluate(p)) for p in (*ends, middle))
    assert inside == pytest.approx((first + second) / 2, abs=1e-12)


def slots(loss: Loss, told: dict[str, Any]) -> dict[Any, Any]:
    made = instance(loss, 2)
    entries = {}
    for name, value in told.items():
        for slot in made.slots[name]:
            entry = value
            for n in slot[1]:
                entry = entry[n]
            number = float(Fraction(entry))
            entries[slot] = int(number) if loss.roles[name].kind == "label" else number
    return entries


def test_what_is_strictly_convex_is_not_refuted() -> None:
    for formula in (lambda z: Sum(z[k] ** 2, k), lambda z: Sum(exp(z[k]) + exp(-z[k]), k)):
        assert found(declare(formula, **Z))["strictly_convex"].verdict != "refuted"


def test_the_pull_of_an_outlier() -> None:
    kinds = {
        "cross-entropy": "bounded",
        "squared distance": "unbounded",
        "bradley-terry": "bounded",
    }
    for name, kind in kinds.items():
        formula, roles, *_ = TRUTHS[name]
        assert found(declare(formula, **roles))["influence"].details["kind"] == kind


def test_entries_that_may_coincide_count_together() -> None:
    loss = declare(lambda z, x, y: z[x] + z[y], **Z, x=Label("class"), y=Label("class"))
    told = found(loss)["lipschitz"]
    assert (told.details["constant"], told.details["exact"]) == ("2", False)


def test_sorted_entries_are_not_taken_for_more_than_they_are() -> None:
    told = found(declare(lambda z: Sum(sort(z[k], k) * (k + 1), k), **Z))["lipschitz"]
    assert told.verdict == "unknown" or not told.details["exact"]
