from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from losscompiler.worker import Outcome, Task, run_files
from tests import tasks


def run(
    folder: Path, task: Task, timeout: float = 20.0, jobs: int = 2, **files: str
) -> list[Outcome]:
    paths = [folder / f"{name}.py" for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.write_text(text)
    return run_files(paths, folder, folder, task, jobs, timeout)


def code(outcome: Outcome) -> str | None:
    return outcome.failure.code if outcome.failure else None


def test_results_come_in_the_order_of_the_paths(tmp_path: Path) -> None:
    slow_first = run(
        tmp_path, tasks.obey, a="import time; time.sleep(0.3); result = 1", b="result = 2", c=""
    )
    assert [o.value["result"] for o in slow_first] == [1, 2, None]
    assert [o.value["name"] for o in slow_first] == ["a.py", "b.py", "c.py"]
    assert slow_first[0].seconds >= 0.3


def test_no_files_start_no_process() -> None:
    assert run_files([], Path(), Path(), tasks.obey) == []


def test_a_hanging_spec_is_a_finding_and_the_others_are_done(tmp_path: Path) -> None:
    hung, good = run(tmp_path, tasks.obey, timeout=1.0, a="while True: pass", b="result = 2")
    assert hung.failure is not None
    assert (code(hung), hung.failure.path) == ("LC003", "a.py")
    assert "loading took longer than 1 s" in hung.failure.message
    assert good.value["result"] == 2


def test_the_time_limit_counts_loading_alone(tmp_path: Path) -> None:
    [outcome] = run(tmp_path, tasks.slow_work, timeout=0.5, a="1.0")
    assert outcome.value == "a.py"


def test_our_own_work_is_limited_too(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("60")
    [outcome] = run_files([path], tmp_path, tmp_path, tasks.slow_work, work_limit=0.5)
    assert code(outcome) == "LC003"
    assert outcome.failure is not None
    assert "compiling" in outcome.failure.message


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("import os; os._exit(7)", "exit status 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal SIGSEGV"),
    ],
)
def test_a_crashing_spec_is_a_finding(tmp_path: Path, text: str, how: str) -> None:
    crashed, good = run(tmp_path, tasks.obey, a=text, b="result = 2")
    assert code(crashed) == "LC004"
    assert crashed.failure is not None
    assert how in crashed.failure.message
    assert good.value["result"] == 2


def test_processes_inherit_what_was_prepared_once(tmp_path: Path) -> None:
    paths = [tmp_path / "a.py", tmp_path / "b.py"]
    for path in paths:
        path.write_text("")
    outcomes = run_files(paths, tmp_path, tmp_path, tasks.tell_prepared, prepare=tasks.prepare)
    assert [o.value for o in outcomes] == [["ready"], ["ready"]]


def test_large_files_are_begun_first(tmp_path: Path) -> None:
    run(tmp_path, tasks.tell_prepared, jobs=1, small="1", large="1" * 99, middle="1" * 9)
    began = {name: float((tmp_path / f"{name}.py").read_text()) for name in ("small", "large")}
    assert began["large"] < float((tmp_path / "middle.py").read_text()) < began["small"]


def test_a_mistake_in_the_task_is_ours(tmp_path: Path) -> None:
    [outcome] = run(tmp_path, tasks.obey, a="raise KeyError('lost')")
    assert outcome.failure is not None
    assert (code(outcome), "KeyError: 'lost'" in outcome.failure.message) == ("LC900", True)
    assert "Traceback" in outcome.failure.help


def test_printing_and_reading_specs_do_not_disturb(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = "import sys; print('noise'); result = sys.stdin.read()"
    [outcome] = run(tmp_path, tasks.obey, a=text)
    assert outcome.value["result"] == ""
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "noise\n")


def test_threads_left_by_a_spec_do_not_keep_it_alive(tmp_path: Path) -> None:
    text = "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()"
    [outcome] = run(tmp_path, tasks.obey, a=text)
    assert outcome.failure is None


def test_what_a_spec_started_ends_with_it(tmp_path: Path) -> None:
    [outcome] = run(tmp_path, tasks.leave_grandchild, timeout=1.5, a="")
    assert code(outcome) == "LC003"
    assert is_gone(int((tmp_path / "a.py").read_text()))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_build_leaves_no_process_behind(tmp_path: Path, how: signal.Signals) -> None:
    marker = tmp_path / "a.py"
    program = (
        "from pathlib import Path; from losscompiler.worker import run_files; "
        "from tests import tasks; "
        f"p = Path({str(marker)!r}); run_files([p], p.parent, p.parent, tasks.leave_grandchild)"
    )
    marker.write_text("")
    root = str(Path(__file__).parent.parent)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": root},
        stderr=subprocess.PIPE,
        text=True,
    ) as builder:
        patience = time.monotonic() + 30
        while not marker.read_text().isdigit() and time.monotonic() < patience:
            time.sleep(0.05)
        builder.send_signal(how)
        builder.wait(30)
        assert builder.stderr is not None
        shown = builder.stderr.read()
    assert is_gone(int(marker.read_text()))
    assert shown.count("Traceback") == (1 if how is signal.SIGINT else 0)  # of this process alone


def is_gone(pid: int) -> bool:
    patience = time.monotonic() + 20
    while time.monotonic() < patience:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
