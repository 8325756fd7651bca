"""What counts as a condition, and which conditions say nothing about the data."""

from __future__ import annotations

from typing import Any

from sympy.logic.boolalg import Boolean, BooleanAtom

from losscompiler.diagnostics import SpecError
from losscompiler.spec.tensors import Index, Size


def is_condition(e: Any) -> bool:
    """Whether an expression is a truth value. SymPy has every symbol be one; ours are numbers."""
    return isinstance(e, Boolean | BooleanAtom) and not isinstance(e, Index | Size)


def constant_condition(condition: object) -> SpecError:
    """The diagnostic for `i != j` and `a == b`, which Python decides structurally."""
    return SpecError(
        "LC110",
        f"this condition is the constant {condition}, whatever the data",
        help="Python's == and != compare how expressions are written; use Eq(a, b) and Ne(a, b)",
    )


def undecided(condition: Any) -> None:
    """Refuses a condition that SymPy has decided, from what it knows of all numbers in it."""
    if isinstance(condition, BooleanAtom):
        raise SpecError(
            "LC110",
            f"this condition is always {str(condition).lower()}, whatever the data",
            help="all numbers in a formula are finite, so that `x < oo` tells nothing (ask the "
            "inputs, such as a mask, whether anything is left); a sign that the domain of an "
            "input settles needs no condition",
        )
