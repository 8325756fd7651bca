"""The catalogue as it is checked in, against the formulas in arbitrary precision.

Every loss in NumPy and as an objective, those that stand for the catalogue in the frameworks, too:
one table of operators and one printer make them all. `losscompiler verify` takes every loss in
every framework.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from losscompiler.crosscheck.judge import Report
from losscompiler.crosscheck.runner import VerifyResult, verify
from losscompiler.selection import find_specs
from tests.representatives import representatives

ROOT = Path(__file__).parents[1]
FRAMEWORKS = ("torch", "tensorflow", "jax")
ENTRIES = json.loads((ROOT / "generated/losses.json").read_text())["losses"]
LOSSES = [entry["name"] for entry in ENTRIES]
OBJECTIVES = [entry["name"] for entry in ENTRIES if "boosting" in entry["exports"]]
PAIRS = [(loss, "numpy") for loss in LOSSES]
PAIRS += [(loss, backend) for loss in representatives() for backend in FRAMEWORKS]


@pytest.fixture(scope="module")
def outcomes() -> tuple[VerifyResult, VerifyResult]:
    specs = ROOT / "specs"
    files = find_specs(specs)
    return (
        verify(ROOT, specs, files, None, ("numpy", "boosting")),
        verify(ROOT, specs, files, representatives(), FRAMEWORKS),
    )


@pytest.fixture(scope="module")
def reports(outcomes: tuple[VerifyResult, ...]) -> dict[tuple[str, str, str], Report]:
    return {(r.loss, r.backend, r.dtype): r for outcome in outcomes for r in outcome.reports}


def test_nothing_is_left_out(outcomes: tuple[VerifyResult, ...]) -> None:
    assert [diagnostic for outcome in outcomes for diagnostic in outcome.diagnostics] == []


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("loss", "backend"), PAIRS)
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
