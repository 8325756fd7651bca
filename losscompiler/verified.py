"""What this machine has cross-validated itself, which no file under version control can tell.

The record lies in the work folder of the output. Without it, nothing has been validated.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from losscompiler.manifest import Manifest
from losscompiler.transaction import WORK_FOLDER

RECORD = f"{WORK_FOLDER}/verified.json"
SCHEMA = 1

Passed = tuple[str | None, str | None]
"""The fingerprints of a spec and of the compiler whose code for it agreed with it."""

Record = Mapping[str, Mapping[str, Passed]]
"""What passed last, by source and target."""


def load_record(out: Path) -> Record:
    """Reads the record; an empty one if there is none that this version has written."""
    try:
        data = json.loads((out / RECORD).read_bytes())
        if data["schema"] != SCHEMA:
            return {}
        return {
            source: {target: (key, compiler) for target, (key, compiler) in targets.items()}
            for source, targets in data["passed"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save_record(out: Path, record: Record) -> None:
    """Replaces the record at once, if it says something else; needs the folder to be `opened`."""
    if record == load_record(out):
        return
    data = {"schema": SCHEMA, "passed": {s: dict(sorted(t.items())) for s, t in record.items()}}
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
        if record.get(source, {}).get(target) != standing(manifest, source, target)
    )
