from __future__ import annotations

import pytest

from losscompiler.analysis import solver
from losscompiler.analysis.curvature import convexity
from tests.proofs import truths


@pytest.mark.parametrize("name", truths.CONVEX)
def test_convex_losses_are_proved(name: str) -> None:
    found = convexity(truths.CONVEX[name])
    assert found.verdict == "proved", found.reason


@pytest.mark.parametrize("name", truths.NONCONVEX)
def test_nonconvex_losses_are_refuted(name: str) -> None:
    assert convexity(truths.NONCONVEX[name]).verdict == "refuted"


def test_without_the_solver_nothing_is_wrong_and_little_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(solver, "enabled", False)
    found = {name: convexity(loss).verdict for name, loss in truths.ALL.items()}
    right = {n: "proved" if n in truths.CONVEX else "refuted" for n in truths.ALL}
    wrong = {n for n, v in found.items() if v not in (right[n], "unknown")}
    assert wrong == set()
    assert sum(v == right[n] for n, v in found.items()) >= 44
