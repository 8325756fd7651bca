"""Frameworks are called in processes that end, whatever happens to them or to us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from losscompiler.crosscheck import runner, samples
from losscompiler.crosscheck.environment import UnknownNode
from losscompiler.crosscheck.processes import (
    backend_of,
    call_backends,
    parts_of,
    requests_of,
)
from losscompiler.diagnostics import Diagnostic
from tests.test_worker import is_gone

SLEEPER = "import os, pathlib, time\npathlib.Path({file!r}).write_text(str(os.getpid()))\n"


def package(root: Path, module: str) -> dict[str, Path]:
    """A package whose one module is executed when it is imported; the requests to do so."""
    folder = root / "generated" / "numpy"
    folder.mkdir(parents=True)
    for parent in (folder, folder.parent):
        (parent / "__init__.py").write_text("")
    (folder / "m.py").write_text(module)
    losses: list[dict[str, Any]] = [
        {"module": "generated.numpy.m", "name": n, "calls": []} for n in ("a", "b")
    ]
    return requests_of(root, root, {"numpy": losses, "jax": []})


def test_answers_come_by_backend_and_loss(tmp_path: Path) -> None:
    requests = package(tmp_path, "a = b = None\n")
    counted: list[int] = []
    assert list(requests) == ["numpy"]
    assert call_backends(requests, 1, counted.append) == {"numpy": {"a": [], "b": []}}
    assert counted[-1] == 2


def test_slow_backends_start_first_and_share_their_losses_out() -> None:
    losses: list[dict[str, Any]] = [{"name": str(n)} for n in range(30)]
    parts = parts_of({"numpy": losses, "torch": losses[:5], "jax": losses}, 2)
    assert list(parts) == ["jax", "jax.1", "torch", "numpy"]
    assert [backend_of(part) for part in parts] == ["jax", "jax", "torch", "numpy"]
    dealt = [loss["name"] for part in ("jax", "jax.1") for loss in parts[part]]
    assert sorted(dealt, key=int) == [loss["name"] for loss in losses]
    assert abs(len(parts["jax"]) - len(parts["jax.1"])) <= 1
    assert parts["numpy"] == losses


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("import os\nos._exit(3)\n", "stopped (exit status 3)"),
        ("import os\nos.kill(os.getpid(), 9)\n", "stopped (signal SIGKILL)"),
        ("import os\nos.write(2, b'out of luck')\nos._exit(1)\n", "out of luck"),
        ("import time\ntime.sleep(600)\n", "took longer than 2 s"),
    ],
)
def test_a_process_without_an_answer_is_a_finding(module: str, words: str, tmp_path: Path) -> None:
    found = call_backends(package(tmp_path, module), 1, limit=2.0)["numpy"]
    assert isinstance(found, Diagnostic)
    assert found.code == "LC404"
    assert words in found.message


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_none_outlives_us(how: signal.Signals, tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    requests = package(tmp_path, SLEEPER.format(file=str(marker)) + "time.sleep(600)\n")
    program = (
        "import sys; from pathlib import Path; "
        "from losscompiler.crosscheck.processes import call_backends; "
        f"call_backends({{'numpy': Path({str(requests['numpy'])!r})}}, 1)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stderr=subprocess.DEVNULL,
    ) as caller:
        patience = time.monotonic() + 30
        while not (marker.exists() and marker.read_text()) and time.monotonic() < patience:
            time.sleep(0.05)
        caller.send_signal(how)
        caller.wait(30)
    assert is_gone(int(marker.read_text()))


def test_what_the_oracle_cannot_evaluate_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UnknownNode("the oracle does not know `zeta`")

    monkeypatch.setattr(samples, "cases", refuse)
    specs = tmp_path / "specs"
    specs.mkdir()
    file = specs / "one.py"
    file.write_text(
        "from losscompiler.spec import *\n\n\n@loss\ndef f(x=Prediction()):\n    return x\n"
    )
    plan = runner._plan(file, tmp_path, specs, lambda: None, folder=tmp_path, names=None)
    (finding,) = plan.diagnostics
    assert (finding.code, finding.severity, finding.loss) == ("LC403", "warning", "f")
    assert (finding.path, finding.line) == ("specs/one.py", 4)
