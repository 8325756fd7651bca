"""`proofs.json`: the verdicts about losses and what they rest on, kept beside the manifest.

An entry is used again as long as the loss means the same and the analysis is the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from losscompiler.building.manifest import fingerprint
from losscompiler.building.outputs import digest_of

PROOFS = "proofs.json"
SCHEMA = 1


def solver_is_there() -> bool:
    """Whether the extra `prove` is installed."""
    return find_spec("z3") is not None


def analysis_fingerprint(*, solver: bool | None = None) -> str:
    """The hash of the analysis, and of whether it has its solver; None: whether that is there."""
    package = Path(__file__).parents[1]
    files = sorted((package / "analysis").glob("*.py"))
    hashes = [(file.name, digest_of(file)) for file in files]
    return fingerprint([*hashes, ("z3", str(solver_is_there() if solver is None else solver))])


def load(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The certificates by path and name of the loss; none if another analysis wrote them."""
    try:
        data = json.loads(path.read_bytes())
        if data["schema"] != SCHEMA or data["analysis"] != analysis_fingerprint():
            return {}
        return {(one["path"], one["name"]): one for one in data["losses"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def dump(certificates: Iterable[Mapping[str, Any]]) -> bytes:
    """The bytes of the file."""
    losses = sorted(certificates, key=lambda one: (one["path"], one["name"]))
    data = {"schema": SCHEMA, "analysis": analysis_fingerprint(), "losses": losses}
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()
