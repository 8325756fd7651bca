"""What a machine has not cross-validated itself counts as not built."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from losscompiler.building.request import FRAMEWORKS
from losscompiler.building.verified import RECORD
from losscompiler.diagnostics import Diagnostic
from tests.build_project import SPECS, clean, codes, edit, put, run, status, tree
from tests.fakes import Checker

ALL = ["giou", "huber", "mse"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project with its output, as version control brings it to another machine."""
    run(put(tmp_path / "origin", SPECS))
    shutil.copytree(
        tmp_path / "origin", tmp_path / "checkout", ignore=shutil.ignore_patterns(".build")
    )
    return tmp_path / "checkout"


def asked(root: Path, **changes: Any) -> list[list[str]]:
    checker = Checker()
    assert codes(run(root, checker, **changes)) == []
    return checker.asked


def test_the_first_build_of_a_checkout_validates_and_the_second_does_nothing(
    checkout: Path,
) -> None:
    before = {p: p.stat().st_mtime_ns for p in (checkout / "generated").rglob("*") if p.is_file()}
    checker = Checker()
    result = run(checkout, checker)
    assert checker.asked == [ALL]
    assert set(status(result).values()) == {"built"}
    assert (result.written, result.removed) == ((), ())
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert set(status(run(checkout, checker)).values()) == {"unchanged"}
    assert checker.asked == [ALL]


def test_the_second_build_imports_nothing_slow(checkout: Path) -> None:
    run(checkout)
    code = (
        "import sys; from pathlib import Path; from losscompiler.build import *; "
        "from losscompiler.building.toolchain import Toolchain; root = Path('.').resolve(); "
        "r = build(BuildRequest(root / 'specs', root / 'generated', targets=('numpy', 'torch')), "
        "Toolchain(compiler=lambda: '1')); "
        "assert {l.status for l in r.losses} == {'unchanged'}, r; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'sympy', 'numpy', 'torch'}))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True)
    assert done.stdout.decode().strip() == "[]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"schema": 0, "passed": {}}',
        '{"schema": 1, "passed": []}',
        '{"schema": 1, "passed": {"specs/regression.py": {"torch": 1}}}',
        '{"schema": 1, "passed": {"specs/regression.py": {"torch": ["1", "1"]}}}',
        "\udcff",
    ],
)
def test_a_damaged_or_foreign_record_says_nothing(checkout: Path, text: str) -> None:
    run(checkout)
    good = (checkout / "generated" / RECORD).read_bytes()
    (checkout / "generated" / RECORD).write_bytes(text.encode(errors="surrogateescape"))
    assert asked(checkout) == [ALL]
    assert (checkout / "generated" / RECORD).read_bytes() == good
    assert asked(checkout) == []


def test_the_work_folder_may_be_deleted(checkout: Path) -> None:
    run(checkout)
    before = tree(checkout)
    shutil.rmtree(checkout / "generated/.build")
    assert asked(checkout) == [ALL]
    assert tree(checkout) == before


def test_leftovers_are_cleared_away_without_the_record(checkout: Path) -> None:
    run(checkout)
    (checkout / "generated/.build/trial/numpy").mkdir(parents=True)
    assert asked(checkout) == []
    assert [p.name for p in (checkout / "generated/.build").iterdir()] == ["verified.json"]


def test_a_framework_that_is_installed_later_is_validated_then(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as absent:
        absent.setitem(FRAMEWORKS, "torch", ("no_such_framework",))
        assert asked(checkout) == [ALL]
        assert asked(checkout) == []
    before = tree(checkout)
    assert asked(checkout) == [ALL]
    assert asked(checkout) == []
    assert tree(checkout) == before


def test_what_was_written_unchecked_is_checked_by_the_next_build(checkout: Path) -> None:
    assert set(status(run(checkout, verify=False)).values()) == {"unchanged"}
    assert not (checkout / "generated/.build").exists()
    assert asked(checkout) == [ALL]
    edit(checkout, "vision/box.py", "loss giou WRONG\n")
    assert status(run(checkout, verify=False))["giou"] == "built"
    for _ in range(2):
        result = run(checkout)
        assert codes(result) == ["LC401"]
        assert status(result) == {"huber": "unchanged", "mse": "unchanged", "giou": "failed"}
    assert status(run(checkout, verify=False))["giou"] == "built"
    edit(checkout, "vision/box.py", SPECS["vision/box.py"])
    run(checkout, verify=False)
    assert asked(checkout) == [["giou"]]  # the failure has been forgotten by nobody
    assert tree(checkout) == clean(checkout)


def test_a_new_compiler_is_not_believed_for_what_the_last_one_wrote(checkout: Path) -> None:
    run(checkout)
    run(checkout, compiler="2", verify=False)
    assert asked(checkout, compiler="2") == [ALL]


def test_a_selection_in_a_checkout_changes_no_file(checkout: Path) -> None:
    before = tree(checkout)
    assert asked(checkout, selection=("giou",)) == [["giou"]]
    assert status(run(checkout, selection=("gi*",))) == {"giou": "unchanged"}
    assert tree(checkout) == before
    assert asked(checkout) == [["huber", "mse"]]
    assert asked(checkout, targets=("torch",)) == []


def test_check_needs_no_record(checkout: Path) -> None:
    assert codes(run(checkout, check=True)) == []
    assert not (checkout / "generated/.build").exists()


def test_what_fails_is_not_recorded_and_what_is_gone_is_forgotten(checkout: Path) -> None:
    edit(checkout, "regression.py", "loss huber WRONG\n")
    run(checkout)
    record = json.loads((checkout / "generated" / RECORD).read_text())
    assert list(record["passed"]) == ["specs/vision/box.py"]
    (checkout / "specs/vision/box.py").unlink()
    run(checkout)
    record = json.loads((checkout / "generated" / RECORD).read_text())
    assert record["passed"] == {}


def test_what_cross_validation_warned_of_is_told_while_the_code_stays(tmp_path: Path) -> None:
    root = put(tmp_path, {"regression.py": "loss huber 1\n"})
    warned = Diagnostic("LC405", "fewer digits", "warning", "specs/regression.py", 1, loss="huber")
    first = run(root, Checker(warned))
    checker = Checker()
    again = run(root, checker)
    edit(root, "regression.py", "\nloss huber 1\n")  # the same code, a line lower
    moved = run(root, checker)
    assert [codes(result) for result in (first, again, moved)] == [["LC405"]] * 3
    assert [result.diagnostics[0].line for result in (again, moved)] == [1, 2]
    assert checker.asked == []
    edit(root, "regression.py", "loss huber 3\n")
    assert codes(run(root, checker)) == codes(run(root, checker)) == []


def test_a_record_that_cannot_be_written_is_no_failure(checkout: Path) -> None:
    (checkout / "generated" / RECORD).mkdir(parents=True)
    assert asked(checkout) == [ALL]
    assert asked(checkout) == [ALL]
