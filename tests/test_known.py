"""Properties are found once: they stand in the manifest as long as formula and analysis do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from losscompiler.build import build
from losscompiler.building.request import BuildRequest
from tests.cli import start


def made(root: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """The losses of the manifest after a build, by name."""
    result = build(BuildRequest(root / "specs", root / "generated", targets=("numpy",), **options))
    assert [d for d in result.diagnostics if d.severity == "error"] == []
    manifest = json.loads((root / "generated/losses.json").read_text())
    return {loss["name"]: loss for loss in manifest["losses"]}


def marked(root: Path) -> None:
    """Properties that no analysis finds, in the manifest."""
    path = root / "generated/losses.json"
    manifest = json.loads(path.read_text())
    for loss in manifest["losses"]:
        loss["properties"] = {"marked": loss["name"]}
    path.write_text(json.dumps(manifest))


def edited(root: Path, old: str, new: str) -> None:
    path = root / "specs/good.py"
    path.write_text(path.read_text().replace(old, new))


def test_a_build_that_does_not_verify_analyses_nothing(tmp_path: Path) -> None:
    root = start(tmp_path)
    assert [loss["properties"] for loss in made(root, verify=False).values()] == [None, None]
    request = BuildRequest(root / "specs", root / "generated", targets=("numpy",), check=True)
    assert build(request).diagnostics == ()
    found = made(root)
    assert found["doubled"]["properties"]["convex"]["verdict"] == "proved"
    assert made(root, verify=False, force=True) == found


def test_what_another_analysis_found_is_kept_by_a_build_that_analyses_nothing(
    tmp_path: Path,
) -> None:
    root = start(tmp_path)
    found = made(root)
    text = (root / "generated/numpy/good.py").read_text()
    path = root / "generated/losses.json"
    manifest = json.loads(path.read_text())
    for loss in manifest["losses"]:
        loss["analysis"] = f"older {loss['name']}"
    path.write_text(json.dumps(manifest))
    kept = made(root, verify=False, force=True)
    assert {n: loss["properties"] for n, loss in kept.items()} == {
        n: loss["properties"] for n, loss in found.items()
    }
    assert (root / "generated/numpy/good.py").read_text() == text
    edited(root, "2 * (x - y) ** 2", "2 * (x - y) ** 3")
    kept = made(root, verify=False)
    assert kept["doubled"]["properties"] is None
    assert kept["cross"]["properties"] == found["cross"]["properties"]


def test_docstrings_tell_what_is_proved(tmp_path: Path) -> None:
    root = start(tmp_path)
    made(root, verify=False)
    path = root / "generated/numpy/good.py"
    assert "Properties:" not in path.read_text()
    made(root)
    section = path.read_text().split("Properties:\n", 1)[1].split("\n\n", 1)[0]
    assert [line.strip() for line in section.splitlines()] == [
        "Convex.",
        "Smoothness: C-infinity.",
        "Outliers: unbounded influence, no Lipschitz constant.",
        "Estimates: mean; likelihood of Gaussian, variance `1/4`.",
    ]
    request = BuildRequest(root / "specs", root / "generated", targets=("numpy",), check=True)
    assert build(request).diagnostics == ()


def test_what_is_known_of_a_formula_is_not_found_again(tmp_path: Path) -> None:
    root = start(tmp_path)
    made(root)
    marked(root)
    edited(root, "Twice the square.", "The square, twice.")
    found = made(root)
    assert found["doubled"]["summary"] == "The square, twice."
    assert found["doubled"]["properties"] == {"marked": "doubled"}
    edited(root, "2 * (x - y) ** 2", "2 * (x - y) ** 3")
    found = made(root)
    assert found["doubled"]["properties"]["convex"]["verdict"] == "refuted"
    assert found["cross"]["properties"] == {"marked": "cross"}
