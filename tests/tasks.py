"""Tasks for the worker: what honest and dishonest spec files may do to the process they run in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

Loaded = Callable[[], None]
PREPARED: list[str] = []


def prepare() -> None:
    """What forked processes inherit."""
    PREPARED.append("ready")


def tell_prepared(path: Path, root: Path, specs_root: Path, loaded: Loaded) -> list[str]:
    """What was prepared before this process, and when this one began."""
    loaded()
    path.write_text(str(time.monotonic()))
    return PREPARED


def obey(path: Path, root: Path, specs_root: Path, loaded: Loaded) -> dict[str, object]:
    """Executes the file, then reports what it defined as `result`."""
    names: dict[str, object] = {"loaded": loaded, "path": path}
    exec(compile(path.read_text(), str(path), "exec"), names)
    loaded()
    return {"name": path.name, "root": root.name, "result": names.get("result")}


def slow_work(path: Path, root: Path, specs_root: Path, loaded: Loaded) -> str:
    """Loads at once, then works for as long as the file says."""
    loaded()
    time.sleep(float(path.read_text()))
    return path.name


def kill_self(path: Path, root: Path, specs_root: Path, loaded: Loaded) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave_grandchild(path: Path, root: Path, specs_root: Path, loaded: Loaded) -> None:
    """Starts a process of its own, writes its number into the file, and hangs."""
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    path.write_text(str(started.pid))
    time.sleep(600)
