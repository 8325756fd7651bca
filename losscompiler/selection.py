"""Which spec files and losses a command is about: by name, glob or path, the same for all verbs.

Nothing here imports SymPy: a build with nothing to do finds its files without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from losscompiler.diagnostics import Diagnostic
from losscompiler.public import all_names, class_name, function_names


def find_specs(specs_root: Path) -> list[Path]:
    """Every spec file below the root, sorted by its relative path.

    Files and folders whose name starts with `_` or `.` hold helpers to be imported, not losses of
    their own.
    """
    found = [
        path
        for path in specs_root.rglob("*.py")
        if not any(part.startswith(("_", ".")) for part in path.relative_to(specs_root).parts)
        and path.is_file()
    ]
    return sorted(found, key=lambda path: path.relative_to(specs_root).parts)


def relative(path: Path, root: Path) -> str:
    """The path from the project root, with forward slashes on every system."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.as_posix()


def is_path(pattern: str, here: Path) -> bool:
    """Whether a pattern is about files, not about the names of losses."""
    return "/" in pattern or "\\" in pattern or pattern.endswith(".py") or (here / pattern).is_dir()


def normalise(patterns: Iterable[str], root: Path, here: Path) -> tuple[str, ...]:
    """Patterns as typed in the folder `here`, with paths made relative to the project root.

    A path pattern keeps or gets a slash, which tells it from the name of a loss: `specs` becomes
    `specs/`, and `robust.py`, typed inside `specs`, becomes `specs/robust.py`.
    """
    return tuple(
        _from_root(pattern, root, here) if is_path(pattern, here) else pattern
        for pattern in patterns
    )


def _from_root(pattern: str, root: Path, here: Path) -> str:
    path = relative(here / pattern, root)
    if not (here / pattern).exists():  # also a glob, which may be typed from the project root
        from_root = PurePosixPath(pattern.replace("\\", "/")).as_posix()
        path = path if _exists(root, path) or not _exists(root, from_root) else from_root
    return path if "/" in path else f"./{path}" if path.endswith(".py") else f"{path}/"


def _exists(root: Path, pattern: str) -> bool:
    """Whether a path or glob inside the root stands for anything."""
    return not PurePosixPath(pattern).is_absolute() and any(root.glob(pattern))


def matches(patterns: tuple[str, ...], name: str, path: str) -> bool:
    """Whether a loss is selected; no pattern selects everything. Patterns are normalised ones."""
    return not patterns or any(
        fnmatchcase(name, pattern) or _covers(pattern, path) for pattern in patterns
    )


def selected(patterns: tuple[str, ...], loss: Mapping[str, Any]) -> bool:
    """Whether a loss, given by its facts, is selected under any of its names."""
    return any(matches(patterns, name, loss["path"]) for name in all_names(loss))


def may_hold(patterns: tuple[str, ...], path: str) -> bool:
    """Whether a file may hold a selected loss: names are known only once a file is loaded."""
    return not patterns or any("/" not in p or _covers(p, path) for p in patterns)


def _covers(pattern: str, path: str) -> bool:
    if "/" not in pattern:
        return False
    folder = pattern.removeprefix("./").rstrip("/")
    if folder in ("", "."):
        return True
    return path == folder or path.startswith(f"{folder}/") or fnmatchcase(path, folder)


def duplicates(declared: Iterable[Mapping[str, Any]]) -> Iterator[Diagnostic]:
    """LC005 for every loss, given by its facts, one of whose names a loss before it has taken.

    The derivatives of a loss and its class forms take names too: `huber_hvp` belongs to `huber`.
    """
    taken: dict[str, Mapping[str, Any]] = {}
    for loss in declared:
        names = {
            public: name
            for name in all_names(loss)
            for public in (*function_names(name), class_name(name))
        }
        clash = next((public for public in names if public in taken), None)
        if clash is None:
            taken.update(dict.fromkeys(names, loss))
            continue
        other, name = taken[clash], names[clash]
        what = "" if name == loss["name"] else f"`{name}`, another name of `{loss['name']}`: "
        yield Diagnostic(
            "LC005",
            f"{what}the name `{clash}` is already taken by the loss `{other['name']}` at "
            f"{other['path']}:{other['line']}",
            path=loss["path"],
            line=loss["line"],
            help="rename one of them: the names of losses, their aliases, and the names of the "
            "functions and classes made for each (`_value_and_grad`, `_hvp`, "
            "`_hessian_diagonal`, `...Loss`) are unique over all spec files",
            loss=loss["name"],
        )
