"""Builds by the command line with the real compiler, on small specs."""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import losscompiler.build
from losscompiler.cli import main
from losscompiler.commands import progress
from losscompiler.request import FRAMEWORKS
from losscompiler.toolchain import Toolchain
from tests.broken import TOOLS
from tests.disks import Counting

REPOSITORY = Path(__file__).parents[1]
HEAD = "from losscompiler.spec import *\n\n\n@loss\n"
GOOD = f'''"""A small family."""

{HEAD}def doubled(x=Prediction(), y=Target()):
    """Twice the square."""
    return 2 * (x - y) ** 2
'''
AXES = f'''"""Another one."""

{HEAD}def cross(x=Prediction("class"), label=Label("class")):
    """Cross entropy."""
    k = index("class")
    return log(Sum(exp(x[k]), k)) - x[label]
'''


class Run:
    """A call of the command line: its exit status and its two streams."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> Run:
        self.status = main(arguments)
        self.out, self.err = self.capsys.readouterr()
        return self

    @property
    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for finding in self.answer["diagnostics"]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


def start(folder: Path, targets: str = '"numpy"') -> Path:
    (folder / "specs").mkdir(parents=True)
    (folder / "specs" / "good.py").write_text(GOOD)
    (folder / "specs" / "axes.py").write_text(AXES)
    (folder / "pyproject.toml").write_text(f"[tool.losscompiler]\ntargets = [{targets}]\n")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two families, built and cross-validated for NumPy."""
    root = start(tmp_path_factory.mktemp("built"))
    done = subprocess.run(command("build"), cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cross-validated in numpy; no mistakes found" in done.stderr, done.stderr
    return root


@pytest.fixture
def project(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the built project, as the current folder."""
    copy = tmp_path / "project"
    shutil.copytree(built, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same project, not built, as the current folder."""
    root = start(tmp_path / "empty")
    monkeypatch.chdir(root)
    return root


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "losscompiler", *arguments]


def tree(root: Path) -> dict[str, bytes]:
    out = root / "generated"
    files = (p for p in out.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def only_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without any framework."""
    for name in ("torch", "tensorflow", "jax"):
        monkeypatch.setitem(FRAMEWORKS, name, ("no_such_framework",))


# ---- what a build is ----------------------------------------------------------------------------


def test_output_is_the_same_whatever_the_hash_seed_folder_and_number_of_jobs(
    tmp_path: Path,
) -> None:
    targets = '"numpy", "torch", "tensorflow", "jax"'
    roots = [start(tmp_path / name, targets) for name in ("one", "another/deeper")]
    for root, seed in zip(roots, "01", strict=True):
        shutil.copy(REPOSITORY / "specs" / "segmentation.py", root / "specs")
        done = subprocess.run(
            command("build", "--no-verify", "--jobs", str(1 + int(seed))),
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    first, second = map(tree, roots)
    assert len(first) > 30
    assert first == second


def test_a_build_with_nothing_to_do_takes_less_than_a_third_of_a_second(project: Path) -> None:
    before = tree(project)
    used = []
    for _ in range(3):
        start = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command("build"), capture_output=True, text=True)
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0
        assert "0 written" in done.stderr
        used.append(end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime)
    assert min(used) < 0.3
    assert tree(project) == before


def test_a_new_project_needs_no_framework(
    tmp_path: Path, run: Run, only_numpy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    assert run("init").status == 0
    assert run("build").status == 0, run.err
    assert run.out.split()[:5] == ["huber", "numpy", "torch", "tensorflow", "jax"]
    for phase in ("Compiling: 1 of 1", "Choosing calls: 1 of 1", "Calling numpy: 1 of 1"):
        assert phase in run.err
    assert "Comparing with exact results: 1 of 1" in run.err
    assert "cross-validated in numpy; not installed: torch, tensorflow, jax" in run.err
    assert run("build", "--check").status == 0
    assert run("build", "--json").answer["result"]["losses"][0]["status"] == "unchanged"
    assert run("verify", "--require", "torch").status == 4
    assert "pip install 'losscompiler[torch]'" in run.err
    assert run("verify", "--target", "jax").status == 4


def test_what_a_broken_compiler_prints_is_not_written(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("good", "axes"):
        spec = project / "specs" / f"{name}.py"
        spec.write_text(spec.read_text() + "\n# changed\n")
    before = tree(project)
    monkeypatch.setattr(losscompiler.build, "Toolchain", lambda: TOOLS)
    assert run("build", "--force", "--json").status == 1
    (finding,) = run.answer["diagnostics"]
    assert (finding["code"], finding["loss"]) == ("LC401", "doubled")
    assert (finding["path"], finding["line"]) == ("specs/good.py", 6)
    assert "value_and_grad of `x`" in finding["message"]
    statuses = {one["name"]: one["status"] for one in run.answer["result"]["losses"]}
    assert statuses == {"cross": "built", "doubled": "failed"}
    rows = run.answer["result"]["reports"]  # the code of `cross` is what it was
    assert {row["loss"]: row["ok"] for row in rows} == {"doubled": False}
    after = tree(project)
    assert {name for name in after if after[name] != before[name]} == {"losses.json"}
    assert not (project / "generated" / ".build").exists()


# ---- verify -------------------------------------------------------------------------------------


def test_verify_checks_what_stands_there(project: Path, run: Run) -> None:
    assert run("verify").status == 0
    assert run.out.endswith("PASS 4 of 4\n")
    assert "numpy   float64" in run.out
    module = project / "generated" / "numpy" / "good.py"
    module.write_text(module.read_text().replace("2 * ", "3 * "))
    assert run("verify", "doubled", "--json").status == 1
    assert run.codes == ["LC401"]
    rows = run.answer["result"]["reports"]
    assert [(row["loss"], row["dtype"], row["ok"]) for row in rows] == [
        ("doubled", "float64", False),
        ("doubled", "float32", False),
    ]
    assert rows[0]["failures"]
    assert [one["status"] for one in run.answer["result"]["losses"]] == ["failed"]
    assert run("build").status == 1  # it was edited by hand
    assert "LC501" in run.out


def test_verify_needs_code_of_these_losses(empty: Path, run: Run) -> None:
    assert run("verify", "--json").status == 1
    assert run.codes == ["LC504"]


def test_verify_of_nothing(project: Path, run: Run) -> None:
    assert run("verify", "dubbled").status == 3
    assert "no loss matches" in run.err


def test_verify_tells_that_the_spec_has_changed(project: Path, run: Run) -> None:
    spec = project / "specs" / "good.py"
    spec.write_text(GOOD.replace("doubled", "trebled"))
    assert run("verify", "specs/good.py", "--json").status == 1
    assert run.codes == ["LC504", "LC504"]
    changed, gone = run.answer["diagnostics"]
    assert changed["severity"] == "warning"
    assert "declares no such loss" in gone["message"]


# ---- the output folder --------------------------------------------------------------------------


def test_work_of_others_is_safe(project: Path, run: Run) -> None:
    edited = project / "generated" / "numpy" / "good.py"
    edited.write_text(edited.read_text() + "# mine\n")
    (project / "specs" / "more.py").write_text(GOOD.replace("doubled", "more"))
    foreign = project / "generated" / "numpy" / "more.py"
    foreign.write_text("# not yours\n")
    (project / "specs" / "good.py").write_text(GOOD + "\n\n# changed\n")
    assert run("build", "--no-verify", "--json").status == 1
    assert sorted(run.codes) == ["LC501", "LC502"]
    assert edited.read_text().endswith("# mine\n")
    assert foreign.read_text() == "# not yours\n"
    assert run("build", "--check").status == 1
    assert "generated/numpy/good.py was edited" in run.out
    assert run("build", "--diff").out.count("-# mine\n") == 1
    assert run("build", "--no-verify", "--force").status == 0
    assert "mine" not in edited.read_text()
    assert run("build", "--check").status == 0


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ("ENOSPC", "LC505", "No space left on device"),
        ("EROFS", "LC503", "Read-only file system"),
        ("EACCES", "LC503", "Permission denied"),
    ],
)
@pytest.mark.parametrize("step", [0, 5])
def test_a_folder_that_cannot_be_written_stays_as_it_is(
    error: str,
    code: str,
    words: str,
    step: int,
    project: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import errno

    before = tree(project)
    number = getattr(errno, error)
    disk = Counting(at=step, error=number, forever=False)
    monkeypatch.setattr(losscompiler.build, "Toolchain", lambda: Toolchain(disk=disk))
    (project / "specs" / "good.py").write_text(GOOD + "\n\n# changed\n")
    assert run("build", "--no-verify", "--json", "--force").status == 1
    assert run.codes == [code]
    assert words in run.answer["diagnostics"][0]["message"]
    assert tree(project) == before


def test_an_output_folder_that_cannot_be_made(empty: Path, run: Run) -> None:
    (empty / "file").write_text("")
    assert run("build", "--no-verify", "--json", "--out", "file/generated").status == 1
    assert run.codes == ["LC503"]


def test_a_killed_build_is_made_good_by_the_next(project: Path, run: Run) -> None:
    wanted = tree(project)
    shutil.rmtree(project / "generated")
    with subprocess.Popen(command("build"), stderr=subprocess.DEVNULL) as building:
        await_(lambda: (project / "generated" / ".build").exists())
        building.kill()
    assert not (project / "generated" / "losses.json").exists()
    assert run("build", "--no-verify").status == 0
    assert tree(project) == wanted


# ---- processes ----------------------------------------------------------------------------------


def await_(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def marked(mark: str) -> Iterator[int]:
    """The processes that inherited an environment variable."""
    for folder in Path("/proc").iterdir():
        try:
            inherited = folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes()
        except OSError:  # ended, or somebody else's
            continue
        if inherited:
            yield int(folder.name)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_build_leaves_no_process_behind(
    how: signal.Signals, empty: Path, tmp_path: Path
) -> None:
    mark = f"{tmp_path}/{how.name}"
    (empty / "specs" / "slow.py").write_text(
        f"{HEAD}def slow(x=Prediction()):\n"
        "    import pathlib, subprocess, sys, time\n"
        "    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    pathlib.Path('started').write_text('')\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        command("build"),
        env={**os.environ, "MARK": mark},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as building:
        await_(lambda: (empty / "started").exists())
        assert len(list(marked(mark))) >= 4
        os.killpg(building.pid, how)
        building.wait(30)
    await_(lambda: not list(marked(mark)))
    expected = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
    assert building.returncode == expected[how]
    assert not (empty / "generated" / "losses.json").exists()


# ---- bad input ----------------------------------------------------------------------------------

BAD = {
    "unknown": ("LC002", "def f_unknown(x=Prediction()):\n    return sofmax(x)\n"),
    "sizes": (
        "LC108",
        'def f_sizes(x=Prediction("class"), y=Target("item")):\n'
        '    k = index("class")\n    return Sum(x[k] * y[k], k)\n',
    ),
    "outside": ("LC107", 'def f_outside(x=Prediction("class")):\n    return x[-1]\n'),
    "shifted": (
        "LC131",
        'def f_shifted(x=Prediction("time")):\n'
        '    t = index("time")\n    return Sum(x[t + 1], t)\n',
    ),
    "complex": ("LC121", "def f_complex(x=Prediction()):\n    return x * sqrt(-1)\n"),
    "raw": (
        "LC113",
        'def f_raw(x=Prediction("class")):\n    import sympy\n\n    k = index("class")\n'
        "    return Sum(sympy.Piecewise((x[k], x[k] > 0), (0, True)), k)\n",
    ),
    "nothing": ("LC103", "def f_nothing(y=Target()):\n    return y\n"),
    "twice": ("LC005", "def doubled(x=Prediction()):\n    return x**2\n"),
    "hangs": ("LC003", "def f_hangs(x=Prediction()):\n    while True:\n        pass\n"),
    "raises": ("LC002", "def f_raises(x=Prediction()):\n    raise RuntimeError('no')\n"),
    "parse": ("LC001", "def f_parse(x=Prediction():\n"),
    "dies": ("LC004", "def f_dies(x=Prediction()):\n    import os\n\n    os._exit(3)\n"),
    "prints": ("LC006", "def f_prints(x=Prediction()):\n    print('{}')\n    return x**2\n"),
}


def test_every_bad_spec_gets_its_code_and_keeps_no_good_one_from_being_built(
    empty: Path, run: Run
) -> None:
    with (empty / "pyproject.toml").open("a") as config:
        config.write("spec-timeout = 5\n")
    for name, (_, text) in BAD.items():
        (empty / "specs" / f"x_{name}.py").write_text(HEAD + text)
    assert run("build", "--no-verify", "--json").status == 1
    found = {(d["path"], d["code"]): d for d in run.answer["diagnostics"]}
    assert set(found) == {(f"specs/x_{name}.py", code) for name, (code, _) in BAD.items()}
    assert all(d["message"] and "Traceback" not in d["message"] for d in found.values())
    assert all(d["help"] for (path, _), d in found.items() if "raises" not in path)
    assert all(d["frame"] for d in found.values() if d["line"])
    statuses = {(one["name"], one["status"]) for one in run.answer["result"]["losses"]}
    assert {(name, "built") for name in ("doubled", "cross", "f_prints")} < statuses
    assert ("doubled", "failed") in statuses
    out = empty / "generated" / "numpy"
    assert sorted(p.stem for p in out.glob("[a-z]*.py")) == ["axes", "good", "x_prints"]
    assert run("build", "--no-verify").status == 1
    assert "Traceback" not in run.out + run.err
    assert "LC002 unknown symbol `sofmax`" in run.out


def test_a_constant_index_outside_an_array_is_an_error_of_the_call(
    empty: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for spec in (empty / "specs").iterdir():
        spec.unlink()
    text = 'def corner(box=Prediction("coordinate")):\n    return box[5] ** 2\n'
    (empty / "specs" / "corners.py").write_text(HEAD + text)
    assert run("build", "--no-verify", "--out", "corners").status == 0
    monkeypatch.syspath_prepend(str(empty))
    module = importlib.import_module("corners.numpy")
    assert module.corner([0.0] * 5 + [3.0]) == 9
    with pytest.raises(ValueError, match="coordinate"):
        module.corner([0.0] * 4)


# ---- show ---------------------------------------------------------------------------------------


def test_show_tells_what_the_compiler_made_of_a_loss(empty: Path, run: Run) -> None:
    assert run("show", "cross", "--stage", "value").status == 0
    assert run.out == (
        "# cross: value\n"
        "input x[class]: float\n"
        "input label: int\n"
        "t0 = x[class] at class = label\n"
        "t1 = logsumexp over class: x[class]\n"
        "cross = t1 - t0\n"
    )
    assert run("show", "doubled", "--stage", "gradient", "--json").status == 0
    (told,) = run.answer["result"]["losses"]
    kernel = told["kernels"]["vjp"]
    assert [i["name"] for i in kernel["inputs"]] == ["x", "y", "cotangent"]
    assert [o["name"] for o in kernel["outputs"]] == ["x_gradient"]
    assert run("show", "cross", "--stage", "graph").out.count("# cross: ") == 5
    assert run("show", "cross", "--stage", "hessian").out.count("# cross: ") == 2
