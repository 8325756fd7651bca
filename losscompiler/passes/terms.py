"""A tangent is a sum of terms, each a value times Kronecker deltas between axes and seed axes."""

from __future__ import annotations

import sympy as sp

from losscompiler.ir.nodes import Axis

Deltas = frozenset[tuple[Axis, Axis]]
Terms = dict[Deltas, sp.Expr]
NO_DELTAS: Deltas = frozenset()


def added(*many: Terms) -> Terms:
    """The sum of tangents."""
    total: Terms = {}
    for terms in many:
        for deltas, value in terms.items():
            total[deltas] = total.get(deltas, sp.S.Zero) + value
    return {deltas: value for deltas, value in total.items() if value != 0}


def scaled(terms: Terms, factor: sp.Expr) -> Terms:
    """A tangent times a value."""
    return {deltas: factor * value for deltas, value in terms.items()}
