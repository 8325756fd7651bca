"""Losses of recent papers outside the catalogue, written as published, build and verify."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from losscompiler.build import BuildRequest, build

PAPERS = sorted(Path(__file__).parent.glob("papers/*.py"))


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.stem)
def test_a_file_of_papers_builds_and_agrees_with_its_formulas(paper: Path, tmp_path: Path) -> None:
    specs = tmp_path / "specs"
    specs.mkdir()
    shutil.copy(paper, specs)
    result = build(BuildRequest(specs, tmp_path / "generated", targets=("numpy",)))
    assert result.diagnostics == ()
    assert {loss.status for loss in result.losses} == {"built"}
    assert {report.loss for report in result.reports} == {loss.name for loss in result.losses}
