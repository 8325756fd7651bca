"""Where two smooth cells of an expression meet: guards, and what an expression is beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from losscompiler.ir.kinks import CONTINUOUS, JUMPING, KINKED, guard_of
from losscompiler.ir.operators import Sign
from losscompiler.spec.expressions import Piecewise, stop_gradient


@dataclass(frozen=True)
class Facet:
    """The set where `guard` vanishes; the guard is primitive and has a fixed sign convention."""

    guard: sp.Expr

    def relation(self, kind: Any, sign: int = 1) -> sp.Basic:
        """The relation of sign * guard to 0, with the guard's negative terms on the other side."""
        if sign < 0:
            kind = {sp.Gt: sp.Lt, sp.Lt: sp.Gt, sp.Ge: sp.Le, sp.Le: sp.Ge, sp.Eq: sp.Eq}[kind]
        terms = sp.Add.make_args(self.guard)
        negative = [t for t in terms if t.could_extract_minus_sign()]
        left = sp.Add(*(t for t in terms if t not in negative))
        return kind(left, sp.Add(*(-t for t in negative)))

    def orientation(self, node: sp.Basic) -> int:
        """1 if the node's own guard grows with this one, -1 if it falls, 0 if it is another."""
        facet, sign = facet_of(node)
        return sign if facet == self else 0


@lru_cache(maxsize=20_000)
def canonical(guard: sp.Expr) -> tuple[Facet, int]:
    """The facet of a guard, and the sign that its convention takes out of it."""
    expanded = _expanded(guard)
    content, primitive = expanded.primitive() if expanded.is_Add else expanded.as_coeff_Mul()
    sign = -1 if content.is_negative else 1
    if primitive.could_extract_minus_sign():
        # Term by term: the negative of a sum is left as it is while products are not distributed.
        return Facet(sp.Add(*(-t for t in sp.Add.make_args(primitive)))), -sign
    return Facet(primitive), sign


def _expanded(e: sp.Expr) -> sp.Expr:
    """Products of sums as sums of products, not looking into functions."""
    if e.is_Add:
        return sp.Add(*map(_expanded, e.args))
    if e.is_Mul and any(a.is_Add for a in e.args):
        return _expanded(sp.expand_mul(e, deep=False))
    return e


@lru_cache(maxsize=20_000)
def facet_of(node: sp.Basic) -> tuple[Facet, int]:
    """The facet at which a kinked node changes its cell."""
    return canonical(guard_of(node))


def facets(e: sp.Basic, wrt: Sequence[sp.Symbol]) -> list[Facet]:
    """The facets that the leaves can cross, in order of appearance."""
    found: dict[Facet, None] = {}
    seen: set[sp.Basic] = set()
    stack = [e]
    while stack:
        node = stack.pop()
        if node in seen or not node.args:
            continue
        seen.add(node)
        if isinstance(node, Piecewise):
            stack.extend(a for pair in node.pairs if not is_facet(pair[1]) for a in pair[::-1])
            continue
        stack.extend(reversed(node.args))
        if isinstance(node, KINKED):
            facet, _ = facet_of(node)
            if any(_moves(facet.guard, x) for x in wrt):
                found[facet] = None
    return list(found)


@lru_cache(maxsize=1_000)
def jumps(e: sp.Basic) -> frozenset[Facet]:
    """The facets at which an expression need not be continuous."""
    steps = (node for node in _nodes(e) if isinstance(node, JUMPING))
    return frozenset(facet_of(node)[0] for node in steps)


def _moves(guard: sp.Basic, leaf: sp.Symbol) -> bool:
    """Whether a guard varies with a leaf: not if that is read through `stop_gradient` alone."""
    if isinstance(guard, stop_gradient):
        return False
    return guard == leaf or any(_moves(a, leaf) for a in guard.args if a.has(leaf))


def is_facet(condition: sp.Basic) -> bool:
    """An equation between real numbers holds on a set that no derivative looks at."""
    if isinstance(condition, sp.And):
        return any(is_facet(c) for c in condition.args)
    return isinstance(condition, sp.Eq) and not all(a.is_integer for a in condition.args)


def every_facet(e: sp.Basic) -> list[Facet]:
    """The facets of an expression, whatever moves across them."""
    kinked = {node: None for node in _nodes(e) if isinstance(node, KINKED)}
    return list(dict.fromkeys(facet_of(node)[0] for node in kinked))


def _nodes(e: sp.Basic) -> list[sp.Basic]:
    """Every subexpression once."""
    found: dict[sp.Basic, None] = {}
    stack = [e]
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            stack.extend(reversed(node.args))
    return list(found)


def with_jumps(e: sp.Basic, facet: Facet, side: int) -> sp.Basic:
    """The expression on a facet, with its jumps taken as on one side of it.

    What is continuous keeps its form, so that both sides share it.
    """

    def change(node: sp.Basic, orientation: int) -> sp.Basic:
        if isinstance(node, Sign):
            return sp.Integer(orientation * side)
        if isinstance(node, Relational):
            return sp.sympify(type(node)(orientation * side, 0))
        return node

    return _rebuilt(e, facet, change, {})


def assign_tie(e: sp.Basic, facet: Facet, side: int) -> sp.Basic:
    """Makes the conditions of an expression put the facet itself on one side."""

    def change(node: sp.Basic, orientation: int) -> sp.Basic:
        upward = orientation == side
        if isinstance(node, Sign):
            holds = (sp.Ge if upward else sp.Gt)(node.args[0], 0)
            return Piecewise((sp.S.One, holds), (sp.S.NegativeOne, True))
        if isinstance(node, sp.Gt | sp.Ge):
            return (sp.Ge if upward else sp.Gt)(*node.args)
        if isinstance(node, sp.Lt | sp.Le):
            return (sp.Lt if upward else sp.Le)(*node.args)
        return node

    return _rebuilt(e, facet, change, {})


def _rebuilt(
    e: sp.Basic,
    facet: Facet,
    change: Callable[[sp.Basic, int], sp.Basic],
    known: dict[sp.Basic, sp.Basic],
) -> sp.Basic:
    if not e.args:
        return e
    if e not in known:
        orientation = facet.orientation(e) if isinstance(e, KINKED) else 0
        if orientation and not isinstance(e, CONTINUOUS):
            known[e] = change(e, orientation)
        else:
            args = [_rebuilt(a, facet, change, known) for a in e.args]
            known[e] = e if list(e.args) == args else e.func(*args)
    return known[e]
