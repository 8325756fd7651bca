from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from losscompiler.analysis.report import analyse
from losscompiler.analysis.verdict import Verdict
from losscompiler.spec import Max, Param, Prediction, Rational, Target, exp, log, sqrt
from losscompiler.spec.loader import load_file
from tests.proofs import truths
from tests.spec_helpers import declare

SPECS = Path(__file__).resolve().parents[2] / "specs"
FILES = ("regression", "robust", "margin", "quantiles", "classification")


@pytest.fixture(scope="module")
def catalogue() -> dict[str, dict[str, Verdict]]:
    wanted = {name for name, _, _ in EXPECTED}
    losses = [loss for f in FILES for loss in load_file(SPECS / f"{f}.py", SPECS).losses]
    return {loss.name: analyse(loss) for loss in losses if loss.name in wanted}


EXPECTED: list[tuple[str, str, dict[str, Any]]] = [
    ("huber", "lipschitz", {"constant": "delta"}),
    ("huber", "gradient_lipschitz", {"constant": "1"}),
    ("huber", "influence", {"kind": "bounded"}),
    ("huber", "lower_bound", {"bound": "0", "minimiser": "target"}),
    ("squared_error", "strong_convexity", {"modulus": "2"}),
    ("squared_error", "influence", {"kind": "unbounded"}),
    ("squared_error", "elicits", {"functional": "mean"}),
    ("squared_error", "homogeneous", {"degree": "2"}),
    ("absolute_error", "elicits", {"functional": "median"}),
    ("absolute_error", "homogeneous", {"degree": "1"}),
    ("quantile", "elicits", {"functional": "quantile of level tau"}),
    ("quantile", "lipschitz", {"constant": "Max(1 - tau, tau)"}),
    ("charbonnier", "gradient_lipschitz", {"constant": "1/epsilon"}),
    ("geman_mcclure", "influence", {"kind": "redescending"}),
    ("cauchy", "influence", {"kind": "redescending"}),
    ("hinge", "lipschitz", {"constant": "1"}),
    ("savage", "lipschitz", {"constant": "8/27"}),
    ("savage", "gradient_lipschitz", {"constant": "13/768 + 55*sqrt(33)/2304"}),
    ("modified_huber_classification", "lipschitz", {"constant": "4"}),
    ("soft_margin", "gradient_lipschitz", {"constant": "1/4"}),
    ("hinge", "calibrated", {}),
    ("soft_margin", "calibrated", {}),
    ("log_cosh", "lipschitz", {"constant": "1"}),
]


@pytest.mark.parametrize(("name", "prop", "details"), EXPECTED, ids=str)
def test_constants_and_statistics(
    catalogue: dict[str, dict[str, Verdict]], name: str, prop: str, details: dict[str, Any]
) -> None:
    found = catalogue[name][prop]
    assert found.verdict == "proved", found.reason
    assert {key: found.details[key] for key in details} == details


def test_tukey_has_the_known_constant() -> None:
    found = analyse(truths.ALL["tukey"])["lipschitz"]
    c = sp.Symbol("c")
    constant = sp.sympify(found.details["constant"]).subs("c", c)
    assert sp.simplify(constant - 16 * sp.sqrt(5) * c / 125) == 0


def test_relatives_of_convexity() -> None:
    found = {name: analyse(truths.ALL[name]) for name in ("cauchy", "exponential", "huber")}
    assert found["cauchy"]["quasi_convex"].verdict == "proved"
    assert found["exponential"]["log_convex"].verdict == "proved"
    assert found["huber"]["strictly_convex"].verdict == "refuted"
    witness = found["huber"]["strictly_convex"].witness
    assert witness is not None
    assert witness["gap"] == "0"


OPEN = {"q": Prediction(domain=sp.Interval.open(0, 1)), "y": Target(values={0, 1})}
SCORES = {
    "logarithmic": (lambda q, y: -y * log(q) - (1 - y) * log(1 - q), "proved"),
    "brier": (lambda q, y: (q - y) ** 2, "proved"),
    "spherical": (
        lambda q, y: -(y * q + (1 - y) * (1 - q)) / sqrt(q**2 + (1 - q) ** 2), "proved"
    ),
    "linear": (lambda q, y: y * (1 - q) + (1 - y) * q, "refuted"),
    "focal": (
        lambda q, y: -y * (1 - q) ** 2 * log(q) - (1 - y) * q**2 * log(1 - q), "refuted"
    ),
    "smoothed": (
        lambda q, y: -(y * Rational(9, 10) + (1 - y) * Rational(1, 10)) * log(q)
        - (y * Rational(1, 10) + (1 - y) * Rational(9, 10)) * log(1 - q),
        "refuted",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCORES)
def test_scoring_rules(name: str) -> None:
    formula, verdict = SCORES[name]
    assert analyse(declare(formula, **OPEN))["proper"].verdict == verdict


SIGNED = {"z": Prediction(), "y": Target(values={-1, 1})}
MARGINS = {
    "logistic": (lambda z, y: log(1 + exp(-y * z)), "proved", "refuted"),
    "unhinged": (lambda z, y: 1 - y * z, "proved", "proved"),
    "perceptron": (lambda z, y: Max(0, -y * z), "refuted", "refuted"),
    "sigmoid": (lambda z, y: 1 / (1 + exp(y * z)), "unknown", "proved"),
}


@pytest.mark.parametrize("name", MARGINS)
def test_margin_losses(name: str) -> None:
    formula, calibrated, symmetric = MARGINS[name]
    found = analyse(declare(formula, **SIGNED))
    assert found["calibrated"].verdict == calibrated
    assert found["symmetric"].verdict in (symmetric, "unknown")


def test_parameters_decide() -> None:
    def power(p: Any, y: Any, k: Any) -> Any:
        return sp.Abs(p - y) ** k

    pair = {"p": Prediction(), "y": Target()}
    above = declare(power, **pair, k=Param(2, domain=sp.Interval.open(1, sp.oo)))
    any_ = declare(power, **pair, k=Param(2, positive=True))
    assert analyse(above)["convex"].verdict == "proved"
    refuted = analyse(any_)["convex"]
    assert refuted.verdict == "refuted"
    assert refuted.witness is not None
    assert sp.Rational(refuted.witness["fixed"]["k"]) < 1
