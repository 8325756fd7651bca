"""Loads a spec file: runs it, collects its losses and turns every mistake into a diagnostic.

A file is run statement by statement. A name whose definition fails becomes a `Broken` one, so that
one mistake hides nothing but what depends on it.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import keyword
import traceback
from dataclasses import dataclass
from pathlib import Path

from losscompiler.diagnostics import Diagnostic, SpecError, unique
from losscompiler.selection import find_specs
from losscompiler.spec.decorator import Loss
from losscompiler.spec.session import Session, located
from losscompiler.spec.source import Source

__all__ = ["LoadedFile", "find_specs", "load_file", "mistake_in"]

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


def mistake_in(loss: Loss, error: Exception, root: Path) -> Diagnostic:
    """What showed when a loaded loss was compiled; it points at the loss's formula.

    An exception that is no `SpecError` is a mistake of ours, whatever the spec says.
    """
    if not isinstance(error, SpecError):
        trace = "".join(traceback.format_exception(error))
        said = f"internal error of losscompiler in `{loss.name}`: {type(error).__name__}: {error}"
        error = SpecError("LC900", said, help=f"please report it, with\n{trace}")
    file = root / loss.path
    source = Source(file, loss.path)
    with contextlib.suppress(OSError, SyntaxError, ValueError):  # the file has changed since
        source.content = file.read_bytes()
        source.tree = ast.parse(source.content)
    place = source.of_loss(loss.line, error.about or "return") or source.place(loss.line)
    return located(error, place, loss.name)
