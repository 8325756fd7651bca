"""The catalogue as it is checked in, against the formulas in arbitrary precision.

Losses that stand for the catalogue, in every framework and as objectives: one table of operators
and one printer make them all. TensorFlow and JAX, which compile each operation for each shape, have
one loss per structure here. `.ci/run` verifies every loss in NumPy and as an objective, and those
that stand for the catalogue in every framework; `losscompiler verify` every loss everywhere.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from losscompiler.crosscheck.judge import Report
from losscompiler.crosscheck.runner import VerifyResult, verify
from losscompiler.selection import find_specs
from tests.representatives import one_per_structure, representatives

ROOT = Path(__file__).parents[1]
ENTRIES = json.loads((ROOT / "generated/losses.json").read_text())["losses"]
LOSSES = representatives()
CALLS = {
    ("numpy", "torch", "boosting"): LOSSES,
    ("tensorflow", "jax"): one_per_structure(),
}
FUNCTIONS = [(loss, b) for backends, losses in CALLS.items() for b in backends for loss in losses
             if b != "boosting"]  # fmt: skip
OBJECTIVES = [e["name"] for e in ENTRIES if e["name"] in LOSSES and "boosting" in e["exports"]]


@pytest.fixture(scope="module")
def outcomes() -> list[VerifyResult]:
    specs = ROOT / "specs"
    files = find_specs(specs)
    return [verify(ROOT, specs, files, losses, backends) for backends, losses in CALLS.items()]


@pytest.fixture(scope="module")
def reports(outcomes: list[VerifyResult]) -> dict[tuple[str, str, str], Report]:
    return {(r.loss, r.backend, r.dtype): r for outcome in outcomes for r in outcome.reports}


def test_nothing_is_left_out(outcomes: list[VerifyResult]) -> None:
    assert [outcome.diagnostics for outcome in outcomes] == [(), ()]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("loss", "backend"), FUNCTIONS)
def test_agrees_with_the_formula(
    reports: dict[tuple[str, str, str], Report], loss: str, backend: str, dtype: str
) -> None:
    report = reports[loss, backend, dtype]
    assert report.failures == ()
    assert report.inaccuracies == ()
    assert report.cases >= 5
    compared = {q: m.compared for q, m in report.measures.items()}
    assert all(compared[q] > 0 for q in ("value", "gradient", "hvp", "hessian_diagonal"))


@pytest.mark.parametrize("loss", OBJECTIVES)
def test_objectives_agree_with_the_formula(
    reports: dict[tuple[str, str, str], Report], loss: str
) -> None:
    report = reports[loss, "boosting", "float64"]
    assert report.failures == ()
    assert report.inaccuracies == ()
    assert report.cases >= 5
    compared = {q: m.compared for q, m in report.measures.items()}
    assert all(compared[q] > 0 for q in ("value", "gradient", "hessian_diagonal"))
