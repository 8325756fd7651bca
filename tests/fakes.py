"""A compiler without mathematics, to test builds by: one command per line of a spec file.

loss NAME BODY        a loss, whose module holds BODY
import FILE           a dependency, whose text becomes part of the module
broken NAME           a loss that does not compile
only NAME TARGET      a loss that other targets cannot express
hang | crash | syntax what a file may do
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losscompiler.build import BuildRequest
from losscompiler.building.package import CompiledFile
from losscompiler.building.toolchain import Late, Toolchain
from losscompiler.diagnostics import Diagnostic
from losscompiler.progress import Progress
from tests.disks import Counting


def compile_file(
    path: Path,
    root: Path,
    specs_root: Path,
    loaded: Callable[[], None],
    *,
    targets: Sequence[str],
    known: object,
) -> CompiledFile:
    """Interprets the commands; nothing is known of the properties of its losses."""
    shown = path.relative_to(root).as_posix()
    losses: list[dict[str, Any]] = []
    found: list[Diagnostic] = []
    imports: list[str] = []
    texts: dict[str, list[str]] = {target: [] for target in targets}
    for line, text in enumerate(path.read_text().splitlines(), 1):
        command, name, *rest = [*text.split(maxsplit=2), "", ""]
        if command == "hang":
            time.sleep(600)
        elif command == "crash":
            os._exit(9)
        elif command == "syntax":
            found.append(Diagnostic("LC001", "does not parse", path=shown, line=line))
        elif command == "broken":
            found.append(Diagnostic("LC112", "no formula", path=shown, line=line, loss=name))
        elif command == "import":
            imports.append(f"{specs_root.name}/{name}")
            for target in targets:
                texts[target].append(f"# {(specs_root / name).read_text()!r}")
        elif command in ("loss", "only"):
            express = [t for t in targets if command == "loss" or t == rest[0]]
            for target in express:
                texts[target].append(f"{name} = {rest[0]!r}")
            found += [
                Diagnostic(
                    "LC301", f"not in {t}", severity="warning", path=shown, line=line, loss=name
                )
                for t in targets
                if t not in express
            ]
            exports = {target: [name] for target in express}
            losses.append({"name": name, "path": shown, "line": line, "exports": exports})
    loaded()
    if any(d.code == "LC001" for d in found):
        return CompiledFile(diagnostics=tuple(found))
    has = {target for loss in losses for target in loss["exports"]}
    modules = {t: "\n".join([f'"""{shown}"""', *texts[t]]) + "\n" for t in targets if t in has}
    return CompiledFile(tuple(imports), tuple(losses), modules, tuple(found))


def shared(
    target: str, modules: Mapping[str, Sequence[str]], renamed: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    lines = [f"from generated.{target}.{m} import {', '.join(n)}" for m, n in modules.items()]
    inits = {f"{m.rpartition('.')[0].replace('.', '/')}/__init__.py" for m in modules if "." in m}
    texts = {"__init__.py": "\n".join(lines) + "\n", "_support.py": f"# {target}\n"}
    return {**texts, **dict.fromkeys(sorted(inits), "")}


@dataclass(frozen=True)
class Verdict:
    """What cross-validation found."""

    reports: tuple[Any, ...]
    failures: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Told:
    """A report on so many losses."""

    losses: int
    backend: str = "numpy"


class Checker:
    """Cross-validation that finds the word WRONG, and remembers what it was asked."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        self.asked: list[list[str]] = []
        self.diagnostics = diagnostics

    def __call__(
        self,
        folder: Path,
        specs: Path,
        files: Sequence[Path],
        names: Sequence[str],
        targets: Sequence[str],
        jobs: int,
        *,
        timeout: float,
        progress: Progress,
    ) -> Verdict:
        self.asked.append(sorted(names))
        assert (folder / "generated/__init__.py").exists()
        assert all(specs in file.parents for file in files)
        wrong = {}
        for file in folder.rglob("*.py"):
            for line in file.read_text().splitlines():
                name, _, value = line.partition(" = ")
                if "WRONG" in value:
                    wrong[name] = "value off by 7 ULP"
        return Verdict((Told(len(names)),), wrong, self.diagnostics)


def fake_tools(
    checker: Checker | None = None, compiler: str = "1", disk: Counting | None = None
) -> Toolchain:
    return Toolchain(
        compile=Late("tests.fakes", "compile_file"),
        prepare=None,
        shared=shared,
        verify=checker or Checker(),
        compiler=lambda: compiler,
        disk=disk or Counting(),
    )


def build_and_die(request: BuildRequest, step: int) -> None:
    """Builds, and is killed at a step of the writing."""
    from losscompiler.build import build

    build(request, fake_tools(disk=Counting(at=step)))
