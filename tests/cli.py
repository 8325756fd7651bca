"""Calls of the command line, and a project of two small families to call it on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from losscompiler.building.verified import RECORD
from losscompiler.cli import main

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


def start(folder: Path, targets: str = '"numpy"') -> Path:
    (folder / "specs").mkdir(parents=True)
    (folder / "specs" / "good.py").write_text(GOOD)
    (folder / "specs" / "axes.py").write_text(AXES)
    (folder / "pyproject.toml").write_text(f"[tool.losscompiler]\ntargets = [{targets}]\n")
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "losscompiler", *arguments]


def tree(root: Path) -> dict[str, bytes]:
    out = root / "generated"
    files = (p for p in out.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    files = (path for path in files if path != out / RECORD)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def await_(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
