"""What a build or a cross-validation is asked for, and what it answers."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losscompiler.config import TARGETS
from losscompiler.diagnostics import Diagnostic

FRAMEWORKS = {
    "numpy": ("numpy",),
    "torch": ("torch",),
    "tensorflow": ("tensorflow", "keras"),
    "jax": ("jax",),
    "boosting": ("numpy",),
}


@dataclass(frozen=True)
class BuildRequest:
    """What is asked for; `selection` holds patterns as `losscompiler.selection` normalises them."""

    specs: Path
    out: Path
    selection: tuple[str, ...] = ()
    targets: tuple[str, ...] = TARGETS
    check: bool = False
    diff: bool = False
    jobs: int = 0
    verify: bool = True
    force: bool = False
    spec_timeout: float = 60.0
    strict: bool = False
    require: tuple[str, ...] = ()


@dataclass(frozen=True)
class LossOutcome:
    """What became of a loss.

    `status` is "built", "unchanged", "failed" or, for a good loss in a file that was not written,
    "held back"; after cross-validation alone it is "verified", "failed" or "not verified".
    """

    name: str
    path: str
    status: str
    seconds: float = 0.0
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuildResult:
    """What was found and done; paths of outputs are relative to the output folder.

    `missing_framework` are those that were required, `not_installed` those passed over.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    losses: tuple[LossOutcome, ...] = ()
    written: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    diff: str = ""
    nothing_matched: bool = False
    missing_framework: tuple[str, ...] = ()
    not_installed: tuple[str, ...] = ()
    reports: tuple[Any, ...] = ()


def installed(target: str) -> bool:
    """Whether the framework of a target could be imported; it is not."""
    return all(importlib.util.find_spec(name) for name in FRAMEWORKS.get(target, (target,)))
