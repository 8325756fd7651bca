from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from losscompiler.building.locking import lock
from losscompiler.building.outputs import digest, plan
from losscompiler.building.transaction import Disk, Unwritable, commit, interrupted, opened
from tests.disks import Counting, killed

OLD = {"keep.py": b"same", "sub/change.py": b"old", "sub/gone.py": b"gone", "facts.json": b"{}"}
NEW = {"deep/er/add.py": b"add", "sub/change.py": b"new", "facts.json": b"{1}"}
GONE = ("sub/gone.py",)
AFTER = {"keep.py": b"same", **NEW}


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return put(tmp_path / "generated", OLD)


def write(out: Path, disk: Disk) -> None:
    with opened(out, disk):
        commit(out, NEW, GONE, disk)


def steps(tmp_path: Path) -> int:
    disk = Counting()
    write(put(tmp_path / "rehearsal", OLD), disk)
    return len(disk.done)


def test_commit_writes_and_removes_and_leaves_nothing_else(out: Path) -> None:
    write(out, Disk())
    assert tree(out) == AFTER
    assert not (out / ".build").exists()


def test_removing_the_last_file_removes_the_folder(out: Path) -> None:
    with opened(out, Disk()):
        commit(out, {"facts.json": b"2"}, ["sub/gone.py", "sub/change.py"], Disk())
    assert not (out / "sub").exists()


def test_untouched_folder_is_not_left_behind(tmp_path: Path) -> None:
    with opened(tmp_path / "generated", Disk()):
        pass
    assert not (tmp_path / "generated").exists()


def test_files_that_stay_are_not_touched(out: Path) -> None:
    os.utime(out / "keep.py", ns=(1, 1))
    inode = (out / "keep.py").stat().st_ino
    write(out, Disk())
    status = (out / "keep.py").stat()
    assert (status.st_mtime_ns, status.st_ino) == (1, inode)


def test_a_build_killed_at_any_step_is_undone(tmp_path: Path) -> None:
    outs = [put(tmp_path / str(step), OLD) for step in range(steps(tmp_path))]
    assert killed(write, [(out, Counting(at=step)) for step, out in enumerate(outs)])
    assert any(tree(out) != OLD and (out / "deep/er/add.py").exists() for out in outs)
    for out in outs:
        recover_on(out, Disk())
        assert tree(out) == OLD
        assert sorted(p.name for p in out.iterdir()) == ["facts.json", "keep.py", "sub"]
        write(out, Disk())
        assert tree(out) == AFTER


def recover_on(out: Path, disk: Disk) -> None:
    with opened(out, disk):
        pass


def test_recovery_may_be_killed_too(tmp_path: Path) -> None:
    last = steps(tmp_path) - 1  # all is swapped, only the journal stands
    outs = [put(tmp_path / str(step), OLD) for step in range(5)]
    assert killed(write, [(out, Counting(at=last)) for out in outs])
    assert all(tree(out)["sub/change.py"] == b"new" for out in outs)
    assert killed(recover_on, [(out, Counting(at=step)) for step, out in enumerate(outs)])
    for out in outs:
        assert interrupted(out)
        recover_on(out, Disk())
        assert tree(out) == OLD


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errno.ENOSPC, "LC505"),
        (errno.EDQUOT, "LC505"),
        (errno.EROFS, "LC503"),
        (errno.EACCES, "LC503"),
    ],
)
def test_an_error_at_any_step_leaves_the_last_good_output(
    tmp_path: Path, error: int, code: str
) -> None:
    for step in range(steps(tmp_path)):
        out = put(tmp_path / f"{error}-{step}", OLD)
        with pytest.raises(Unwritable) as caught:
            write(out, Counting(at=step, error=error))
        assert caught.value.diagnostic.code == code
        assert tree(out) == OLD
        assert not (out / ".build").exists()


