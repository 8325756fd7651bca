from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from losscompiler.analysis.composition import require_composed
from losscompiler.analysis.curvature import convexity
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.spec import (
    Abs,
    AxisMax,
    Label,
    Max,
    Mean,
    Ne,
    Norm,
    Param,
    Prediction,
    Prod,
    Sum,
    Target,
    exp,
    index,
    indicator,
    log,
    log_softmax,
    logsumexp,
    softmax,
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
OPEN = {"q": Prediction("class", positive=True), "t": Target("class", positive=True)}
ROWS = {"a": Prediction("batch", "feature"), "b": Prediction("batch", "feature")}


def apart(a: Any, b: Any) -> Any:
    return Norm(a[i, d] - b[i, d], d)


CONVEX: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "log-sum-exp": (lambda z: log(Sum(exp(z[k]), k)), Z),
    "cross-entropy of a label": (lambda z, y: log(Sum(exp(z[k]), k)) - z[y], LABELLED),
    "the same as a logarithm of a share": (
        lambda z, y: -log(exp(z[y]) / Sum(exp(z[k]), k)), LABELLED
    ),
    "the same by softmax": (lambda z, t: -Sum(t[c] * log(softmax(z[c], c)), c), SHARES),
    "the same by log_softmax": (lambda z, t: -Sum(t[c] * log_softmax(z[c], c), c), SHARES),
    "of soft labels": (
        lambda z, t: Sum(t[c] * (log(Sum(exp(z[k]), k)) - z[c]), c), SHARES
    ),
    "with a constant class": (lambda z: log(1 + Sum(exp(z[k]), k)), Z),
    "of pairs": (lambda z: log(1 + Sum(exp(z[c] - z[k]), c, k)), Z),
    "crammer-singer": (
        lambda z, y: AxisMax(z[k] + indicator(Ne(k, y)), k) - z[y], LABELLED
    ),
    "weston-watkins": (
        lambda z, y: Sum(where(Ne(k, y), Max(0, 1 + z[k] - z[y]), 0), k), LABELLED
    ),
    "kullback-leibler": (lambda q, t: Sum(t[c] * log(t[c] / q[c]) - t[c] + q[c], c), OPEN),
    "mean of squares": (lambda z: Mean(z[k] ** 2, k), Z),
    "square of a norm": (lambda z: Norm(z[k], k) ** 2, Z),
    "distance": (lambda a, b: Sum(apart(a, b), i), ROWS),
    "distance beyond a margin": (lambda a, b: Sum(Max(0, apart(a, b) - 1) ** 2, i), ROWS),
    "root of a sum of squares": (lambda z: sqrt(1 + Sum(z[k] ** 2, k)), Z),
    "a p-norm": (
        lambda z, p: Norm(z[k], k, p=p), {**Z, "p": Param(2, interval=(1, 10))}
    ),
    "total variation": (lambda z: Sum(Abs(z[k] - z[c]), k, c), Z),
    "products of exponentials": (lambda z: Prod(1 + exp(z[k]), k), Z),
    "sorted by the targets": (
        lambda z, t: Sum(sort(z[k], k, by=t[k]) ** 2, k), {**Z, "t": Target("class")}
    ),
    "temperature": (
        lambda z, T: T * logsumexp(z[k] / T, k), {**Z, "T": Param(1, positive=True)}
    ),
}  # fmt: skip
NONCONVEX: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "a share": (lambda z: Sum(softmax(z[k], k) ** 2, k), Z),
    "dice": (
        lambda q, t: 1 - 2 * Sum(q[c] * t[c], c) / (Sum(q[c], c) + Sum(t[c], c)), OPEN
    ),
    "a difference of distances": (lambda a, b: Sum(Max(0, 1 - apart(a, b)) ** 2, i), ROWS),
    "info-nce": (
        lambda a, b: Sum(
            log(Sum(exp(Sum(a[i, d] * b[j, d], d)), j)) - Sum(a[i, d] * b[i, d], d), i
        ),
        ROWS,
    ),
    "negative log-sum-exp": (lambda z: -log(Sum(exp(z[k]), k)), Z),
    "the logarithm of squares": (lambda z: log(Sum(z[k] ** 2, k)), Z),
    "minus the largest": (lambda z: -AxisMax(z[k], k), Z),
    "a product": (lambda z: Prod(z[k], k), Z),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVEX)
def test_rules_prove(name: str) -> None:
    formula, roles = CONVEX[name]
    found = convexity(declare(formula, **roles))
    assert found.verdict == "proved", found.reason


@pytest.mark.parametrize("name", NONCONVEX)
def test_small_instances_refute(name: str) -> None:
    formula, roles = NONCONVEX[name]
    found = convexity(declare(formula, **roles))
    assert found.verdict == "refuted", found.reason


def test_each_prediction_alone() -> None:
    loss = declare(lambda a, b: a * exp(b), a=Prediction(), b=Prediction())
    assert convexity(loss).verdict == "refuted"
    assert convexity(loss, ("a",)).verdict == "proved"
    assert convexity(loss, ("b",)).verdict == "refuted"  # a may be negative


def test_a_choice_between_a_convex_and_a_concave_term_is_neither() -> None:
    """Segments at random need not show it: here by the rules alone."""
    loss = declare(lambda z, y: Sum(where(Ne(k, y), z[k] ** 2, -(z[k] ** 2)), k), **LABELLED)
    with pytest.raises(OpenError):
        require_composed(loss, ("z",), Ledger())
