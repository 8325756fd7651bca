"""`losses.json`: the facts about every loss, and the hashes that tell what must be built again.

Nothing in it depends on the day, the machine, or the versions of tools.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from losscompiler.building.outputs import digest, digest_of
from losscompiler.diagnostics import Diagnostic

MANIFEST = "losses.json"
SCHEMA = 1
SHAPES_OUTPUT = (
    "analysis",
    "backends",
    "building/assembly.py",
    "building/compilation.py",
    "building/facts.py",
    "building/manifest.py",
    "building/package.py",
    "ir",
    "passes",
    "public.py",
    "spec",
    "wording.py",
)


@dataclass(frozen=True)
class Source:
    """A spec file as it was last built.

    `built` holds, for each target that is up to date, the fingerprint of the file and of its
    `imports`; `warnings` are those of that build, and its notes, so that they are not forgotten
    while nothing changes.
    """

    imports: tuple[str, ...] = ()
    built: dict[str, str] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """What stands in the output folder: `compiler` and `files` hold hashes, by target and path."""

    compiler: dict[str, str] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    losses: tuple[dict[str, Any], ...] = ()
    files: dict[str, str] = field(default_factory=dict)

    def dump(self) -> bytes:
        """The bytes of the file."""
        data = {
            "schema": SCHEMA,
            "losses": sorted(self.losses, key=lambda loss: (loss["path"], loss["line"])),
            "sources": {path: _dump(source) for path, source in sorted(self.sources.items())},
            "compiler": dict(sorted(self.compiler.items())),
            "files": dict(sorted(self.files.items())),
        }
        return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def load(path: Path) -> Manifest | None:
    """Reads a manifest; None if there is none that this version has written."""
    try:
        data = json.loads(path.read_bytes())
        if data["schema"] != SCHEMA:
            return None
        sources = {name: _load(source) for name, source in data["sources"].items()}
        return Manifest(dict(data["compiler"]), sources, tuple(data["losses"]), dict(data["files"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _dump(source: Source) -> dict[str, Any]:
    warnings = [
        {key: value for key, value in warning.to_json().items() if value not in (None, "")}
        for warning in source.warnings
    ]
    built = dict(sorted(source.built.items()))
    return {"imports": list(source.imports), "built": built, "warnings": warnings}


def _load(data: Mapping[str, Any]) -> Source:
    warnings = tuple(Diagnostic.from_json(warning) for warning in data["warnings"])
    return Source(tuple(data["imports"]), dict(data["built"]), warnings)


def fingerprint(hashes: Iterable[tuple[str, str | None]]) -> str:
    """One hash of the names and hashes of files; a missing file counts, too."""
    return digest(json.dumps(sorted(hashes, key=str)).encode())


def compiler_fingerprint() -> str:
    """The hash of the compiler's own sources that shape its output."""
    package = Path(__file__).parents[1]
    roots = [package / name for name in SHAPES_OUTPUT]
    files = [
        file
        for root in roots
        for file in (root.rglob("*") if root.is_dir() else [root])
        if file.suffix in (".py", ".jinja")
    ]
    return fingerprint((file.relative_to(package).as_posix(), digest_of(file)) for file in files)
