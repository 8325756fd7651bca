"""Builds of specs and of code with mistakes; telling without writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from losscompiler.build import FRAMEWORKS
from losscompiler.building.outputs import digest
from losscompiler.config import TARGETS
from losscompiler.diagnostics import Diagnostic
from tests.build_project import SPECS, clean, codes, edit, put, run, status, tree
from tests.fakes import Checker, Told


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return put(tmp_path, SPECS)


# ---- mistakes ----


@pytest.mark.parametrize(
    ("command", "code"), [("syntax", "LC001"), ("hang", "LC003"), ("crash", "LC004")]
)
def test_a_broken_spec_keeps_its_output_and_no_other_from_being_built(
    root: Path, command: str, code: str
) -> None:
    run(root)
    before = tree(root)
    edit(root, "regression.py", f"{command}\n")
    edit(root, "vision/box.py", "loss giou 4\n")
    for _ in range(2):
        result = run(root, spec_timeout=1.0)
        assert codes(result) == [code]
        assert tree(root)["torch/regression.py"] == before["torch/regression.py"]
        assert tree(root)["torch/__init__.py"] == before["torch/__init__.py"]
        assert tree(root)["torch/vision/box.py"] != before["torch/vision/box.py"]
    edit(root, "regression.py", SPECS["regression.py"])
    assert codes(run(root)) == []
    assert tree(root) == clean(root)


def test_a_broken_spec_that_is_removed_takes_its_output_along(root: Path) -> None:
    run(root)
    edit(root, "regression.py", "syntax\n")
    run(root)
    (root / "specs/regression.py").unlink()
    edit(root, "vision/box.py", "loss giou 4\n")
    run(root)
    assert tree(root) == clean(root)


def test_one_broken_loss_leaves_the_others_of_its_file(root: Path) -> None:
    edit(root, "regression.py", "loss huber 1\nbroken mse\n")
    for _ in range(2):
        result = run(root)
        assert codes(result) == ["LC112"]
        assert status(result)["mse"] == "failed"
        assert b"huber" in tree(root)["torch/regression.py"]


def test_a_name_may_stand_once_over_all_files(root: Path) -> None:
    edit(root, "vision/box.py", "loss huber 3\n")
    result = run(root)
    assert codes(result) == ["LC005"]
    assert result.diagnostics[0].path == "specs/vision/box.py"
    assert "specs/regression.py:1" in result.diagnostics[0].message
    assert "torch/regression.py" in tree(root)
    assert "torch/vision/box.py" not in tree(root)
    assert codes(run(root)) == ["LC005"]


def test_a_name_that_is_already_built_elsewhere_is_taken(root: Path) -> None:
    run(root)
    put(root, {"a.py": "loss giou 1\n"})
    result = run(root)
    assert [(d.code, d.path) for d in result.diagnostics] == [("LC005", "specs/a.py")]


def test_a_loss_may_move_to_another_file(root: Path) -> None:
    run(root)
    put(root, {"a.py": "loss giou 1\n"})
    (root / "specs/vision/box.py").unlink()
    assert codes(run(root)) == []
    assert tree(root) == clean(root)


def test_a_disagreement_writes_nothing_for_the_loss(root: Path) -> None:
    run(root)
    before = tree(root)
    edit(root, "regression.py", "loss huber WRONG\nloss mse 2\n")
    edit(root, "vision/box.py", "loss giou 4\n")
    for _ in range(2):
        result = run(root)
        assert [(d.code, d.loss, d.path) for d in result.diagnostics] == [
            ("LC401", "huber", "specs/regression.py")
        ]
        assert status(result)["huber"] == "failed"
        assert status(result)["mse"] == "held back"
        assert tree(root)["torch/regression.py"] == before["torch/regression.py"]
        assert b"'4'" in tree(root)["torch/vision/box.py"]
    assert [path.name for path in (root / "generated/.build").iterdir()] == ["verified.json"]
    assert codes(run(root, verify=False)) == []
    assert b"WRONG" in tree(root)["torch/regression.py"]


def test_what_could_not_be_checked_is_not_written(root: Path) -> None:
    stopped = Diagnostic("LC404", "the process that calls the torch functions stopped")
    assert codes(run(root, Checker(stopped))) == ["LC404"]
    assert "torch/regression.py" not in tree(root)
    unchecked = Diagnostic("LC403", "no oracle", severity="warning")
    result = run(root, Checker(unchecked))
    assert codes(result) == ["LC403"]
    assert result.reports == (Told(3),)
    assert tree(root) == clean(root)


def test_a_required_framework_that_is_missing_stops_the_build(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FRAMEWORKS, "jax", ("a_framework_nobody_has",))
    assert run(root, require=("numpy", "jax")).missing_framework == ("jax",)
    assert tree(root) == {}


# ---- telling without writing ----


def test_check_of_a_fresh_build_finds_nothing(root: Path) -> None:
    run(root)
    result = run(root, check=True)
    assert (codes(result), result.diff) == ([], "")


def test_check_writes_nothing_and_tells_what_is_missing(root: Path) -> None:
    result = run(root, check=True)
    assert set(codes(result)) == {"LC504"}
    assert len(codes(result)) == 12
    assert not (root / "generated").exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: edit(root, "vision/box.py", "loss giou 9\n"), "numpy/vision/box.py is stale"),
        (
            lambda root: (root / "generated/torch/regression.py").unlink(),
            "regression.py is missing",
        ),
        (
            lambda root: (root / "generated/torch/regression.py").write_text("mine"),
            "torch/regression.py was edited",
        ),
        (lambda root: (root / "specs/vision/box.py").unlink(), "box.py is extra"),
        (
            lambda root: (root / "generated/torch/old.py").write_text(""),
            "torch/old.py is extra",
        ),
        (
            lambda root: (root / "generated/losses.json").write_text("{}"),
            "losses.json is stale",
        ),
    ],
    ids=["stale", "missing", "edited", "extra", "foreign", "manifest"],
)
def test_check_tells_what_differs(root: Path, spoil: Any, message: str) -> None:
    run(root)
    spoil(root)
    before = tree(root)
    result = run(root, check=True)
    assert set(codes(result)) == {"LC504"}
    assert any(message in d.message for d in result.diagnostics), result.diagnostics
    assert tree(root) == before


def test_check_does_not_believe_a_manifest_that_lies(root: Path) -> None:
    run(root)
    (root / "generated/torch/regression.py").write_text("lie")
    manifest = json.loads((root / "generated/losses.json").read_text())
    manifest["files"]["torch/regression.py"] = digest(b"lie")
    (root / "generated/losses.json").write_text(json.dumps(manifest))
    assert codes(run(root)) == []  # a build trusts its hashes
    assert codes(run(root, check=True)) == ["LC504", "LC504"]


def test_diff_shows_the_change_and_writes_nothing(root: Path) -> None:
    run(root)
    before = tree(root)
    edit(root, "vision/box.py", SPECS["vision/box.py"].replace("3", "9"))
    result = run(root, diff=True)
    assert "--- generated/torch/vision/box.py" in result.diff
    assert "-giou = '3'\n+giou = '9'\n" in result.diff
    assert (codes(result), tree(root)) == ([], before)
    assert run(root, diff=True, check=True).diff == result.diff


def test_every_target_has_a_framework() -> None:
    assert set(FRAMEWORKS) == set(TARGETS)
