"""Changes the output folder so that it always holds the old output or the new one.

All new files are first written next to the old ones, in `.build`, where every old file about to be
touched gets a second link. Then a journal names the files, they are swapped one by one, and the
removal of the journal is the commit. Whatever fails before that, the disk, the power or the
process, is undone by `recover`, at once or by the next build, with renames and removals alone.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from losscompiler.building.locking import lock
from losscompiler.building.outputs import digest, digest_of
from losscompiler.diagnostics import Diagnostic

WORK_FOLDER = ".build"
FULL = (errno.ENOSPC, errno.EDQUOT)


class Unwritable(Exception):
    """The output folder could not be written; the last good output is still there."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        """Carries the finding that says why."""
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


@contextmanager
def _reported(out: Path) -> Iterator[None]:
    """Turns an error of the system into the finding about the output folder."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        code, message, help = (
            "LC503",
            f"cannot write {out.name}/: {reason}",
            "check its permissions, or choose another folder with --out",
        )
        if error.errno in FULL:
            code, message, help = (
                "LC505",
                f"no space left to write {out.name}/: {reason}",
                "free some space and build again; the last good output is still there",
            )
        raise Unwritable(Diagnostic(code, message, path=out.name, help=help)) from error


class Disk:
    """The operations that change files: tests put one in its place that fails, or is killed."""

    def folder(self, path: Path) -> None:
        """Makes one folder."""
        path.mkdir()

    def write(self, path: Path, data: bytes) -> None:
        """Writes a new file, down to the medium."""
        with path.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())

    def link(self, path: Path, second: Path) -> None:
        """Gives a file a second name, or makes a copy where file systems cannot."""
        try:
            second.hardlink_to(path)
        except OSError as error:
            if error.errno in FULL:
                raise
            shutil.copy2(path, second)

    def replace(self, path: Path, target: Path) -> None:
        """Renames a file, in place of the target if there is one."""
        path.replace(target)

    def remove(self, path: Path) -> None:
        """Removes a file."""
        path.unlink()

    def sync(self, folder: Path) -> None:
        """Makes renames and removals in a folder last; systems that cannot do without."""
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@contextmanager
def opened(out: Path, disk: Disk) -> Iterator[None]:
    """Holds the output folder alone, recovered from whatever stopped an earlier build."""
    with ExitStack() as stack:
        with _reported(out):
            stack.callback(_remove_if_empty, out)
            stack.enter_context(lock(out / WORK_FOLDER))
            recover(out, disk)
        stack.callback(_clear, out / WORK_FOLDER)
        yield


def interrupted(out: Path) -> bool:
    """Whether an earlier build left something to undo or to clear away."""
    work = out / WORK_FOLDER
    return any((work / name).exists() for name in ("journal", "new", "old", "trial"))


@contextmanager
def staged(out: Path, wanted: Mapping[str, bytes], kept: Iterable[str]) -> Iterator[Path]:
    """A folder that holds the output as it would become, as the package `generated`."""
    folder = out / WORK_FOLDER / "trial"
    with _reported(out):
        for path, data in wanted.items():
            target = folder / "generated" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        for path in kept:
            target = folder / "generated" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(out / path, target)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit(out: Path, writes: Mapping[str, bytes], removes: Sequence[str], disk: Disk) -> None:
    """Writes and removes files, all or none; raises `Unwritable` if that cannot be done.

    The last of `writes` takes effect last. Needs the folder to be `opened`.
    """
    with _reported(out):
        try:
            _prepare(out, writes, removes, disk)
            _swap(out, list(writes), removes, disk)
            disk.remove(out / WORK_FOLDER / "journal")
            disk.sync(out / WORK_FOLDER)
        except BaseException:  # Ctrl-C too
            recover(out, disk)
            raise
    for folder in sorted(_parents(removes), key=lambda parent: -len(parent.parts)):
        _remove_if_empty(out / folder)


def _prepare(out: Path, writes: Mapping[str, bytes], removes: Sequence[str], disk: Disk) -> None:
    """Everything that needs space or may fail, up to the journal that `recover` reads."""
    work = out / WORK_FOLDER
    for path, data in writes.items():
        _make_folders(work / "new", path, disk)
        disk.write(work / "new" / path, data)
    for path in (*writes, *removes):
        if (out / path).exists():
            _make_folders(work / "old", path, disk)
            disk.link(out / path, work / "old" / path)
    new = {path: digest(data) for path, data in writes.items()} | dict.fromkeys(removes)
    journal = {
        "entries": [{"path": p, "old": digest_of(out / p), "new": n} for p, n in new.items()],
        "folders": [p.as_posix() for p in _parents(writes) if not (out / p).is_dir()],
    }
    disk.write(work / "journal.new", json.dumps(journal).encode())
    disk.replace(work / "journal.new", work / "journal")
    disk.sync(work)


def _swap(out: Path, writes: list[str], removes: Sequence[str], disk: Disk) -> None:
    for folder in _parents(writes):
        if not (out / folder).is_dir():
            disk.folder(out / folder)
    *first, last = writes
    for path in first:
        disk.replace(out / WORK_FOLDER / "new" / path, out / path)
    for path in removes:
        disk.remove(out / path)
    for folder in _parents((*writes, *removes)):
        disk.sync(out / folder)
    disk.replace(out / WORK_FOLDER / "new" / last, out / last)
    disk.sync(out)


def recover(out: Path, disk: Disk) -> None:
    """Undoes a commit that was stopped, using its journal, and clears away what it left.

    Files changed by hand since then are left as they are.
    """
    work = out / WORK_FOLDER
    if (work / "journal").exists():
        journal = json.loads((work / "journal").read_text())
        for entry in reversed(journal["entries"]):
            target, backup = out / entry["path"], work / "old" / entry["path"]
            if digest_of(target) != entry["new"] or entry["new"] == entry["old"]:
                continue
            if entry["old"] is None:
                disk.remove(target)
            else:
                disk.replace(backup, target)
        for folder in reversed(journal["folders"]):
            _remove_if_empty(out / folder)
        disk.sync(out)
        disk.remove(work / "journal")
    _clear(work)


def _clear(work: Path) -> None:
    if (work / "journal").exists():  # could not be undone now: the next build will
        return
    for name in ("new", "old", "trial"):
        shutil.rmtree(work / name, ignore_errors=True)
    (work / "journal.new").unlink(missing_ok=True)


def _parents(paths: Iterable[str]) -> list[Path]:
    """All folders above the paths, outer ones first."""
    return sorted({parent for path in paths for parent in Path(path).parents if parent.name})


def _make_folders(base: Path, path: str, disk: Disk) -> None:
    for folder in (base, *(base / parent for parent in _parents([path]))):
        if not folder.is_dir():
            disk.folder(folder)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # it holds something, or is gone
        folder.rmdir()
