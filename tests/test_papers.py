"""Losses of papers outside the catalogue, written as published, against formulas in PyTorch."""

from __future__ import annotations

import importlib
import re
import shutil
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from losscompiler.build import BuildRequest, build
from losscompiler.spec import Loss
from tests import compiled
from tests.paper_formulas import PAPERS

FILES = sorted((Path(__file__).parent / "papers").glob("*.py"))
LOSSES = {
    name: made
    for path in FILES
    for name, made in vars(importlib.import_module(f"tests.papers.{path.stem}")).items()
    if isinstance(made, Loss)
}


def test_every_loss_has_a_formula_and_a_place_in_the_table() -> None:
    page = (Path(__file__).parents[1] / "docs/papers.md").read_text(encoding="utf-8")
    assert set(LOSSES) == set(PAPERS) == set(re.findall(r"(?m)^\| `(\w+)` \|", page))


@pytest.mark.parametrize("name", PAPERS)
def test_value_and_gradient_are_those_of_the_formula(name: str) -> None:
    paper, made = PAPERS[name], LOSSES[name]
    generator = torch.Generator().manual_seed(len(name))
    inputs = [draw(generator) for draw in paper.inputs.values()]
    leaves = [
        tensor.requires_grad_()
        for tensor, role in zip(inputs, made.inputs.values(), strict=True)
        if role.kind == "prediction"
    ]
    expected = paper.formula(*inputs, **paper.options)
    slopes = torch.autograd.grad(expected.sum(), leaves)

    module = compiled.emitted(made)
    arrays = [tensor.detach().numpy() for tensor in inputs]
    value = module[name](*arrays, **paper.options, reduction="none")
    total, found = module[f"{name}_value_and_grad"](*arrays, **paper.options, reduction="sum")
    np.testing.assert_allclose(value, expected.detach(), rtol=1e-12)
    np.testing.assert_allclose(total, expected.detach().sum(), rtol=1e-12)
    for ours, theirs in zip(found if len(leaves) > 1 else [found], slopes, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_a_file_of_papers_builds_and_agrees_with_its_formulas(tmp_path: Path) -> None:
    specs = tmp_path / "specs"
    specs.mkdir()
    shutil.copy(Path(__file__).parent / "papers" / "masks_speech_and_rewards.py", specs)
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
