"""A small project for the fake compiler, and ways to look at what became of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from losscompiler.build import BuildRequest, BuildResult, build
from losscompiler.building.verified import RECORD
from tests.fakes import Checker, fake_tools

SPECS = {
    "regression.py": "loss huber 1\nloss mse 2\n",
    "vision/box.py": "loss giou 3\nimport regression.py\n",
}


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def request(root: Path, **changes: Any) -> BuildRequest:
    plain = BuildRequest(root / "specs", root / "generated", targets=("numpy", "torch"))
    return replace(plain, **changes)


def run(
    root: Path, checker: Checker | None = None, compiler: str = "1", **changes: Any
) -> BuildResult:
    return build(request(root, **changes), fake_tools(checker, compiler))


def codes(result: BuildResult) -> list[str]:
    return [d.code for d in result.diagnostics]


def status(result: BuildResult) -> dict[str, str]:
    return {loss.name: loss.status for loss in result.losses}


def tree(root: Path) -> dict[str, bytes]:
    out = root / "generated"
    files = (p for p in out.rglob("*") if p.is_file() and p != out / RECORD)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def clean(root: Path) -> dict[str, bytes]:
    """What a build of the specs gives in an empty folder."""
    other = root / "clean"
    for path in (root / "specs").rglob("*.py"):
        put(other, {path.relative_to(root / "specs").as_posix(): path.read_text()})
    run(other)
    return tree(other)


def edit(root: Path, name: str, text: str) -> None:
    (root / "specs" / name).write_text(text)
