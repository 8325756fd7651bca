from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from losscompiler.build import FRAMEWORKS, BuildRequest, BuildResult, build
from losscompiler.config import TARGETS
from losscompiler.diagnostics import Diagnostic
from losscompiler.outputs import digest
from tests.disks import Counting, killed
from tests.fakes import Checker, Told, build_and_die, fake_tools

SPECS = {
    "regression.py": "loss huber 1\nloss mse 2\n",
    "vision/box.py": "loss giou 3\nimport regression.py\n",
}


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return put(tmp_path, SPECS)


def request(root: Path, **changes: Any) -> BuildRequest:
    plain = BuildRequest(root / "specs", root / "generated", targets=("numpy", "torch"))
    return replace(plain, **changes)


def run(
    root: Path, checker: Checker | None = None, compiler: str = "1", **changes: Any
) -> BuildResult:
    return build(request(root, **changes), fake_tools(checker, compiler))


def codes(result: BuildResult) -> list[str]:
    return [d.code for d in result.diagnostics]


def status(result: BuildResult) -> dict[str, str]:
    return {loss.name: loss.status for loss in result.losses}


def tree(root: Path) -> dict[str, bytes]:
    out = root / "generated"
    files = (path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def clean(root: Path) -> dict[str, bytes]:
    """What a build of the specs gives in an empty folder."""
    other = root / "clean"
    for path in (root / "specs").rglob("*.py"):
        put(other, {path.relative_to(root / "specs").as_posix(): path.read_text()})
    run(other)
    return tree(other)


def edit(root: Path, name: str, text: str) -> None:
    (root / "specs" / name).write_text(text)


# ---- what is written ----


def test_output_has_a_package_per_target_and_a_module_per_spec(root: Path) -> None:
    result = run(root)
    assert codes(result) == []
    assert sorted(tree(root)) == [
        "__init__.py",
        "losses.json",
        "numpy/__init__.py",
        "numpy/_support.py",
        "numpy/regression.py",
        "numpy/vision/__init__.py",
        "numpy/vision/box.py",
        "torch/__init__.py",
        "torch/_support.py",
        "torch/regression.py",
        "torch/vision/__init__.py",
        "torch/vision/box.py",
    ]
    assert set(result.written) == set(tree(root))
    assert status(result) == {"huber": "built", "mse": "built", "giou": "built"}


def test_manifest_has_facts_and_hashes_and_no_place_of_this_machine(root: Path) -> None:
    run(root)
    text = (root / "generated/losses.json").read_text()
    data = json.loads(text)
    assert [loss["name"] for loss in data["losses"]] == ["huber", "mse", "giou"]
    assert data["losses"][2]["path"] == "specs/vision/box.py"
    assert set(data["files"]) == set(tree(root)) - {"losses.json"}
    assert data["sources"]["specs/vision/box.py"]["imports"] == ["specs/regression.py"]
    assert str(root) not in text


def test_output_does_not_depend_on_the_hash_seed_or_the_number_of_jobs(root: Path) -> None:
    code = (
        "from pathlib import Path; from tests.test_build import *; "
        "run(Path('.'), targets=('torch', 'jax', 'numpy'), jobs=int(__import__('sys').argv[1]))"
    )
    trees = []
    for seed, jobs in (("0", "1"), ("1", "4")):
        path = os.pathsep.join(filter(None, sys.path))
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", code, jobs]
        subprocess.run(command, cwd=root, env=environment, check=True)
        trees.append(tree(root))
        for file in tree(root):
            (root / "generated" / file).unlink()
    assert trees[0] == trees[1]


# ---- what is built again ----


def test_a_build_with_nothing_to_do_compiles_nothing_and_touches_nothing(root: Path) -> None:
    run(root)
    before = {p: p.stat().st_mtime_ns for p in (root / "generated").rglob("*")}
    disk = Counting()
    result = build(request(root), replace(fake_tools(disk=disk), compile=None))  # type: ignore[arg-type]
    assert set(status(result).values()) == {"unchanged"}
    assert (result.written, result.removed, disk.done) == ((), (), [])
    assert set(result.unchanged) == set(tree(root)) - {"losses.json"}
    assert {p: p.stat().st_mtime_ns for p in (root / "generated").rglob("*")} == before


def test_a_build_with_nothing_to_do_imports_nothing_slow(root: Path) -> None:
    run(root, compiler="1")
    code = (
        "import sys; from pathlib import Path; from losscompiler.build import *; "
        "from losscompiler.toolchain import Toolchain; root = Path('.').resolve(); "
        "r = build(BuildRequest(root / 'specs', root / 'generated', targets=('numpy', 'torch')), "
        "Toolchain(compiler=lambda: '1')); "
        "assert {l.status for l in r.losses} == {'unchanged'}, r; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'sympy', 'numpy', 'torch', 'tensorflow', 'jax', 'keras', 'rich', 'jinja2', 'mpmath'}))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, check=True, stdout=subprocess.PIPE
    )
    assert done.stdout.decode().strip() == "[]"


def test_only_a_changed_spec_and_those_that_import_it_are_built(root: Path) -> None:
    run(root)
    checker = Checker()
    edit(root, "vision/box.py", "loss giou 4\nimport regression.py\n")
    assert status(run(root, checker)) == {"huber": "unchanged", "mse": "unchanged", "giou": "built"}
    assert checker.asked == [["giou"]]
    edit(root, "regression.py", "loss huber 5\nloss mse 2\n")
    assert set(status(run(root, checker)).values()) == {"built"}
    assert checker.asked[1] == ["giou", "huber", "mse"]
    assert tree(root) == clean(root)


def test_a_changed_compiler_builds_everything_and_verifies_what_differs(root: Path) -> None:
    run(root)
    checker = Checker()
    assert set(status(run(root, checker, compiler="2")).values()) == {"built"}
    assert checker.asked == []
    assert status(run(root, compiler="2"))["huber"] == "unchanged"


def test_a_lost_file_is_written_again(root: Path) -> None:
    run(root)
    before = tree(root)
    for path in ("torch/regression.py", "numpy/_support.py", "__init__.py"):
        (root / "generated" / path).unlink()
    assert set(run(root).written) == {"torch/regression.py", "numpy/_support.py", "__init__.py"}
    assert tree(root) == before


def test_a_file_with_equal_bytes_is_not_touched(root: Path) -> None:
    run(root)
    same = root / "generated/torch/vision/box.py"
    os.utime(same, ns=(1, 1))
    edit(root, "regression.py", "loss huber 5\n")
    edit(root, "vision/box.py", SPECS["vision/box.py"] + "\n")
    edit(root, "vision/box.py", "loss giou 3\n")
    run(root)
    os.utime(same, ns=(1, 1))
    edit(root, "vision/box.py", "loss giou 3\n\n")
    result = run(root)
    assert status(result)["giou"] == "built"
    assert same.stat().st_mtime_ns == 1
    assert result.written == ("losses.json",)


def test_a_removed_spec_takes_its_output_along(root: Path) -> None:
    run(root)
    (root / "specs/vision/box.py").unlink()
    result = run(root)
    assert "torch/vision/box.py" in result.removed
    assert not (root / "generated/torch/vision").exists()
    assert tree(root) == clean(root)


def test_the_last_spec_takes_everything_along(root: Path) -> None:
    run(root)
    for path in (root / "specs").rglob("*.py"):
        path.unlink()
    run(root)
    assert list(tree(root)) == ["losses.json"]


def test_a_target_is_built_without_touching_the_others(root: Path) -> None:
    run(root)
    numpy = {name: data for name, data in tree(root).items() if name.startswith("numpy/")}
    edit(root, "regression.py", "loss huber 9\n")
    (root / "specs/vision/box.py").unlink()
    run(root, targets=("torch",))
    assert {k: v for k, v in tree(root).items() if k.startswith("numpy/")} == numpy
    assert "torch/vision/box.py" not in tree(root)
    assert status(run(root, targets=("torch",))) == {"huber": "unchanged"}
    run(root)
    assert tree(root) == clean(root)


def test_a_new_target_is_added(root: Path) -> None:
    run(root, targets=("numpy",))
    assert set(status(run(root)).values()) == {"built"}
    assert tree(root) == clean(root)


def test_a_selection_builds_nothing_else(root: Path) -> None:
    run(root)
    edit(root, "regression.py", "loss huber 9\n")
    edit(root, "vision/box.py", "loss giou 9\n")
    result = run(root, selection=("gi*",))
    assert status(result) == {"giou": "built"}
    assert b"'9'" not in tree(root)["torch/regression.py"]
    assert status(run(root, selection=("specs/vision/",))) == {"giou": "unchanged"}
    assert status(run(root)) == {"huber": "built", "giou": "unchanged"}
    assert tree(root) == clean(root)


def test_a_selection_from_nothing_is_a_part_of_the_whole(root: Path) -> None:
    run(root, selection=("giou",))
    assert "torch/regression.py" not in tree(root)
    run(root)
    assert tree(root) == clean(root)


def test_nothing_matched(root: Path, tmp_path: Path) -> None:
    run(root)
    assert run(root, selection=("hubber",)).nothing_matched
    assert not run(root, selection=("huber",)).nothing_matched
    assert not run(root).nothing_matched


def test_warnings_are_repeated_while_nothing_changes(root: Path) -> None:
    edit(root, "regression.py", "only huber numpy\nloss mse 2\n")
    first, second = run(root), run(root)
    assert codes(first) == codes(second) == ["LC301"]
    assert first.diagnostics == second.diagnostics
    assert b"huber" in tree(root)["numpy/__init__.py"]
    assert b"huber" not in tree(root)["torch/__init__.py"]
    assert {loss.name: loss.targets for loss in second.losses}["huber"] == ("numpy",)


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
    assert not (root / "generated/.build").exists()
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


# ---- hand edits, foreign files, full and read-only disks ----


def test_a_hand_edit_is_refused_until_forced(root: Path) -> None:
    run(root)
    before = tree(root)
    edited = root / "generated/torch/regression.py"
    edited.write_text("mine")
    for _ in range(2):
        result = run(root)
        assert codes(result) == ["LC501"]
        assert edited.read_text() == "mine"
    edit(root, "regression.py", "loss huber 7\nloss mse 2\n")
    result = run(root)
    assert codes(result) == ["LC501"]
    assert edited.read_text() == "mine"
    assert b"'7'" in tree(root)["numpy/regression.py"]
    edit(root, "regression.py", SPECS["regression.py"])
    assert codes(run(root, force=True)) == []
    assert tree(root) == before


def test_a_hand_edit_that_is_undone_is_forgotten(root: Path) -> None:
    run(root)
    edited = root / "generated/torch/regression.py"
    text = edited.read_text()
    edited.write_text("mine")
    run(root)
    edited.write_text(text)
    assert codes(run(root)) == []
    assert set(status(run(root)).values()) == {"unchanged"}
    assert tree(root) == clean(root)


def test_an_edited_file_of_a_removed_spec_is_not_removed(root: Path) -> None:
    run(root)
    (root / "generated/torch/regression.py").write_text("mine")
    edit(root, "vision/box.py", "loss giou 3\n")
    (root / "specs/regression.py").unlink()
    for _ in range(2):
        assert codes(run(root)) == ["LC501"]
        assert (root / "generated/torch/regression.py").read_text() == "mine"
    assert codes(run(root, force=True)) == []
    assert tree(root) == clean(root)


def test_a_foreign_file_is_neither_overwritten_nor_removed(root: Path) -> None:
    foreign = root / "generated/torch/regression.py"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("theirs")
    (root / "generated/notes.txt").write_text("theirs")
    for _ in range(2):
        assert codes(run(root)) == ["LC502"]
        assert foreign.read_text() == "theirs"
    assert codes(run(root, force=True)) == []
    assert foreign.read_text() != "theirs"
    assert (root / "generated/notes.txt").read_text() == "theirs"


def test_a_manifest_that_is_none_of_ours_is_refused(root: Path) -> None:
    (root / "generated").mkdir()
    (root / "generated/losses.json").write_text("<<<<<<< ours")
    assert codes(run(root)) == ["LC502"]
    assert list(tree(root)) == ["losses.json"]
    assert codes(run(root, force=True)) == []
    assert tree(root) == clean(root)


@pytest.mark.parametrize(
    ("error", "code"), [(errno.ENOSPC, "LC505"), (errno.EROFS, "LC503"), (errno.EACCES, "LC503")]
)
def test_an_error_while_writing_leaves_the_last_good_output(
    root: Path, error: int, code: str
) -> None:
    run(root)
    before = tree(root)
    edit(root, "regression.py", "loss huber 7\n")
    for step in (0, 7, 11):
        tools = fake_tools(disk=Counting(at=step, error=error))
        assert codes(build(request(root), tools)) == [code]
        assert tree(root) == before


def change(root: Path) -> Path:
    """A project that has been built, and changed since."""
    run(put(root, SPECS))
    edit(root, "regression.py", "loss huber 7\n")
    (root / "specs/vision/box.py").unlink()
    return root


def test_a_build_killed_at_any_instant_is_made_good_by_the_next(tmp_path: Path) -> None:
    disk = Counting()
    rehearsal = change(tmp_path / "rehearsal")
    build(request(rehearsal), fake_tools(disk=disk))
    every = range(0, len(disk.done), 6)  # test_outputs has all steps
    roots = {step: change(tmp_path / str(step)) for step in every}
    assert killed(build_and_die, [(request(root), step) for step, root in roots.items()])
    for root in roots.values():
        assert codes(run(root)) == []
        assert tree(root) == tree(rehearsal)


def test_builds_at_the_same_time_wait_for_each_other(root: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(run, [root] * 3))
    assert [codes(result) for result in results] == [[]] * 3
    assert sum(bool(result.written) for result in results) == 1
    assert tree(root) == clean(root)


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
