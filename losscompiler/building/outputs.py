"""What a build is to do to the output folder, so that nobody's work is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from losscompiler.diagnostics import Diagnostic


def digest(data: bytes) -> str:
    """The hash by which files are compared and recorded."""
    return hashlib.sha256(data).hexdigest()


def digest_of(path: Path) -> str | None:
    """The hash of a file, None if there is none."""
    try:
        return digest(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        return "a folder"  # unlike every hash, so that it counts as somebody's work


@dataclass(frozen=True)
class Plan:
    """What is to be done, by path below the output folder.

    `recorded` holds the hashes of the files that are ours afterwards, `refused` the files that are
    not, with the finding that says so.
    """

    writes: dict[str, bytes]
    removes: tuple[str, ...]
    unchanged: tuple[str, ...]
    recorded: dict[str, str]
    refused: dict[str, Diagnostic]


def plan(
    out: Path,
    wanted: Mapping[str, bytes],
    kept: Collection[str],
    recorded: Mapping[str, str],
    *,
    force: bool = False,
) -> Plan:
    """Compares what is wanted with what is there.

    `recorded` are the hashes of the files written before; those neither wanted nor `kept` are to be
    removed. A file with other bytes than recorded is somebody's work, and left alone unless
    `force`.
    """
    writes: dict[str, bytes] = {}
    unchanged: list[str] = []
    refused: dict[str, Diagnostic] = {}
    after = {path: recorded[path] for path in kept if path in recorded}
    for path, data in sorted(wanted.items()):
        there, new = digest_of(out / path), digest(data)
        if there == new:
            unchanged.append(path)
        elif there in (None, recorded.get(path)) or force:
            writes[path] = data
        else:
            refused[path] = _refusal(out, path, recorded)
            if path in recorded:
                after[path] = recorded[path]
            continue
        after[path] = new
    removes: list[str] = []
    for path in sorted(set(recorded) - set(wanted) - set(kept)):
        there = digest_of(out / path)
        if there is not None and there != recorded[path] and not force:
            refused[path] = _refusal(out, path, recorded)
            after[path] = recorded[path]
        elif there is not None:
            removes.append(path)
    return Plan(writes, tuple(removes), tuple(unchanged), dict(sorted(after.items())), refused)


def _refusal(out: Path, path: str, recorded: Mapping[str, str]) -> Diagnostic:
    shown = f"{out.name}/{path}"
    if path in recorded:
        message = f"{shown} was edited by hand, and would be overwritten"
        help = "move the change into the spec; `losscompiler build --force` discards it"
        return Diagnostic("LC501", message, path=shown, help=help)
    message = f"{shown} was not written by losscompiler, and would be overwritten"
    help = "move the file, or rename the spec; `losscompiler build --force` overwrites it"
    return Diagnostic("LC502", message, path=shown, help=help)
