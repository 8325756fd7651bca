"""What a build would change, told without changing it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from losscompiler.building.changes import foreign_modules
from losscompiler.building.outputs import digest_of
from losscompiler.diagnostics import Diagnostic

Differences = Mapping[str, bytes | None]
"""What files should hold, by path, for those that do not; None for files that should not exist."""


def stale_files(
    out: Path,
    differences: Differences,
    recorded: Mapping[str, str],
    targets: Sequence[str],
    known: Collection[str] | None,
) -> Iterator[Diagnostic]:
    """LC504 for every file that is not what the specs say; `known` files are not extra."""
    for path, wanted in sorted(differences.items()):
        there = digest_of(out / path)
        if there is None:
            yield _finding(out, path, "is missing")
        elif wanted is None:
            yield _finding(out, path, "is extra: no spec produces it")
        elif recorded.get(path, there) != there:
            yield _finding(out, path, "was edited, or written by another build")
        else:
            yield _finding(out, path, "is stale: its spec or the compiler has changed")
    if known is not None:
        for path in foreign_modules(out, targets, known):
            help = "losscompiler did not write it and will not remove it: move it elsewhere"
            yield _finding(out, path, "is extra: no spec produces it", help)


def _finding(
    out: Path, path: str, what: str, help: str = "run `losscompiler build`; --diff shows the change"
) -> Diagnostic:
    shown = f"{out.name}/{path}"
    return Diagnostic("LC504", f"{shown} {what}", path=shown, help=help)


def difference(out: Path, differences: Differences) -> str:
    """A unified diff from the files as they are to what they should be."""
    text: list[str] = []
    for path, wanted in sorted(differences.items()):
        old = _lines((out / path).read_bytes()) if (out / path).is_file() else []
        new = _lines(wanted) if wanted is not None else []
        names = (f"{out.name}/{path}", f"{out.name}/{path}")
        for line in difflib.unified_diff(old, new, *names):
            text.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(text)


def _lines(data: bytes) -> list[str]:
    return data.decode(errors="replace").splitlines(keepends=True)
