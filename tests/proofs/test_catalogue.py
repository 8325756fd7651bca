"""Every verdict about the catalogue, tried on the losses themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from losscompiler.analysis.certificate import digest, properties
from losscompiler.analysis.report import analyse
from losscompiler.building.known import Known, known_of, told
from losscompiler.crosscheck.proofs import witnesses
from losscompiler.crosscheck.proofs.attack import attack
from losscompiler.spec import Loss
from losscompiler.spec.loader import load_file

ROOT = Path(__file__).resolve().parents[2]
SPECS = ROOT / "specs"
SEGMENTS = 3_000
FILES = sorted(path.stem for path in SPECS.glob("[a-z]*.py"))


@pytest.fixture(scope="module")
def known() -> tuple[Known, dict[str, Any]]:
    losses = json.loads((ROOT / "generated/losses.json").read_text(encoding="utf-8"))["losses"]
    return known_of(losses, wanted=True), told(losses)


def verdicts(known: tuple[Known, dict[str, Any]], loss: Loss) -> dict[str, Any]:
    """What the manifest tells, unless another analysis wrote it."""
    key, is_known = known[0].key(digest(loss))
    found = known[1][key] if is_known else properties(analyse(loss))
    return dict(flat(found))


def flat(properties: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, verdict in properties.items():
        if "verdict" in verdict:
            yield name, verdict
        else:
            yield from ((f"{name}:{of}", one) for of, one in verdict.items())


@pytest.mark.parametrize("name", FILES)
def test_nothing_contradicts_a_verdict(name: str, known: tuple[Known, dict[str, Any]]) -> None:
    for loss in load_file(SPECS / f"{name}.py", SPECS).losses:
        found = verdicts(known, loss)
        for kind, verdict in found.items():
            if verdict["verdict"] == "refuted":
                assert witnesses.fault(loss, kind, verdict) == "", (loss.name, kind)
        for kind, tried in attack(loss, found, SEGMENTS).items():
            assert not tried.broken, (loss.name, kind, tried.broken)
