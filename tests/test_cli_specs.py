"""Bad specs, stopped builds and `show`, by the command line with the real compiler."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import HEAD, Run, await_, command, start


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same project, not built, as the current folder."""
    root = start(tmp_path / "empty")
    monkeypatch.chdir(root)
    return root


# ---- processes ----------------------------------------------------------------------------------


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
