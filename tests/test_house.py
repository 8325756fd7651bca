"""The house rules: who may import whom, sizes, complete tables, and what generated code is."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sympy as sp

from losscompiler.backends.operators import ELEMENTARY, EXTREMA, PROVIDED
from losscompiler.backends.spelling import Spelling
from losscompiler.building.manifest import SHAPES_OUTPUT
from losscompiler.ir import operators as op
from losscompiler.passes.lower import KINKED, SCALAR_FUNCTIONS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "losscompiler"
BACKENDS = ("jax", "numpy", "tensorflow", "torch")
PACKAGES = (*BACKENDS, "boosting")
TARGET, LIMIT = 200, 400  # lines of a file
FRAMEWORKS = {"numpy": {"numpy"}, "torch": {"torch"}, "tensorflow": {"tensorflow", "keras"},
              "jax": {"jax"}, "boosting": {"numpy"}}  # fmt: skip

LEFT_OF = {
    "spec": {"spec"},
    "ir": {"spec", "ir"},
    "analysis": {"spec", "ir", "analysis"},
    "passes": {"spec", "ir", "analysis", "passes"},
    "backends": {"spec", "ir", "analysis", "passes", "backends"},
    "crosscheck": {"spec", "crosscheck"},
    "building": {"spec", "ir", "analysis", "passes", "backends", "crosscheck", "building"},
}
"""What the files of each stage may import of the other stages."""
ABOVE = ("build", "cli", "commands")
"""What only the command line imports."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """The modules of losscompiler that a file imports anywhere in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
            for name in node.names:
                yield node.lineno, f"{node.module}.{name.name}"


def stage(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "losscompiler" and len(parts) > 1 else ""


def stage_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


# ---- who imports whom -------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEFT_OF)
def test_imports_point_left(name: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {module}"
        for path in modules()
        if stage_of(path) == name
        for line, module in imported(path)
        if stage(module) in LEFT_OF and stage(module) not in LEFT_OF[name]
    ]
    assert wrong == []


def test_only_commands_import_the_build_and_the_command_line() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {module}"
        for path in modules()
        if stage_of(path) not in ("commands", "cli", "__main__")
        for line, module in imported(path)
        if stage(module) in ABOVE
    ]
    assert wrong == []


def test_the_fingerprint_of_the_compiler_covers_what_shapes_its_output() -> None:
    covered = tuple(PACKAGE / name for name in SHAPES_OUTPUT)
    assert [root for root in covered if not root.exists()] == []
    files = {".".join(("losscompiler", *p.relative_to(PACKAGE).with_suffix("").parts)): p
             for p in modules()}  # fmt: skip
    reached, new = set[Path](), [PACKAGE / "building/compilation.py"]
    while new:
        path = new.pop()
        reached.add(path)
        found = {files[module] for _, module in imported(path) if module in files}
        new += found - reached - {*new}
    outside = {p.relative_to(PACKAGE).as_posix() for p in reached
               if not any(p == root or root in p.parents for root in covered)}  # fmt: skip
    words = {"diagnostics.py", "suggest.py", "selection.py"}  # what is said, not what is built
    properties = {"building/known.py", "building/proofs.py", "building/outputs.py"}  # keys of these
    assert outside <= words | properties


def test_the_compiler_imports_what_it_needs_at_the_top() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in modules()
        if stage_of(path) in ("ir", "passes", "analysis") or path.parent == PACKAGE / "backends"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert found == []


# ---- sizes and bad habits ----------------------------------------------------------------------


def ours() -> list[Path]:
    folders = ("losscompiler", "specs", "tests")
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_file_of_the_package_is_large() -> None:
    large = {p.name: n for p in ours() if "tests" not in p.parts and (n := lines(p)) > LIMIT}
    assert large == {}


def test_files_are_small_as_a_rule() -> None:
    sizes = {str(p.relative_to(ROOT)): lines(p) for p in modules()}
    above = {name: n for name, n in sorted(sizes.items()) if n > TARGET}
    assert len(above) < len(sizes) / 4, above
    assert sum(sizes.values()) / len(sizes) < TARGET


