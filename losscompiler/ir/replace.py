"""Replacement in expressions that share their parts: each distinct part is rebuilt once.

SymPy's own `xreplace` walks an expression as a tree. What differentiation makes are graphs, whose
trees may be thousands of times larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy as sp
from sympy.core.relational import Relational


def replaced(e: sp.Basic, swaps: Mapping[sp.Basic, sp.Basic]) -> sp.Basic:
    """The expression with parts of it replaced."""
    known: dict[sp.Basic, sp.Basic] = {}

    def visit(e: sp.Basic) -> sp.Basic:
        if e in swaps:
            return swaps[e]
        if not e.args:
            return e
        if e not in known:
            known[e] = with_args(e, [visit(a) for a in e.args])
        return known[e]

    return visit(e) if swaps else e


def with_args(e: sp.Basic, args: Sequence[sp.Basic]) -> sp.Basic:
    """The same operation of other operands."""
    if all(new is old for new, old in zip(args, e.args, strict=True)):
        return e
    if isinstance(e, Relational) and not any(a.is_number for a in args) and args[0] != args[1]:
        # SymPy would try to decide it, for milliseconds, and what decides are the numbers.
        return e.func(*args, evaluate=False)
    return e.func(*args)
