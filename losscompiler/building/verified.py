"""What this machine has cross-validated itself, which no file under version control can tell.

The record lies in the work folder of the output. Without it, nothing has been validated.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from losscompiler.building.manifest import Manifest
from losscompiler.building.transaction import WORK_FOLDER
from losscompiler.diagnostics import Diagnostic

RECORD = f"{WORK_FOLDER}/verified.json"
SCHEMA = 2

Passed = tuple[str | None, str | None]
"""The fingerprints of a spec and of the compiler whose code for it agreed with it."""


@dataclass(frozen=True)
class Record:
    """What passed last, by source and target, and the warnings that its validation gave."""

    passed: Mapping[str, Mapping[str, Passed]] = field(default_factory=dict)
    warnings: Mapping[str, tuple[Diagnostic, ...]] = field(default_factory=dict)

    def recalled(
        self, sources: Collection[str], lines: Mapping[tuple[str, str], int]
    ) -> Iterator[Diagnostic]:
        """The warnings about sources, at the lines where their losses are now."""
        for source in sources:
            for found in self.warnings.get(source, ()):
                line = lines.get((source, found.loss or ""))
                if line is not None:
                    yield replace(found, line=line, frame="")


def load_record(out: Path) -> Record:
    """Reads the record; an empty one if there is none that this version has written."""
    try:
        data = json.loads((out / RECORD).read_bytes())
        if data["schema"] != SCHEMA:
            return Record()
        passed = {
            source: {target: (key, compiler) for target, (key, compiler) in targets.items()}
            for source, targets in data["passed"].items()
        }
        warnings = {
            source: tuple(map(Diagnostic.from_json, found))
            for source, found in data["warnings"].items()
        }
        return Record(passed, warnings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Record()


def save_record(out: Path, record: Record) -> None:
    """Replaces the record at once, if it says something else; needs the folder to be `opened`."""
    if record == load_record(out):
        return
    data = {
        "schema": SCHEMA,
        "passed": {s: dict(sorted(t.items())) for s, t in record.passed.items()},
        "warnings": {s: [d.to_json() for d in found] for s, found in record.warnings.items()},
    }
    new = out / f"{RECORD}.new"
    with suppress(OSError):  # the output is good all the same, and only validated once more
        new.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
        new.replace(out / RECORD)


def standing(manifest: Manifest, source: str, target: str) -> Passed:
    """What a record says if the code that stands in the output folder passed."""
    known = manifest.sources.get(source)
    return (known.built.get(target) if known else None, manifest.compiler.get(target))


def unverified(manifest: Manifest, record: Record, targets: Collection[str]) -> frozenset[str]:
    """The sources whose code has not been validated here for all of the targets."""
    return frozenset(
        source
        for source in manifest.sources
        for target in targets
        if record.passed.get(source, {}).get(target) != standing(manifest, source, target)
    )
