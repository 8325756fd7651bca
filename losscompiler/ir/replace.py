"""Replacement in expressions that share much: SymPy's own `xreplace` visits every occurrence."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp


def replaced(value: sp.Basic, swaps: Mapping[sp.Basic, sp.Basic]) -> sp.Basic:
    """The value with some of its parts exchanged; what occurs many times is visited once."""
    known = dict(swaps)

    def visit(e: sp.Basic) -> sp.Basic:
        if e not in known:
            args = [visit(a) for a in e.args]
            same = all(a is b for a, b in zip(args, e.args, strict=True))
            known[e] = e if same else e.func(*args)
        return known[e]

    return visit(value)
