"""Disks that fail: at the n-th operation the process is killed, or an error raised."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from losscompiler.building.transaction import Disk


@dataclass
class Counting(Disk):
    """Counts the operations, and does `trouble` in place of operation number `at`."""

    at: int = -1
    error: int | None = None
    done: list[str] = field(default_factory=list)
    forever: bool = False

    def step(self, name: str, path: Path) -> None:
        number = len(self.done)
        self.done.append(f"{name} {path.name}")
        if number == self.at or (self.forever and number > self.at >= 0):
            if self.error is None:
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                raise OSError(self.error, os.strerror(self.error), str(path))

    def folder(self, path: Path) -> None:
        self.step("folder", path)
        super().folder(path)

    def write(self, path: Path, data: bytes) -> None:
        half = len(data) // 2
        path.write_bytes(data[:half])  # what a full disk or a kill leaves of it
        self.step("write", path)
        path.write_bytes(data)  # without waiting for the medium: tests build often

    def sync(self, folder: Path) -> None:
        pass

    def link(self, path: Path, second: Path) -> None:
        self.step("link", path)
        super().link(path, second)

    def replace(self, path: Path, target: Path) -> None:
        self.step("replace", target)
        super().replace(path, target)

    def remove(self, path: Path) -> None:
        self.step("remove", path)
        super().remove(path)


def killed(work: Callable[..., None], calls: Sequence[tuple[object, ...]]) -> bool:
    """Makes each call in a process of its own; whether every one of them was killed."""
    process = multiprocessing.get_context("spawn").Process(target=_fork, args=(work, calls))
    process.start()
    process.join()
    return process.exitcode == 0


def _fork(work: Callable[..., None], calls: Sequence[tuple[object, ...]]) -> None:
    for call in calls:
        child = os.fork()  # this process has no threads, and one start of Python is enough
        if child == 0:
            work(*call)
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
