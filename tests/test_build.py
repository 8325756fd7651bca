"""What a build writes, and what it builds again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from losscompiler.build import build
from tests.build_project import SPECS, clean, codes, edit, put, request, run, status, tree
from tests.disks import Counting
from tests.fakes import Checker, fake_tools


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return put(tmp_path, SPECS)


# ---- what is written ----


def test_output_has_a_package_per_target_and_a_module_per_spec(root: Path) -> None:
    result = run(root)
    assert codes(result) == []
    assert sorted(tree(root)) == [
        "__init__.py",
        "losses.json",
        "numpy/__init__.py",
        "numpy/_support.py",
        "numpy/regression.py",
        "numpy/vision/__init__.py",
        "numpy/vision/box.py",
        "torch/__init__.py",
        "torch/_support.py",
        "torch/regression.py",
        "torch/vision/__init__.py",
        "torch/vision/box.py",
    ]
    assert set(result.written) == set(tree(root))
    assert status(result) == {"huber": "built", "mse": "built", "giou": "built"}


def test_manifest_has_facts_and_hashes_and_no_place_of_this_machine(root: Path) -> None:
    run(root)
    text = (root / "generated/losses.json").read_text()
    data = json.loads(text)
    assert [loss["name"] for loss in data["losses"]] == ["huber", "mse", "giou"]
    assert data["losses"][2]["path"] == "specs/vision/box.py"
    assert set(data["files"]) == set(tree(root)) - {"losses.json"}
    assert data["sources"]["specs/vision/box.py"]["imports"] == ["specs/regression.py"]
    assert str(root) not in text


def test_output_does_not_depend_on_the_hash_seed_or_the_number_of_jobs(root: Path) -> None:
    code = (
        "from pathlib import Path; from tests.build_project import *; "
        "run(Path('.'), targets=('torch', 'jax', 'numpy'), jobs=int(__import__('sys').argv[1]))"
    )
    trees = []
    for seed, jobs in (("0", "1"), ("1", "4")):
        path = os.pathsep.join(filter(None, sys.path))
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", code, jobs]
        subprocess.run(command, cwd=root, env=environment, check=True)
        trees.append(tree(root))
        for file in tree(root):
            (root / "generated" / file).unlink()
    assert trees[0] == trees[1]


# ---- what is built again ----


def test_a_build_with_nothing_to_do_compiles_nothing_and_touches_nothing(root: Path) -> None:
    run(root)
    before = {p: p.stat().st_mtime_ns for p in (root / "generated").rglob("*")}
    disk = Counting()
    result = build(request(root), replace(fake_tools(disk=disk), compile=None))  # type: ignore[arg-type]
    assert set(status(result).values()) == {"unchanged"}
    assert (result.written, result.removed, disk.done) == ((), (), [])
    assert set(result.unchanged) == set(tree(root)) - {"losses.json"}
    assert {p: p.stat().st_mtime_ns for p in (root / "generated").rglob("*")} == before


def test_a_build_with_nothing_to_do_imports_nothing_slow(root: Path) -> None:
    run(root, compiler="1")
    code = (
        "import sys; from pathlib import Path; from losscompiler.build import *; "
        "from losscompiler.building.toolchain import Toolchain; root = Path('.').resolve(); "
        "r = build(BuildRequest(root / 'specs', root / 'generated', targets=('numpy', 'torch')), "
        "Toolchain(compiler=lambda: '1')); "
        "assert {l.status for l in r.losses} == {'unchanged'}, r; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'sympy', 'numpy', 'torch', 'tensorflow', 'jax', 'keras', 'rich', 'jinja2', 'mpmath'}))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, check=True, stdout=subprocess.PIPE
    )
    assert done.stdout.decode().strip() == "[]"


def test_only_a_changed_spec_and_those_that_import_it_are_built(root: Path) -> None:
    run(root)
    checker = Checker()
    edit(root, "vision/box.py", "loss giou 4\nimport regression.py\n")
    assert status(run(root, checker)) == {"huber": "unchanged", "mse": "unchanged", "giou": "built"}
    assert checker.asked == [["giou"]]
    edit(root, "regression.py", "loss huber 5\nloss mse 2\n")
    assert set(status(run(root, checker)).values()) == {"built"}
    assert checker.asked[1] == ["giou", "huber", "mse"]
    assert tree(root) == clean(root)


def test_a_changed_helper_builds_what_imports_it_and_has_no_module(root: Path) -> None:
    edit(root, "_options.py", "helper 1\n")
    edit(root, "vision/box.py", "loss giou 3\nimport _options.py\n")
    run(root)
    assert not [path for path in tree(root) if "_options" in path]
    edit(root, "_options.py", "helper 2\n")
    assert status(run(root)) == {"huber": "unchanged", "mse": "unchanged", "giou": "built"}
    assert tree(root) == clean(root)


def test_a_changed_compiler_builds_everything_and_verifies_what_differs(root: Path) -> None:
    run(root)
    checker = Checker()
    assert set(status(run(root, checker, compiler="2")).values()) == {"built"}
    assert checker.asked == []
    assert status(run(root, compiler="2"))["huber"] == "unchanged"


def test_a_lost_file_is_written_again(root: Path) -> None:
    run(root)
    before = tree(root)
    for path in ("torch/regression.py", "numpy/_support.py", "__init__.py"):
        (root / "generated" / path).unlink()
    assert set(run(root).written) == {"torch/regression.py", "numpy/_support.py", "__init__.py"}
    assert tree(root) == before


def test_a_file_with_equal_bytes_is_not_touched(root: Path) -> None:
    run(root)
    same = root / "generated/torch/vision/box.py"
    os.utime(same, ns=(1, 1))
    edit(root, "regression.py", "loss huber 5\n")
    edit(root, "vision/box.py", SPECS["vision/box.py"] + "\n")
    edit(root, "vision/box.py", "loss giou 3\n")
    run(root)
    os.utime(same, ns=(1, 1))
    edit(root, "vision/box.py", "loss giou 3\n\n")
    result = run(root)
    assert status(result)["giou"] == "built"
    assert same.stat().st_mtime_ns == 1
    assert result.written == ("losses.json",)


def test_a_removed_spec_takes_its_output_along(root: Path) -> None:
    run(root)
    (root / "specs/vision/box.py").unlink()
    result = run(root)
    assert "torch/vision/box.py" in result.removed
    assert not (root / "generated/torch/vision").exists()
    assert tree(root) == clean(root)


def test_the_last_spec_takes_everything_along(root: Path) -> None:
    run(root)
    for path in (root / "specs").rglob("*.py"):
        path.unlink()
    run(root)
    assert list(tree(root)) == ["losses.json"]


def test_a_target_is_built_without_touching_the_others(root: Path) -> None:
    run(root)
    numpy = {name: data for name, data in tree(root).items() if name.startswith("numpy/")}
    edit(root, "regression.py", "loss huber 9\n")
    (root / "specs/vision/box.py").unlink()
    run(root, targets=("torch",))
    assert {k: v for k, v in tree(root).items() if k.startswith("numpy/")} == numpy
    assert "torch/vision/box.py" not in tree(root)
    assert status(run(root, targets=("torch",))) == {"huber": "unchanged"}
    run(root)
    assert tree(root) == clean(root)


def test_a_new_target_is_added(root: Path) -> None:
    run(root, targets=("numpy",))
    assert set(status(run(root)).values()) == {"built"}
    assert tree(root) == clean(root)


def test_a_selection_builds_nothing_else(root: Path) -> None:
    run(root)
    edit(root, "regression.py", "loss huber 9\n")
    edit(root, "vision/box.py", "loss giou 9\n")
    result = run(root, selection=("gi*",))
    assert status(result) == {"giou": "built"}
    assert b"'9'" not in tree(root)["torch/regression.py"]
    assert status(run(root, selection=("specs/vision/",))) == {"giou": "unchanged"}
    assert status(run(root)) == {"huber": "built", "giou": "unchanged"}
    assert tree(root) == clean(root)


def test_a_selection_from_nothing_is_a_part_of_the_whole(root: Path) -> None:
    run(root, selection=("giou",))
    assert "torch/regression.py" not in tree(root)
    run(root)
    assert tree(root) == clean(root)


def test_nothing_matched(root: Path, tmp_path: Path) -> None:
    run(root)
    assert run(root, selection=("hubber",)).nothing_matched
    assert not run(root, selection=("huber",)).nothing_matched
    assert not run(root).nothing_matched


def test_warnings_are_repeated_while_nothing_changes(root: Path) -> None:
    edit(root, "regression.py", "only huber numpy\nloss mse 2\n")
    first, second = run(root), run(root)
    assert codes(first) == codes(second) == ["LC301"]
    assert first.diagnostics == second.diagnostics
    assert b"huber" in tree(root)["numpy/__init__.py"]
    assert b"huber" not in tree(root)["torch/__init__.py"]
    assert {loss.name: loss.targets for loss in second.losses}["huber"] == ("numpy",)
