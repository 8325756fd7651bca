"""What is said of single points: true verdicts stand, each planted fault is found."""

from __future__ import annotations

from typing import Any

import pytest

from losscompiler.analysis.report import analyse
from losscompiler.crosscheck.proofs.pointwise import CHECKS, faults
from losscompiler.spec import (
    Abs,
    FiniteSet,
    Interval,
    Loss,
    Max,
    Param,
    Piecewise,
    Prediction,
    Target,
)
from tests.proofs import truths
from tests.spec_helpers import declare

SOUND = ("huber", "quantile", "cauchy", "tukey", "mape", "charbonnier", "hinge", "exponential")
WRONG: dict[str, tuple[str, str, dict[str, Any]]] = {
    "slopes that fade": ("huber", "influence", {"kind": "redescending"}),
    "slopes that stay": ("mse", "influence", {"kind": "bounded"}),
    "another subgradient": (
        "mae", "smoothness", {"kinks": [{"where": "p = y", "subgradient": ["-1", "1/2"]}]}
    ),
    "another second derivative": (
        "huber", "smoothness", {"kinks": [{"where": "p = y + delta", "order": 2,
                                           "sides": ["1", "1/2"]}]}
    ),
    "a minimiser beside it": ("mse", "lower_bound", {"bound": "0", "minimiser": "y + 1"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_verdicts_stand(name: str) -> None:
    loss = truths.ALL[name]
    for kind, verdict in analyse(loss).items():
        assert list(faults(loss, kind, verdict.to_json())) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_one_is_found(name: str) -> None:
    of, kind, told = WRONG[name]
    assert list(faults(loss_of(of), kind, {"verdict": "proved", **told}))


def loss_of(name: str) -> Loss:
    loss: Loss = truths.ALL[name]
    return loss


def test_an_improper_score_is_found() -> None:
    loss = declare(
        lambda p, y: Abs(p - y),
        p=Prediction(domain=Interval.open(0, 1)), y=Target(interval=(0, 1)),
    )  # fmt: skip
    assert list(faults(loss, "proper", {"verdict": "proved"}))


def test_a_kink_at_margin_0_is_found() -> None:
    loss = declare(lambda p, y: Max(0, -p * y), p=Prediction(), y=Target(domain=FiniteSet(-1, 1)))
    assert list(faults(loss, "calibrated", {"verdict": "proved"}))


def test_kinks_that_depend_on_parameters_say_so() -> None:
    loss = declare(
        lambda p, k: Piecewise((Abs(p), k > 0), (2 * Abs(p), True)), p=Prediction(), k=Param(1)
    )
    told = analyse(loss)["smoothness"].to_json()
    assert list(faults(loss, "smoothness", told)) == []
    told["kinks"] = [{**kink, "where": "p = 0"} for kink in told["kinks"]]
    assert list(faults(loss, "smoothness", told))


def test_each_check_has_a_fault() -> None:
    assert {kind for _, kind, _ in WRONG.values()} | {"proper", "calibrated"} == set(CHECKS)
