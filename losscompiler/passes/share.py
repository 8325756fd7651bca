"""Common subexpressions and hoisting: which elementwise values get an array of their own.

A subexpression becomes a `Map` node if it occurs twice anywhere in the program (seen through
whatever axes, transposed ones included), if it varies over fewer axes than what it is combined
with, or if it would make a statement too long to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations

import sympy as sp

from losscompiler.ir import nodes
from losscompiler.ir.graph import Graph
from losscompiler.ir.nodes import Axis
from losscompiler.ir.program import Program, Swaps, transform

LONGEST = 14  # operations in one statement
Seen = tuple[sp.Basic, tuple[Axis, ...]]


def share(program: Program) -> Program:
    """Introduces the `Map` nodes of a program."""
    sharing = Sharing(program.graph)
    sharing.count(program)
    return transform(program, sharing.rewrite, last=True)


@dataclass
class Sharing:
    """Occurrences of subexpressions over formal axes, and what the rewritten ones became.

    `bodies` are the named ones: a later one that is the same but transposed is that array, turned.
    """

    graph: Graph
    occurrences: dict[sp.Basic, int] = field(default_factory=dict)
    bodies: set[sp.Basic] = field(default_factory=set)
    canonical: dict[sp.Basic, Seen] = field(default_factory=dict)
    known: dict[sp.Basic, sp.Basic] = field(default_factory=dict)
    swaps: dict[sp.Basic, sp.Basic] = field(default_factory=dict)

    def seen(self, e: sp.Basic) -> Seen:
        """The subexpression over formal axes, and the actual axes behind these."""
        if e not in self.canonical:
            orders = list(_orders(self.graph.axes(e)))
            options = [(self.graph.rename(e, _formal(order)), order) for order in orders]
            met = (o for o in options if o[0] in self.bodies or o[0] in self.occurrences)
            self.canonical[e] = next(met, options[0])
        return self.canonical[e]

    def count(self, program: Program) -> None:
        """Counts how often each subexpression is an operand of a different one."""

        def visit(e: sp.Basic) -> None:
            if not e.args:
                return
            if not isinstance(e, sp.Tuple):
                key, _ = self.seen(e)
                self.occurrences[key] = self.occurrences.get(key, 0) + 1
                if self.occurrences[key] > 1:
                    return
            for argument in e.args:
                visit(argument)

        results = [output.value for output in program.outputs]
        for definition in program.graph.topological(results):
            for body in definition.bodies:
                visit(body)
        for value in results:
            visit(value)

    # ---- replacement ---------------------------------------------------------------------

    def rewrite(self, e: sp.Basic, swaps: Swaps) -> sp.Basic:
        """A body whose shared and hoisted parts are leaves."""
        self.swaps.update(swaps)
        if not e.args or e.is_number or self.occurrences.get(self.seen(e)[0], 0) > 1:
            return self._operand(e)
        return self._rewritten(e)

    def _operand(self, e: sp.Basic) -> sp.Basic:
        if not e.args or e.is_number:
            return self.swaps.get(e, e)
        if isinstance(e, sp.Tuple):
            return e.func(*map(self._operand, e.args))
        if e not in self.known:
            rebuilt = self._rewritten(e)
            twice = self.occurrences.get(self.seen(e)[0], 0) > 1
            worth = bool(rebuilt.args) and not _is_trivial(rebuilt)
            worth = worth and self._has_array(rebuilt)
            named = worth and (twice or _operations(rebuilt) > LONGEST)
            self.known[e] = self._named(rebuilt) if named else rebuilt
        return self.known[e]

    def _rewritten(self, e: sp.Basic) -> sp.Basic:
        operands = [self._operand(a) for a in e.args]
        if e.is_Add or e.is_Mul:
            operands = self._grouped(e, operands)
        rebuilt = e.func(*operands) if operands != list(e.args) else e
        if not rebuilt.args:
            return rebuilt
        hoisted = [self._hoisted(a, self.graph.axes(e)) for a in rebuilt.args]
        return rebuilt.func(*hoisted) if hoisted != list(rebuilt.args) else rebuilt

    def _grouped(self, e: sp.Expr, operands: list[sp.Basic]) -> list[sp.Basic]:
        """The operands of a sum or product, those over the same fewer axes combined first."""
        groups: dict[tuple[Axis, ...], list[sp.Basic]] = {}
        for operand in operands:
            groups.setdefault(self.graph.axes(operand), []).append(operand)
        whole = self.graph.axes(e)
        combined: list[sp.Basic] = []
        for axes, members in groups.items():
            several = sum(not m.is_number for m in members) > 1
            if several and axes != whole and not self.graph.is_scalar(*members):
                combined.append(self._named(e.func(*members)))
            else:
                combined.extend(members)
        return combined

    def _hoisted(self, operand: sp.Basic, whole: tuple[Axis, ...]) -> sp.Basic:
        """Computes an operand before it is broadcast, if it varies over fewer axes."""
        if isinstance(operand, sp.Tuple):
            return operand.func(*(self._hoisted(a, whole) for a in operand.args))
        fewer = self.graph.axes(operand) != whole and not self.graph.is_scalar(operand)
        return self._named(operand) if fewer and not _is_trivial(operand) else operand

    def _has_array(self, e: sp.Basic) -> bool:
        """Sizes alone are Python's numbers: 1 / size is left where an array divides it."""
        definitions = map(self.graph.definition, self.graph.leaves(e))
        return any(not isinstance(d, nodes.Extent) for d in definitions)

    def _named(self, e: sp.Basic) -> sp.Basic:
        """An array of its own for the value."""
        if not e.args or e.is_number:
            return e
        body, axes = self.seen(e)
        self.bodies.add(body)
        return self.graph.leaf(nodes.Map(tuple(_formal(axes).values()), body), axes)


def _formal(axes: tuple[Axis, ...]) -> dict[Axis, Axis]:
    return {axis: Axis(axis.extent, f"${k}") for k, axis in enumerate(axes)}


def _orders(axes: tuple[Axis, ...]) -> Iterator[tuple[Axis, ...]]:
    """The axes in every order that leaves their extents where they are."""
    extents = [axis.extent for axis in axes]
    for order in permutations(axes):
        if [axis.extent for axis in order] == extents:
            yield order


def _is_trivial(e: sp.Basic) -> bool:
    """Not worth a name: a leaf, a leaf times a number, the negation of a condition."""
    if e.is_Mul and len(e.args) == 2:
        return bool(e.args[0].is_number) and not e.args[1].args
    return not e.args or (isinstance(e, sp.Not) and not e.args[0].args)


def _operations(e: sp.Basic) -> int:
    return sum(1 for a in sp.preorder_traversal(e) if a.args and not isinstance(a, sp.Tuple))
