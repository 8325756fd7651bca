"""Common subexpressions and hoisting: which elementwise values get an array of their own.

A subexpression becomes a `Map` node if it occurs twice anywhere in the program (seen through
whatever axes), if it varies over fewer axes than what it is combined with, or if it would make a
statement too long to read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import sympy as sp

from losscompiler.ir import nodes
from losscompiler.ir.graph import Graph
from losscompiler.ir.nodes import Axis
from losscompiler.passes.program import Program, transform

LONGEST = 14  # operations in one statement
Key: TypeAlias = sp.Basic


def share(program: Program) -> Program:
    """Introduces the `Map` nodes of a program."""
    sharing = Sharing(program.graph)
    sharing.count(program)
    return transform(program, sharing.rewrite)


@dataclass
class Sharing:
    """Occurrences of canonical subexpressions, and their replacement."""

    graph: Graph
    occurrences: dict[Key, int] = field(default_factory=dict)
    canonical: dict[sp.Basic, tuple[Key, tuple[Axis, ...]]] = field(default_factory=dict)
    known: dict[sp.Basic, sp.Basic] = field(default_factory=dict)

    def key(self, e: sp.Basic) -> tuple[Key, tuple[Axis, ...]]:
        """The subexpression over formal axes, and the actual axes behind these."""
        if e not in self.canonical:
            axes = self.graph.axes(e)
            formal = {a: Axis(a.extent, f"${k}") for k, a in enumerate(axes)}
            self.canonical[e] = (self.graph.rename(e, formal), axes)
        return self.canonical[e]

    def count(self, program: Program) -> None:
        """Counts how often each subexpression occurs, through whatever axes."""
        seen: set[Key] = set()

        def visit(e: sp.Basic) -> None:
            if not e.args:
                return
            if not isinstance(e, sp.Tuple):
                key = self.key(e)[0]
                self.occurrences[key] = self.occurrences.get(key, 0) + 1
                if key in seen:
                    return
                seen.add(key)
            for a in e.args:
                visit(a)

        values = [o.value for o in program.outputs]
        for definition in program.graph.topological(values):
            for body in definition.bodies:
                visit(body)
        for value in values:
            visit(value)

    # ---- replacement ---------------------------------------------------------------------

    def rewrite(self, e: sp.Basic) -> sp.Basic:
        """A body whose shared and hoisted parts are leaves."""
        return self._rewritten(e, top=True)

    def _rewritten(self, e: sp.Basic, *, top: bool = False) -> sp.Basic:
        if not e.args or e.is_number:
            return e
        if isinstance(e, sp.Tuple):
            return e.func(*(self._rewritten(a) for a in e.args))
        if e in self.known and not top:
            return self.known[e]
        args = list(e.args)
        parts = self._grouped(e) if e.is_Add or e.is_Mul else [self._rewritten(a) for a in args]
        rebuilt = e.func(*parts) if parts != args else e
        if self._is_hoisted(e, rebuilt):
            parts = [self._hoist(p, e) for p in rebuilt.args]
            rebuilt = rebuilt.func(*parts)
        result = rebuilt if top else self._maybe_shared(e, rebuilt)
        self.known[e] = result
        return result

    def _grouped(self, e: sp.Expr) -> list[sp.Basic]:
        """The operands of a sum or product, those over fewer axes combined first."""
        graph = self.graph
        whole = set(graph.axes(e))
        groups: dict[tuple[Axis, ...], list[sp.Basic]] = {}
        for a in e.args:
            groups.setdefault(graph.axes(a), []).append(self._rewritten(a))
        operands: list[sp.Basic] = []
        for axes, members in groups.items():
            nontrivial = [m for m in members if not m.is_number]
            if axes and set(axes) != whole and len(nontrivial) > 1:
                operands.append(self._map(e.func(*members)))
            else:
                operands.extend(members)
        return operands

    def _is_hoisted(self, e: sp.Basic, rebuilt: sp.Basic) -> bool:
        return bool(rebuilt.args) and not isinstance(e, sp.Tuple) and bool(self.graph.axes(e))

    def _hoist(self, part: sp.Basic, e: sp.Basic) -> sp.Basic:
        """Computes an operand before it is broadcast, if it varies over fewer axes."""
        if isinstance(part, sp.Tuple):
            return part.func(*(self._hoist(p, e) for p in part.args))
        axes = self.graph.axes(part)
        if part.args and not part.is_number and axes and set(axes) != set(self.graph.axes(e)):
            return part if _is_trivial(part) else self._map(part)
        return part

    def _maybe_shared(self, e: sp.Basic, rebuilt: sp.Basic) -> sp.Basic:
        if not rebuilt.args or _is_trivial(rebuilt) or not self.graph.leaves(rebuilt):
            return rebuilt
        twice = self.occurrences.get(self.key(e)[0], 0) > 1
        return self._map(rebuilt) if twice or _operations(rebuilt) > LONGEST else rebuilt

    def _map(self, e: sp.Basic) -> sp.Basic:
        """An array of its own for the value."""
        if e.is_number or not e.args:
            return e
        leaf = self.graph.node(nodes.Map((), e), (), [e])
        return leaf


def _is_trivial(e: sp.Basic) -> bool:
    """Not worth a name: a leaf times a number, a negation."""
    if e.is_Mul and len(e.args) == 2:
        return bool(e.args[0].is_number) and not e.args[1].args
    return isinstance(e, sp.Not) and not e.args[0].args


def _operations(e: sp.Basic) -> int:
    return sum(1 for a in sp.preorder_traversal(e) if a.args and not isinstance(a, sp.Tuple))
