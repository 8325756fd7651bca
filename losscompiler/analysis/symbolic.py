"""Formulas over small axes written out, entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sympy as sp

from losscompiler.analysis.walk import UndefinedError
from losscompiler.ir import operators as op

COMPARED: dict[str, Callable[[sp.Expr, sp.Expr], sp.Basic]] = {
    "==": sp.Eq, "!=": sp.Ne, "<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge,
}  # fmt: skip


class Symbolic:
    """Expressions in place of numbers; conditions have to be decided by numbers."""

    functions: Mapping[type[sp.Basic], Callable[..., sp.Expr]] = {
        sp.Add: sp.Add,
        sp.Mul: sp.Mul,
        sp.Pow: sp.Pow,
        sp.exp: sp.exp,
        sp.log: sp.log,
        op.Magnitude: sp.Abs,
        op.Maximum: sp.Max,
        op.Minimum: sp.Min,
    }

    def number(self, e: sp.Expr) -> sp.Expr:
        """A constant."""
        return e

    def compare(self, relation: str, a: sp.Expr, b: sp.Expr) -> bool:
        """Whether a relation of numbers holds."""
        found = COMPARED[relation](sp.sympify(a), sp.sympify(b))
        if found not in (sp.true, sp.false):
            raise UndefinedError(str(found))
        return bool(found)

    def choose(self, pairs: Iterator[tuple[Any, Callable[[], sp.Expr]]]) -> sp.Expr:
        """The first value whose condition holds."""
        for condition, value in pairs:
            if condition:
                return value()
        raise UndefinedError("no condition holds")

    def sort(self, keys: list[sp.Expr], falling: bool) -> list[Any]:
        """No order of symbols is known."""
        raise UndefinedError("an order of symbols")

    def pick(self, entries: list[sp.Expr], place: Any) -> sp.Expr:
        """The entry at a position."""
        return entries[place]


SYMBOLIC = Symbolic()
