"""Formulas as nested lists, to be read where none of our classes is trusted."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.logic.boolalg import BooleanAtom

from losscompiler.analysis.claims import Claim, Context
from losscompiler.analysis.ledger import Argument, Pieces
from losscompiler.spec import expressions as ex


def encoded(e: Any) -> Any:
    """A formula: a head and its arguments; numbers and names as text."""
    if isinstance(e, sp.Rational):
        return str(e)
    if isinstance(e, ex.Index):
        return ["Index", e.name, e.axis]
    if isinstance(e, ex.Size):
        return ["Size", e.axis]
    if isinstance(e, ex.Element | ex.MaskElement):
        return [type(e).__name__, e.tensor.name, *map(encoded, e.indices)]
    if isinstance(e, BooleanAtom):
        return [str(bool(e))]
    if e.is_Symbol:
        return ["Symbol", e.name]
    if not e.args:
        return ["Number", str(e)]
    return [type(e).__name__, *map(encoded, e.args)]


def argument(a: Argument) -> dict[str, Any]:
    """One step of a proof."""
    return {
        "part": encoded(a.part),
        "kind": a.kind,
        "rule": a.rule,
        "symbols": {s.name: encoded(e) for s, e in a.symbols},
        "parts": {s.name: kind for s, kind in a.parts},
        "pieces": [_pieces(p) for p in a.pieces],
    }


def _pieces(p: Pieces) -> dict[str, Any]:
    known = {s for s, _ in p.context.domains}
    for cell in p.cells:
        known |= cell.value.free_symbols.union(*(g.free_symbols for g, _ in cell.sides))
    return {
        "variables": [v.name for v in p.variables],
        "cells": [
            {"value": str(c.value), "sides": [[str(g), s] for g, s in c.sides]} for c in p.cells
        ],
        "chosen": {s.name: str(v) for s, v in p.chosen},
        "facts": [told(f) for f in p.context.facts],
        "symbols": domains(p.context, known),
    }


def told(claim: Claim) -> list[str]:
    """An inequality as text."""
    return [str(claim.expression), claim.relation]


def domains(context: Context, symbols: set[sp.Symbol]) -> dict[str, Any]:
    """The sets that symbols lie in."""
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
