"""Runs the harness for several backends at once, and lets none of them outlive this process."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losscompiler.diagnostics import Diagnostic

TIME_LIMIT = 1800.0  # seconds for all calls of one backend
_PAUSE = 0.05
_SLOWEST = ("jax", "tensorflow", "torch")  # these start first, so that none is left at the end
_WORTH_A_PROCESS = 12  # losses: frameworks take seconds to import


@dataclass(frozen=True)
class _Running:
    """A harness at work. It ends itself when its standard input, a pipe from us, is closed."""

    backend: str
    request: Path
    process: subprocess.Popen[bytes]
    deadline: float

    def file(self, kind: str) -> Path:
        return self.request.with_suffix(f".{kind}")


def call_backends(
    requests: Mapping[str, Path],
    jobs: int,
    progress: Callable[[int], None] = lambda done: None,
    limit: float = TIME_LIMIT,
) -> dict[str, dict[str, Any] | Diagnostic]:
    """The answers to the requests, by their keys; a finding where a process stopped without any.

    `progress` is told how many losses have been called, over all backends.
    """
    waiting = deque(requests.items())
    running: list[_Running] = []
    found: dict[str, dict[str, Any] | Diagnostic] = {}
    try:
        while waiting or running:
            while waiting and len(running) < (jobs or os.cpu_count() or 1):
                backend, request = waiting.popleft()
                running.append(_start(backend, request, time.monotonic() + limit))
            time.sleep(_PAUSE)
            for one in list(running):
                if one.process.poll() is not None:
                    found[one.backend] = _answer(one)
                elif time.monotonic() >= one.deadline:
                    found[one.backend] = _stopped(one, f"took longer than {limit:g} s")
                else:
                    continue
                running.remove(one)
                _end(one)
            progress(sum(_done(request) for request in requests.values()))
    finally:
        for one in running:
            _end(one)
    return {backend: found[backend] for backend in requests}


def _start(backend: str, request: Path, deadline: float) -> _Running:
    # `-P`: neither this package's folder nor the current one may stand in a framework's way.
    command = [sys.executable, "-P", str(Path(__file__).with_name("harness.py")), str(request)]
    with request.with_suffix(".errors").open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=request.parent,
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
    return _Running(backend, request, process, deadline)


def _end(one: _Running) -> None:
    """Stops a harness, if it still runs, with everything it started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(one.process.pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        one.process.kill()
    if one.process.stdin is not None:
        one.process.stdin.close()
    one.process.wait()


def _answer(one: _Running) -> dict[str, Any] | Diagnostic:
    code = one.process.returncode
    if code or not one.file("answer").exists():
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return _stopped(one, f"stopped ({how})")
    result: dict[str, Any] = pickle.loads(one.file("answer").read_bytes())
    return result


def _stopped(one: _Running, how: str) -> Diagnostic:
    said = one.file("errors").read_text(errors="replace").strip().splitlines()
    return Diagnostic(
        "LC404",
        f"the process that calls the {backend_of(one.backend)} functions {how}"
        + (f": {said[-1]}" if said else ""),
        help=f"nothing is known about the {backend_of(one.backend)} code; try fewer --jobs if "
        "memory is short",
    )


def _done(request: Path) -> int:
    """How many losses a harness has called: it writes a byte for each."""
    with suppress(FileNotFoundError):
        return request.with_suffix(".progress").stat().st_size
    return 0


def requests_of(
    folder: Path, root: Path, losses: Mapping[str, Iterable[dict[str, Any]]]
) -> dict[str, Path]:
    """Writes down what to call in the package `root/generated`, by backend or part of its losses.

    Those with nothing to call are skipped.
    """
    files: dict[str, Path] = {}
    for part, calls in losses.items():
        wanted = list(calls)
        if wanted:
            files[part] = folder / f"{part}.request"
            request = {"backend": backend_of(part), "root": str(root.resolve()), "losses": wanted}
            files[part].write_bytes(pickle.dumps(request))
    return files


def parts_of(losses: Mapping[str, Sequence[dict[str, Any]]], jobs: int) -> dict[str, Any]:
    """The losses of the slow backends in a part per job, the slowest backends first."""
    cores = jobs or os.cpu_count() or 1
    parts: dict[str, Any] = {}
    for backend in sorted(losses, key=lambda b: _SLOWEST.index(b) if b in _SLOWEST else 9):
        wanted = losses[backend]
        count = min(cores, len(wanted) // _WORTH_A_PROCESS) if backend in _SLOWEST else 1
        for n in range(max(count, 1)):  # dealt out like cards: neighbours are alike
            parts[f"{backend}.{n}" if n else backend] = wanted[n :: max(count, 1)]
    return parts


def backend_of(part: str) -> str:
    """The backend that a part of the losses is called in."""
    return part.partition(".")[0]
