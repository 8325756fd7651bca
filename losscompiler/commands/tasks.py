"""What commands do with a spec file in its own process; only plain data comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from losscompiler.diagnostics import Diagnostic
from losscompiler.selection import selected

Loaded = Callable[[], None]


def check_file(path: Path, root: Path, specs_root: Path, loaded: Loaded) -> dict[str, Any]:
    """Loads and compiles every loss of a file; returns facts and findings."""
    from losscompiler.facts import facts
    from losscompiler.passes import compile_loss
    from losscompiler.spec.loader import load_file, mistake_in

    file = load_file(path, specs_root)
    loaded()
    found: list[Diagnostic] = list(file.diagnostics)
    told = []
    for loss in file.losses:
        try:
            told.append(facts(loss, compile_loss(loss).structure, {}))
        except Exception as error:
            found.append(mistake_in(loss, error, root))
    return {"losses": told, "diagnostics": found}


def list_file(path: Path, root: Path, specs_root: Path, loaded: Loaded) -> dict[str, Any]:
    """Loads a file; returns names, places and signatures of its losses."""
    from losscompiler.facts import identity
    from losscompiler.spec.loader import load_file

    file = load_file(path, specs_root)
    loaded()
    return {
        "losses": [identity(loss) for loss in file.losses],
        "diagnostics": list(file.diagnostics),
    }


def show_file(
    path: Path,
    root: Path,
    specs_root: Path,
    loaded: Loaded,
    *,
    patterns: tuple[str, ...],
    stage: str,
    form: str,
) -> dict[str, Any]:
    """Prints the selected losses of a file as of a stage of the compiler."""
    from losscompiler.commands.stages import show_stage
    from losscompiler.facts import identity
    from losscompiler.spec.loader import load_file, mistake_in

    file = load_file(path, specs_root)
    loaded()
    found: list[Diagnostic] = list(file.diagnostics)
    told = []
    for loss in file.losses:
        if not selected(patterns, identity(loss)):
            continue
        try:
            told.append({**identity(loss), **show_stage(loss, stage, form)})
        except Exception as error:
            found.append(mistake_in(loss, error, root))
    return {"losses": told, "diagnostics": found}