def test_no_mistake_is_swallowed() -> None:
    found = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                named = ast.unparse(node.type) if node.type else "BaseException"
                silent = all(isinstance(s, ast.Pass | ast.Continue) for s in node.body)
                if silent and re.search(r"\b(Base)?Exception\b", named):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_templates_only_arrange() -> None:
    name = r"[a-z_]+(\.[a-z_]+)*"
    allowed = re.compile(
        rf"if {name}|else|endif|for {name} in {name}(\[\d+:\])?|endfor|include \"[\w./]+\""
        rf"|block {name}|endblock"
    )
    templates = sorted((PACKAGE / "backends").rglob("*.jinja"))
    assert templates
    for path in templates:
        for statement in re.findall(r"{%-?\s*(.*?)\s*-?%}", path.read_text(encoding="utf-8")):
            assert allowed.fullmatch(statement), f"{path.name}: {statement}"


# ---- tables ------------------------------------------------------------------------------------


def spelling(backend: str) -> Spelling:
    module = importlib.import_module(f"losscompiler.backends.{backend}.operators")
    found: Spelling = module.SPELLING
    return found


NEVER_PRINTED = {  # what stable arithmetic or the printer itself replaces
    op.ExpDifference,
    op.Root,
    op.stop_gradient,
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_operator_is_spelled(backend: str) -> None:
    vocabulary = {getattr(op, name) for name in op.__all__} | SCALAR_FUNCTIONS
    produced = {head for head in vocabulary if isinstance(head, type)} - NEVER_PRINTED
    table = set(spelling(backend).functions)
    assert produced <= table
    assert table == {*ELEMENTARY, *EXTREMA, *PROVIDED}
    assert set(spelling(backend).reductions) == {"sum", "prod", "max", "min", "norm"}


def test_sympys_own_kinks_are_replaced_before_anything_else() -> None:
    assert set(KINKED) == {sp.Abs, sp.sign, sp.Max, sp.Min}
    for backend in BACKENDS:
        assert not set(KINKED) & set(spelling(backend).functions)


# ---- generated code ----------------------------------------------------------------------------

IMPORT_ALONE = """
import importlib, importlib.abc, sys
sys.path.insert(0, {root!r})

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "losscompiler" or (
            name.split(".")[0] == "sympy" and not {framework_needs_sympy}
        ):
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
sys.modules.pop("losscompiler", None)
package = importlib.import_module("generated.{backend}")
name = "HuberObjective" if "{backend}" == "boosting" else "huber"
found = getattr(package, name)
assert found.__module__.startswith("generated.{backend}"), found
import numpy
assert "generated" not in numpy.__file__, numpy.__file__
assert numpy.__version__
"""


@pytest.mark.parametrize("backend", PACKAGES)
def test_a_generated_package_stands_alone(backend: str) -> None:
    # PyTorch itself imports SymPy for symbolic shapes; that generated code does not is read below.
    code = IMPORT_ALONE.format(
        root=str(ROOT), backend=backend, framework_needs_sympy=backend == "torch"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False,
        cwd=ROOT.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("backend", PACKAGES)
def test_generated_code_imports_its_framework_and_the_standard_library(backend: str) -> None:
    allowed = FRAMEWORKS[backend] | sys.stdlib_module_names
    imports = re.compile(r"^\s*(?:from (\w+)[\w.]* import\b|import (\w+))", re.MULTILINE)
    files = sorted((ROOT / "generated" / backend).rglob("*.py"))
    assert files
    for path in files:
        found = imports.findall(path.read_text(encoding="utf-8"))
        assert {root for pair in found for root in pair if root} <= allowed, path.name


def tool(*command: str) -> str:
    """What a tool says about the repository; empty if it is content."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=500,
        check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr)[-3000:] if done.returncode else ""


def test_generated_code_is_formatted() -> None:
    assert tool("ruff", "format", "--check", "generated") == ""


def test_generated_code_is_lint_clean() -> None:
    assert tool("ruff", "check", "generated") == ""


def test_generated_code_is_typed() -> None:
    assert tool("mypy", "--strict", "generated") == ""


def test_the_compiler_is_typed() -> None:
    stages = ("spec", "ir", "analysis", "passes", "backends", "crosscheck")
    assert tool("mypy", *(f"losscompiler/{name}" for name in stages)) == ""


def test_ours_is_lint_clean() -> None:
    assert tool("ruff", "check", "losscompiler", "specs", "tests") == ""
