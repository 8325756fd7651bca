"""Loads a spec file: runs it, collects its losses and turns every mistake into a diagnostic.

A file is run statement by statement. A name whose definition fails becomes a `Broken` one, so that
one mistake hides nothing but what depends on it.
"""

from __future__ import annotations

import itertools
import keyword
from dataclasses import dataclass
from pathlib import Path

from losscompiler.diagnostics import Diagnostic, unique
from losscompiler.selection import find_specs
from losscompiler.spec.decorator import Loss
from losscompiler.spec.session import Session

__all__ = ["LoadedFile", "find_specs", "load_file"]

_numbers = itertools.count()


@dataclass(frozen=True)
class LoadedFile:
    """What a spec file declares, and what is wrong with it.

    `losses` are its own, in order, without those it imports; `sources` are the spec files that
    were run: itself first, then those it imports.
    """

    path: Path
    losses: tuple[Loss, ...]
    diagnostics: tuple[Diagnostic, ...]
    sources: tuple[Path, ...]


def load_file(path: Path, specs_root: Path) -> LoadedFile:
    """Runs a spec file in this process; never raises for a mistake of its author.

    Every call runs the file and what it imports afresh, and leaves neither modules nor bytecode.
    """
    root, file = specs_root.resolve(), path.resolve()
    session = Session(root, f"losscompiler_specs_{next(_numbers)}")
    inside = file.relative_to(root).with_suffix("").parts
    unusable = [part for part in inside if not part.isidentifier() or keyword.iskeyword(part)]
    if unusable:
        session.add(file, _bad_name(unusable[0], session.shown(file)))
    else:
        session.run(file, ".".join((session.package, *inside)))
    losses = tuple(session.losses.get(file, []))
    found = unique(session.found.get(file, []))
    if not losses and not found:
        found = (_no_loss(session.shown(file)),)
    return LoadedFile(path, losses, found, tuple(session.files) or (file,))


def _bad_name(part: str, shown: str) -> Diagnostic:
    return Diagnostic(
        "LC010",
        f"`{part}` cannot be the name of a Python module, and generated code is one",
        path=shown,
        help="use letters, digits and underscores, and no keyword",
    )


def _no_loss(shown: str) -> Diagnostic:
    return Diagnostic(
        "LC007",
        "this file declares no loss",
        severity="warning",
        path=shown,
        help="put @loss above a function, or start the file's name with _ if it only holds helpers",
    )
