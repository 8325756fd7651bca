"""Runs a task on every spec file in a process of its own, so that no spec can hang or crash us.

    this process  --pickled request-->  foreman  --fork, one per file-->  children
                  <--one frame per file--        <--"loaded", result--

The foreman is a fresh interpreter: it imports what the task needs (SymPy) once, has no threads, and
so may fork safely, which this process may not (JAX, progress displays). Only plain data comes back.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any

from losscompiler.diagnostics import Diagnostic
from losscompiler.selection import relative

Task = Callable[[Path, Path, Path, Callable[[], None]], Any]
"""`task(path, root, specs_root, loaded)`: calls `loaded()` once the spec is; returns plain data."""

WORK_LIMIT = 300.0  # seconds for our own part: far above any file, it only bounds a compiler bug
GARBAGE = 1_000_000  # new objects before a search for cycles, which expressions hardly have
EXPRESSIONS = "50000"  # that SymPy remembers of each kind; its default of 1000 forgets too early
_LOADED, _RESULT, _FAULT = b"L", b"R", b"F"
_ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
_METHOD = "fork" if "fork" in get_all_start_methods() else "spawn"


@dataclass(frozen=True)
class Outcome:
    """What became of one file: the task's value, or the finding that says why there is none."""

    path: Path
    value: Any = None
    failure: Diagnostic | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class _Request:
    """What the foreman is asked to do."""

    paths: tuple[Path, ...]
    root: Path
    specs_root: Path
    task: Task
    jobs: int
    timeout: float
    work_limit: float
    doing: str
    prepare: Callable[[], object] | None


def run_files(
    paths: Sequence[Path],
    root: Path,
    specs_root: Path,
    task: Task,
    jobs: int = 0,
    timeout: float = 60.0,
    *,
    work_limit: float = WORK_LIMIT,
    doing: str = "compiling",
    prepare: Callable[[], object] | None = None,
    progress: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Runs the task on every file, `jobs` at once (0: one per core); outcomes in the order given.

    `timeout` limits the loading of a spec alone; the rest of the task, which findings call
    `doing`, may take `work_limit`. `prepare` is called once, before processes are forked that
    inherit what it leaves behind. Large files, which tend to take longest, are begun first.
    """
    if not paths:
        return []
    jobs = jobs or os.cpu_count() or 1
    request = _Request(
        tuple(paths), root, specs_root, task, jobs, timeout, work_limit, doing, prepare
    )
    outcomes: dict[int, Outcome] = {}
    foreman = _start_foreman()
    assert foreman.stdin is not None
    assert foreman.stdout is not None
    try:
        with suppress(BrokenPipeError):  # told below, with the foreman's own words on stderr
            pickle.dump(request, foreman.stdin)
            foreman.stdin.flush()
        for number, outcome in _frames(foreman.stdout):
            outcomes[number] = outcome
            progress(outcome)
    finally:
        with suppress(BrokenPipeError):
            foreman.stdin.close()  # the foreman takes this as the order to stop its children
        foreman.stdout.close()
        foreman.wait()
    if len(outcomes) < len(paths):
        raise RuntimeError(f"the worker process stopped early (exit status {foreman.returncode})")
    return [outcomes[number] for number in range(len(paths))]


def _start_foreman() -> subprocess.Popen[bytes]:
    # `-P` keeps the current folder off the path: in a folder that contains `numpy/`, as generated
    # code has, `import numpy` would find that. What the caller can import, the foreman must too.
    environment = {
        "SYMPY_CACHE_SIZE": EXPRESSIONS,
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [sys.executable, "-P", "-c", "from losscompiler.worker import _foreman; _foreman()"]
    # In a session of its own, it outlives a signal to our process group for as long as it takes to
    # end its children; it learns of our end, whatever brings it, from the end of its input.
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )


def _frames(stream: IO[bytes]) -> Iterator[tuple[int, Outcome]]:
    while True:
        try:
            yield pickle.load(stream)
        except EOFError:
            return


@dataclass(frozen=True)
class _Child:
    number: int
    path: Path
    process: BaseProcess
    started: float
    deadline: float
    loaded: bool = False


def _foreman() -> None:
    """The main function of the foreman process."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    # A spec may print and may read: neither may touch the pipes to the parent.
    orders, frames = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device, not a file of ours
        os.dup2(nothing.fileno(), 0)
    request: _Request = pickle.load(orders)
    if request.prepare is not None and _METHOD == "fork":
        request.prepare()
    gc.freeze()  # no search for garbage touches, and so copies, the memory that children share
    gc.set_threshold(GARBAGE)
    for number, outcome in _supervise(request, orders):
        pickle.dump((number, outcome), frames)
        frames.flush()


def _supervise(request: _Request, orders: IO[bytes]) -> Iterator[tuple[int, Outcome]]:
    """Keeps `jobs` children running until all files are done or the parent is gone."""
    large_first = sorted(enumerate(request.paths), key=lambda item: -_size(item[1]))
    waiting = deque(large_first)
    running: dict[Connection, _Child] = {}
    stop: list[Any] = (
        [] if sys.platform == "win32" else [orders]
    )  # pipes cannot be waited for there
    try:
        while waiting or running:
            while waiting and len(running) < request.jobs:
                connection, child = _start(request, *waiting.popleft())
                running[connection] = child
            patience = min(child.deadline for child in running.values()) - time.monotonic()
            ready: list[Any] = wait([*running, *stop], max(0.0, patience))
            if orders in ready:
                return
            for connection, child in list(running.items()):
                outcome = None
                if connection in ready:
                    outcome = _hear(request, running, connection)
                elif time.monotonic() >= child.deadline:
                    outcome = _too_late(request, child)
                if outcome is not None:
                    _end(running.pop(connection), connection)
                    yield child.number, replace(outcome, seconds=time.monotonic() - child.started)
    finally:
        for connection, child in running.items():
            _end(child, connection)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0  # told by the process that is to read it


def _start(request: _Request, number: int, path: Path) -> tuple[Connection, _Child]:
    context: Any = get_context(_METHOD)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(request, path, theirs), daemon=True)
    process.start()
    theirs.close()
    now = time.monotonic()
    return ours, _Child(number, path, process, now, now + request.timeout)


