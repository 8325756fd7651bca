"""Which names a generated module uses from elsewhere, and the imports that bring them in."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from functools import cache
from pathlib import Path

from losscompiler.backends.layout import names

_HERE = Path(__file__).parent

_STANDARD = {
    "math": "import math",
    "Sequence": "from collections.abc import Sequence",
}
_TYPING = frozenset(("TYPE_CHECKING", "Any", "cast"))
_FRAMEWORKS = {
    "jax": "import jax",
    "jnp": "import jax.numpy as jnp",
    "keras": "import keras",
    "np": "import numpy as np",
    "tf": "import tensorflow as tf",
    "torch": "import torch",
    "lax": "from jax import lax",
    "nn": "from torch import nn",
}
# What kernels are written in, and the runtime file that holds it.
_FUNCTIONS = {"along": "_along", "fn": "_functions", "special": "_special"}
_STAND_IN = re.compile(r"^from losscompiler\.backends\.(\w+)\.", re.MULTILINE)
"""What a run-time file imports that only lets its neighbours be imported where they lie."""
_NEIGHBOUR = re.compile(r"^from \.(_\w+) import", re.MULTILINE)
_COMMON = "common"
"""The folder of the run-time files that packages of all backends have."""


@cache
def runtime_files(backend: str) -> dict[str, str]:
    """The hand-written files that are copied beside a backend's modules: file name to text.

    In place of a stand-in comes the file that it imports, with the neighbours that this one needs.
    """
    folder = _HERE / backend / ("" if backend == _COMMON else "runtime")
    found = {
        p.name: p.read_text("utf-8") for p in sorted(folder.glob("_*.py")) if p.stem[1:2] != "_"
    }
    for name, text in tuple(found.items()):
        if origin := _STAND_IN.search(text):
            theirs = runtime_files(origin[1])
            waiting = {name}
            while waiting:
                copied = waiting.pop()
                found[copied] = theirs[copied]
                needed = {f"{n}.py" for n in _NEIGHBOUR.findall(theirs[copied])}
                waiting |= {n for n in needed if found.get(n) != theirs[n]}
    return dict(sorted(found.items()))


def kernel_helpers() -> dict[str, str]:
    """The names under which kernels know run-time files, and these files."""
    return dict(_FUNCTIONS)


@cache
def _definers(backend: str) -> dict[str, str]:
    """Public top-level names of the runtime files, and the module that defines each."""
    found: dict[str, str] = {}
    for file, text in runtime_files(backend).items():
        for name in top_level(text):
            if not name.startswith("_"):
                found[name] = file.removesuffix(".py")
    return found


@cache
def taken(backend: str) -> frozenset[str]:
    """Names that a module uses itself, so that no loss in it can have them.

    Helpers of kernels are not among them: those are reached through their modules.
    """
    ours = {name for name, file in _definers(backend).items() if file not in _FUNCTIONS.values()}
    types = {name for name in dir(builtins) if isinstance(getattr(builtins, name), type)}
    return frozenset({*_STANDARD, *_TYPING, *_FRAMEWORKS, *_FUNCTIONS, *ours, *types})


def top_level(text: str) -> tuple[str, ...]:
    """Names that a module defines itself, in order."""
    found: list[str] = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.append(node.target.id)
        elif isinstance(node, ast.Assign):
            found += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return tuple(found)


def _used(text: str) -> set[str]:
    """Global names that a module reads and does not define."""
    found: set[str] = set()
    module = symtable.symtable(text, "module", "exec")
    defined = {s.get_name() for s in module.get_symbols() if s.is_assigned() or s.is_namespace()}
    tables = [module]
    while tables:
        table = tables.pop()
        is_module = table.get_type() == "module"
        found |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            # Not `is_global`, which takes what is local to a function called `top` for global.
            if symbol.is_referenced() and (is_module or not (symbol.is_local() or symbol.is_free()))
        }
        tables += table.get_children()
    return found - defined - set(dir(builtins))


def import_lines(backend: str, text: str, depth: int) -> tuple[str, ...]:
    """The imports of a module, in the order in which the linter wants them."""
    used = _used(text)
    dots = "." * (depth + 1)
    definers = _definers(backend)
    runtime: dict[str, list[str]] = {}
    for name in used & definers.keys():
        runtime.setdefault(definers[name], []).append(name)
    known = {*_STANDARD, *_TYPING, *_FRAMEWORKS, *definers, *_FUNCTIONS}
    unknown = sorted(used - known)
    if unknown:
        raise LookupError(
            f"generated {backend} code uses {', '.join(unknown)}, which no runtime file of the "
            f"backend defines; add it to losscompiler/backends/{backend}/runtime"
        )
    sections = [
        [line for name, line in _STANDARD.items() if name in used],
        [line for name, line in _FRAMEWORKS.items() if name in used],
        [
            f"from {dots} import {file} as {name}"
            for name, file in _FUNCTIONS.items()
            if name in used
        ],
    ]
    if used & _TYPING:
        sections[0] += import_from("typing", [*used & _TYPING])
    for module in sorted(runtime):
        sections[2] += import_from(f"{dots}{module}", runtime[module])
    return tuple(line for section in sections if section for line in (*section, ""))[:-1]


def import_from(module: str, imported: list[str]) -> tuple[str, ...]:
    """One `from` import, its names in the linter's order."""
    line = f"from {module} import {', '.join(in_order(imported))}"
    if len(line) <= 100:
        return (line,)
    return (f"from {module} import (", *(f"    {name}," for name in in_order(imported)), ")")


def in_order(unordered: list[str] | tuple[str, ...]) -> list[str]:
    """Constants, then classes, then functions, each with numbers in their natural order."""
    return sorted(set(unordered), key=_rank)


def _rank(name: str, *, fold: bool = True) -> tuple[object, ...]:
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[:1].isupper() else 2
    pieces = re.findall(r"\d+|\D", name.lower() if fold else name)
    natural = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in pieces)
    return kind, natural, name


def exports(public: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """The `__all__` of a module."""
    if not public:
        return ("__all__: list[str] = []",)
    ordered = sorted(set(public), key=lambda name: _rank(name, fold=False))  # as linters sort it
    return names("__all__ = [", [f'"{name}"' for name in ordered], "]")
