"""The attack finds what is false, however small, and raises no false alarm."""

from __future__ import annotations

from typing import Any

import pytest

from losscompiler.analysis.report import analyse
from losscompiler.crosscheck.proofs.attack import attack
from losscompiler.spec import Param, Prediction, Target, log, loss, where
from tests.proofs import truths
from tests.proofs.test_adversarial import CONVEX, NONCONVEX
from tests.spec_helpers import declare

SEGMENTS = 50_000
ONE_POINT = ("a value off the guard", "a value below, at one point")
"""Faults at a single point are met if the point is drawn."""


def broken(one: Any, told: dict[str, Any], segments: int = SEGMENTS) -> dict[str, str]:
    properties = {name: {"verdict": "proved", **verdict} for name, verdict in told.items()}
    return {name: tried.broken for name, tried in attack(one, properties, segments).items()}


@pytest.mark.parametrize("name", [n for n in NONCONVEX if n not in ONE_POINT])
def test_what_is_not_convex_is_found(name: str) -> None:
    formula, roles = NONCONVEX[name]
    assert broken(declare(formula, **roles), {"convex": {}})["convex"]


@pytest.mark.parametrize("name", CONVEX)
def test_what_is_convex_stands(name: str) -> None:
    formula, roles = CONVEX[name]
    assert broken(declare(formula, **roles), {"convex": {}}) == {"convex": ""}


FALSE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a modulus": ("mse", "strong_convexity", {"modulus": "2 + 1/1000000"}),
    "a Lipschitz constant": ("huber", "lipschitz", {"constant": "delta*999/1000"}),
    "a constant of the gradient": ("logcosh", "gradient_lipschitz", {"constant": "999/1000"}),
    "a bound": ("mse", "lower_bound", {"bound": "1/1000000"}),
    "strictness": ("huber", "strictly_convex", {}),
    "strictness of another": ("tweedie_mu", "strictly_convex", {}),
    "a convex logarithm": ("mse", "log_convex", {}),
    "self-concordance": ("exponential", "self_concordant", {"constant": "9/10"}),
    "a degree": ("mse", "homogeneous", {"degree": "1"}),
    "invariance": ("mape", "translation_invariant", {}),
}


@pytest.mark.parametrize("name", FALSE)
def test_every_false_promise_is_found(name: str) -> None:
    which, kind, told = FALSE[name]
    assert broken(truths.ALL[which], {kind: told})[kind]


def test_a_false_quasi_convexity_is_found() -> None:
    wells = declare(NONCONVEX["shallow wells"][0], **NONCONVEX["shallow wells"][1])
    assert broken(wells, {"quasi_convex": {}})["quasi_convex"]


def test_a_parameter_with_a_case_of_its_own_is_no_exception() -> None:
    """What holds in each open piece need not hold where a parameter has one value."""

    @loss
    def weighed(x=Prediction(), share=Target(interval=(0, 1))):  # type: ignore[no-untyped-def]
        """A square where the share is 0."""
        return where(share > 0, share * log(1 + x**2), x**2)

    assert broken(weighed, {"lipschitz": {"constant": "share"}})["lipschitz"]
    found = analyse(weighed)
    assert found["lipschitz"].details.get("constant") == "oo"
    assert found["influence"].details.get("kind") == "unbounded"


def test_a_kink_at_a_special_parameter_is_seen() -> None:
    @loss
    def sharp(x=Prediction(), *, k=Param(1, nonnegative=True)):  # type: ignore[no-untyped-def]
        """The size where the parameter is 0."""
        return where(k > 0, x**2, abs(x))

    assert analyse(sharp)["smoothness"].details["class"] == "C0"


def test_no_density_fits_if_a_special_parameter_has_another() -> None:
    @loss
    def doubled(x=Prediction(), y=Target(), *, k=Param(1, nonnegative=True)):  # type: ignore[no-untyped-def]
        """Twice the square where the parameter is 0."""
        return where(k > 0, (x - y) ** 2, 2 * (x - y) ** 2)

    assert analyse(doubled)["likelihood"].verdict != "proved"
