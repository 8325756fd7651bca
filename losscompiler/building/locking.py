"""A lock between processes that the end of a process releases, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _wait_for(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _wait_for(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Holds `folder/lock`, waiting for whoever has it; the folder is made and, if empty, removed.

    The file is removed while it is held, so a process that waited for it may have got a lock on a
    file that is gone: then it tries again.
    """
    handle = _acquire(folder / "lock")
    try:
        yield
    finally:
        with suppress(OSError):  # somebody else waits in the folder already
            (folder / "lock").unlink()
            folder.rmdir()
        os.close(handle)


def _acquire(path: Path) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the folder was removed since
            continue
        except OSError:
            with suppress(OSError):
                path.parent.rmdir()
            raise
        _wait_for(handle)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)
