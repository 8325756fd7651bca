"""Verdicts and what they rest on, as plain data that a checker of its own can read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import sympy as sp

from losscompiler.analysis.claims import Context
from losscompiler.analysis.ledger import Obligation
from losscompiler.analysis.verdict import UNKNOWN, Verdict
from losscompiler.spec.decorator import Loss

ALWAYS = ("convex", "convex_in", "smoothness", "lipschitz", "gradient_lipschitz")
"""Properties that the manifest tells of every loss; of others it holds what is settled."""
LONGEST = 160


def properties(found: Mapping[str, Verdict]) -> dict[str, Any]:
    """The properties of a loss as they stand in the manifest."""
    told: dict[str, Any] = {}
    for name, verdict in found.items():
        kind, _, prediction = name.partition(":")
        if verdict.verdict == UNKNOWN and kind not in ALWAYS:
            continue
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
    }


def _obligation(o: Obligation) -> dict[str, Any]:
    claims = [o.claim, *o.context.facts]
    symbols = set().union(*(c.expression.free_symbols for c in claims))
    return {
        "purpose": o.purpose,
        "claim": [str(o.claim.expression), o.claim.relation],
        "where": [[str(f.expression), f.relation] for f in o.context.facts],
        "symbols": _domains(o.context, symbols),
        "how": o.how,
    }


def _domains(context: Context, symbols: set[sp.Symbol]) -> dict[str, Any]:
    return {str(s): _domain(context.domain(s)) for s in sorted(symbols, key=str)}


def _domain(domain: sp.Set) -> dict[str, Any]:
    """A set by its ends, or by its elements."""
    if isinstance(domain, sp.FiniteSet):
        return {"values": sorted(map(str, domain))}
    low, high = domain.inf, domain.sup
    return {
        "low": str(low),
        "high": str(high),
        "open": [domain.contains(end) != sp.true for end in (low, high)],
        "integer": bool(domain.is_subset(sp.S.Integers)),
    }
