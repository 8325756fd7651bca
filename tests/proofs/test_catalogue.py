"""Every verdict about the catalogue, tried on the losses themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from losscompiler.analysis.refute import refute_at_random
from losscompiler.crosscheck.attack import check
from losscompiler.spec import Loss
from losscompiler.spec.loader import load_file

ROOT = Path(__file__).resolve().parents[2]
SPECS = ROOT / "specs"
FILES = sorted(path.stem for path in SPECS.glob("[a-z]*.py"))


@pytest.fixture(scope="module")
def told() -> dict[tuple[str, str], dict[str, Any]]:
    losses = json.loads((ROOT / "generated/losses.json").read_text(encoding="utf-8"))["losses"]
    return {(one["path"], one["name"]): one["properties"] for one in losses}


def properties(told: dict[tuple[str, str], dict[str, Any]], name: str, loss: Loss) -> Any:
    return told[f"specs/{name}.py", loss.name]


@pytest.mark.parametrize("name", FILES)
def test_no_random_segment_contradicts(
    name: str, told: dict[tuple[str, str], dict[str, Any]]
) -> None:
    for loss in load_file(SPECS / f"{name}.py", SPECS).losses:
        known = properties(told, name, loss)
        convex = known["convex"]
        if convex["verdict"] == "proved":
            assert refute_at_random(loss, tuple(convex["wrt"]), rounds=1) is None, loss.name
        elif convex["verdict"] == "refuted":
            assert list(check(loss, {"convex": convex})) == []