def _child(request: _Request, path: Path, connection: Connection) -> None:
    """The main function of a child: does the task and tells the foreman."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)
    if hasattr(os, "setsid"):
        os.setsid()  # what a spec starts is killed with it
    try:
        loaded = lambda: connection.send_bytes(_LOADED)  # noqa: E731
        value = request.task(path, request.root, request.specs_root, loaded)
        connection.send_bytes(_RESULT + pickle.dumps(value))
    except Exception:
        connection.send_bytes(_FAULT + traceback.format_exc().encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # not through exit handlers and threads that a spec may have left


def _hear(
    request: _Request, running: dict[Connection, _Child], connection: Connection
) -> Outcome | None:
    """Takes one message of a child; an outcome if it was the last."""
    child = running[connection]
    try:
        message = connection.recv_bytes()
    except (EOFError, OSError):
        return _crashed(request, child)
    kind, body = message[:1], message[1:]
    if kind == _LOADED:
        deadline = time.monotonic() + request.work_limit
        running[connection] = replace(child, loaded=True, deadline=deadline)
        return None
    if kind == _FAULT:
        return _fault(request, child, body.decode())
    return Outcome(child.path, pickle.loads(body))


def _end(child: _Child, connection: Connection) -> None:
    """Stops a child and everything it started."""
    pid = child.process.pid
    if hasattr(os, "killpg") and pid is not None:
        with suppress(ProcessLookupError, PermissionError):  # gone, or not yet a group of its own
            os.killpg(pid, signal.SIGKILL)
    child.process.kill()
    child.process.join()
    connection.close()


def _failure(request: _Request, child: _Child, code: str, message: str, help: str) -> Outcome:
    where = relative(child.path, request.root)
    return Outcome(child.path, failure=Diagnostic(code, message, path=where, help=help))


def _too_late(request: _Request, child: _Child) -> Outcome:
    if child.loaded:
        message = f"{request.doing} took longer than {request.work_limit:g} s and was stopped"
        return _failure(
            request, child, "LC003", message, "split the file, to find which loss it is"
        )
    message = f"loading took longer than {request.timeout:g} s and was stopped"
    help = "look for an endless loop, or raise `spec_timeout` in [tool.losscompiler]"
    return _failure(request, child, "LC003", message, help)


def _crashed(request: _Request, child: _Child) -> Outcome:
    child.process.join(1.0)
    code = child.process.exitcode
    how = f"exit status {code}"
    if code is not None and code < 0:
        how = f"signal {signal.Signals(-code).name}"
    message = (
        f"Python stopped ({how}) while {request.doing if child.loaded else 'loading'} the file"
    )
    help = "look for os._exit(), endless recursion, or a lack of memory"
    return _failure(request, child, "LC004", message, help)


def _fault(request: _Request, child: _Child, trace: str) -> Outcome:
    """An exception of the task is a mistake of ours, whatever the spec says."""
    message = f"internal error of losscompiler: {trace.strip().splitlines()[-1]}"
    return _failure(request, child, "LC900", message, f"please report it, with\n{trace}")
