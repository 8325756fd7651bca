"""Builds by the command line with the real compiler, on small specs."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

import losscompiler.build
from losscompiler.building.request import FRAMEWORKS
from losscompiler.building.toolchain import Toolchain
from losscompiler.commands import progress
from tests.broken import TOOLS
from tests.cli import GOOD, Run, await_, command, start, tree
from tests.disks import Counting

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


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


@pytest.fixture
def only_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without any framework."""
    for name in ("torch", "tensorflow", "jax"):
        monkeypatch.setitem(FRAMEWORKS, name, ("no_such_framework",))


# ---- what a build is ----------------------------------------------------------------------------


def test_output_is_the_same_whatever_the_hash_seed_folder_and_number_of_jobs(
    tmp_path: Path,
) -> None:
    targets = '"numpy", "torch", "tensorflow", "jax", "boosting"'
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
        assert "0 files written" in done.stderr
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
    assert run.out.split()[:6] == ["huber", "numpy", "torch", "tensorflow", "jax", "boosting"]
    for phase in ("Compiling: 1 of 1", "Choosing calls: 1 of 1", "Calling numpy, boosting: 2 of 2"):
        assert phase in run.err
    assert "Comparing with exact results: 1 of 1" in run.err
    assert "cross-validated in numpy, boosting; not installed: torch, tensorflow, jax" in run.err
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
    assert [p.name for p in (project / "generated" / ".build").iterdir()] == ["verified.json"]


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
    assert run("build").status == 0
    assert tree(project) == wanted
