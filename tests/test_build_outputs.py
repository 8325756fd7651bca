"""What a build does to the files of others, and on disks that fail."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from losscompiler.build import build
from tests.build_project import SPECS, clean, codes, edit, put, request, run, status, tree
from tests.disks import Counting, killed
from tests.fakes import build_and_die, fake_tools


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return put(tmp_path, SPECS)


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
