"""Verdicts and what they rest on, as plain data that a checker of its own can read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from losscompiler.analysis import encoding
from losscompiler.analysis.ledger import Argument, Obligation
from losscompiler.analysis.verdict import Verdict
from losscompiler.spec.decorator import Loss

LONGEST = 160


def properties(found: Mapping[str, Verdict]) -> dict[str, Any]:
    """The properties of a loss as they stand in the manifest: proved, refuted or unknown."""
    told: dict[str, Any] = {}
    for name, verdict in found.items():
        kind, _, prediction = name.partition(":")
        data = verdict.to_json()
        data["reason"] = _shortened(data["reason"])
        if prediction:
            told.setdefault(kind, {})[prediction] = data
        else:
            told[name] = data
    return told


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def certificate(loss: Loss, found: Mapping[str, Verdict]) -> dict[str, Any]:
    """The verdicts of a loss, each with its obligations and the rules that were applied."""
    return {
        "name": loss.name,
        "path": loss.path,
        "formula": digest(loss),
        "properties": {
            name: {**verdict.to_json(), "proof": _proof(verdict)} for name, verdict in found.items()
        },
    }


def digest(loss: Loss) -> str:
    """What a loss is, without its name and words: equal ones have equal properties."""
    roles = [f"{n} {r.kind} {r.axes} {r.domain} {r.default}" for n, r in loss.roles.items()]
    told = "\n".join([str(loss.expression), *roles])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _proof(verdict: Verdict) -> dict[str, Any]:
    obligations = [p for p in verdict.proof if isinstance(p, Obligation)]
    return {
        "steps": [p for p in verdict.proof if isinstance(p, str)],
        "obligations": [_obligation(o) for o in dict.fromkeys(obligations)],
        "arguments": [encoding.argument(p) for p in verdict.proof if isinstance(p, Argument)],
    }


def _obligation(o: Obligation) -> dict[str, Any]:
    claims = [o.claim, *o.context.facts]
    symbols = set().union(*(c.expression.free_symbols for c in claims))
    return {
        "purpose": o.purpose,
        "claim": encoding.told(o.claim),
        "where": [encoding.told(f) for f in o.context.facts],
        "symbols": encoding.domains(o.context, symbols),
        "how": o.how,
    }
