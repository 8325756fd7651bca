"""Losses of recent papers outside the catalogue, written as published, build and verify."""

from __future__ import annotations

import shutil
import textwrap
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


def test_a_comparison_of_two_long_views_fits_a_line(tmp_path: Path) -> None:
    specs = tmp_path / "specs"
    specs.mkdir()
    text = """
        from losscompiler.spec import *

        @loss
        def ranked(x=Prediction("batch", "feature"), y=Target("batch")):
            \"\"\"Distances of pairs that are at least as far apart as another pair.\"\"\"
            i, j, k = index("batch", "i j k")
            d = index("feature")
            far = Ne(k, i) & (Abs(y[i] - y[k]) >= Abs(y[i] - y[j]))
            near = exp(-Norm(x[i, d] - x[j, d], d))
            total = Sum(where(far, exp(-Norm(x[i, d] - x[k, d], d)), 0), k)
            return Sum(where(Ne(j, i), -log(near / total), 0), j)
        """
    (specs / "ranked.py").write_text(textwrap.dedent(text))
    request = BuildRequest(specs, tmp_path / "generated", targets=("tensorflow",), verify=False)
    assert build(request).diagnostics == ()