def test_a_disk_that_stays_broken_is_recovered_by_the_next_build(tmp_path: Path) -> None:
    for step in range(steps(tmp_path)):
        out = put(tmp_path / str(step), OLD)
        with pytest.raises(Unwritable):
            write(out, Counting(at=step, error=errno.EIO, forever=True))
        recover_on(out, Disk())
        assert tree(out) == OLD


def test_recovery_keeps_what_was_edited_since(tmp_path: Path) -> None:
    out = put(tmp_path / "generated", OLD)
    assert killed(write, [(out, Counting(at=steps(tmp_path) - 1))])
    (out / "sub/change.py").write_bytes(b"edited")
    recover_on(out, Disk())
    assert tree(out) == {**OLD, "sub/change.py": b"edited"}


def recorded(files: dict[str, bytes]) -> dict[str, str]:
    return {name: digest(data) for name, data in files.items()}


def test_plan_sorts_files_by_what_is_there(out: Path) -> None:
    wanted = {"keep.py": b"same", "sub/change.py": b"new", "add.py": b"add"}
    made = plan(out, wanted, ["facts.json"], recorded(OLD))
    assert made.writes == {"add.py": b"add", "sub/change.py": b"new"}
    assert (made.unchanged, made.removes, made.refused) == (("keep.py",), ("sub/gone.py",), {})
    assert made.recorded == recorded({**wanted, "facts.json": b"{}"})


def test_plan_refuses_hand_edits_and_keeps_remembering_them(out: Path) -> None:
    (out / "sub/change.py").write_bytes(b"edited")
    (out / "sub/gone.py").write_bytes(b"edited")
    made = plan(out, {"sub/change.py": b"new"}, [], recorded(OLD))
    assert {path: d.code for path, d in made.refused.items()} == {
        "sub/change.py": "LC501",
        "sub/gone.py": "LC501",
    }
    assert made.writes == {}
    assert made.recorded == recorded({k: OLD[k] for k in ("sub/change.py", "sub/gone.py")})
    forced = plan(out, {"sub/change.py": b"new"}, [], recorded(OLD), force=True)
    assert (forced.writes, forced.refused) == ({"sub/change.py": b"new"}, {})
    assert "sub/gone.py" in forced.removes


def test_plan_refuses_files_of_others(out: Path) -> None:
    made = plan(out, {"keep.py": b"new"}, [], {})
    assert made.refused["keep.py"].code == "LC502"
    assert made.recorded == {}


def test_plan_adopts_a_file_that_is_as_wanted(out: Path) -> None:
    made = plan(out, {"keep.py": b"same"}, [], {})
    assert (made.unchanged, made.refused) == (("keep.py",), {})


def test_plan_restores_a_lost_file(out: Path) -> None:
    (out / "keep.py").unlink()
    assert plan(out, {"keep.py": b"same"}, [], recorded(OLD)).writes == {"keep.py": b"same"}


def test_plan_refuses_a_folder_in_the_place_of_a_file(out: Path) -> None:
    (out / "new.py").mkdir()
    assert plan(out, {"new.py": b""}, [], {}).refused["new.py"].code == "LC502"


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "generated").write_text("mine")
    with pytest.raises(Unwritable) as caught:
        recover_on(tmp_path / "generated", Disk())
    assert caught.value.diagnostic.code == "LC503"
    assert (tmp_path / "generated").read_text() == "mine"


def test_one_build_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    inside: list[int] = []
    most: list[int] = []

    def enter(number: int) -> None:
        with lock(folder):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.02)
            inside.remove(number)

    threads = [threading.Thread(target=enter, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8
    assert not folder.exists()


def hold(folder: Path) -> None:
    with lock(folder):
        os.kill(os.getpid(), 9)


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    assert killed(hold, [(tmp_path / "work",)])
    assert (tmp_path / "work/lock").exists()
    with lock(tmp_path / "work"):
        pass
    assert not (tmp_path / "work").exists()
