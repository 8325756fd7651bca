"""The theorem about formulas with kinks, checked for what a certificate says of one.

If the pieces cover the domain, agree with the formula where they hold, are convex each and meet
with rising slopes, the formula is convex. Here is checked that the inequalities that the theorem
asks for are those that were proved; `agreement.py` checks that it is about the formula.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import mpmath
import sympy as sp

from losscompiler.crosscheck.proofs.obligations import NUMBERS, drawn, named

TRIED, NEEDED = 24, 3
DIGITS = 40
EQUAL = mpmath.mpf(10) ** -18
Obligations = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Cell:
    """One piece as it stands in a certificate."""

    value: sp.Expr
    sides: tuple[tuple[sp.Expr, int], ...]
    claims: frozenset[tuple[str, str]]

    @property
    def is_open(self) -> bool:
        """Whether it holds on more than the zeros of a guard."""
        return all(side for _, side in self.sides)

    def side(self, guard: sp.Expr) -> int | None:
        """On which side of a guard it holds."""
        return dict(self.sides).get(guard)


class Theorem:
    """One application of the theorem."""

    def __init__(self, told: Mapping[str, Any], obligations: Obligations) -> None:
        """Reads the pieces; obligations are those of the whole proof."""
        self.names = named(told["symbols"])
        self.symbols = told["symbols"]
        self.chosen = {n: sp.Rational(v) for n, v in told["chosen"].items()}
        self.variables = [self.names[v] for v in told["variables"]]
        self.facts = {(f[0], f[1]) for f in told["facts"]}
        self.cells = [self._cell(c) for c in told["cells"]]
        self.obligations = [o for o in obligations if set(o["symbols"]) <= set(self.symbols)]
        self.generator = random.Random(7)

    def _read(self, text: str) -> sp.Expr:
        return sp.sympify(text, locals=self.names)

    def _cell(self, told: Mapping[str, Any]) -> Cell:
        sides = tuple((self._read(g), side) for g, side in told["sides"])
        claims = set(self.facts)
        for guard, side in sides:
            claims.add((str(guard if side >= 0 else -guard), ">" if side else "=="))
        return Cell(self._read(told["value"]), sides, frozenset(claims))

    def faults(self) -> Iterator[str]:
        """The inequalities that the theorem asks for and that were not proved."""
        for cell in self.cells:
            if cell.is_open:
                yield from self._uncurved(cell)
        for first, second in combinations([c for c in self.cells if c.is_open], 2):
            flipped = [g for g, s in first.sides if second.side(g) == -s]
            if len(flipped) == 1 and flipped[0].has(*self.variables):
                above, below = (first, second) if first.side(flipped[0]) == 1 else (second, first)
                yield from self._unjoined(flipped[0], above, below)

    # ---- what was proved --------------------------------------------------------------------

    def proved(self, e: sp.Expr, relation: str, where: frozenset[tuple[str, str]] | None) -> bool:
        """Whether an inequality was proved, in other words perhaps, under no more conditions."""
        for o in self.obligations:
            stronger = o["claim"][1] == relation or (relation == ">=" and o["claim"][1] == ">")
            if not stronger or (where is not None and not _texts(o["where"]) <= where):
                continue
            if self.equal(e, self._read(o["claim"][0])):
                return True
        return False

    def equal(self, a: sp.Expr, b: sp.Expr) -> bool:
        """Whether two formulas agree at random points of the domain."""
        if a == b:
            return True
        for agreed, (x, y) in enumerate(self.values([a, b]), start=1):
            if abs(x - y) > EQUAL * (1 + abs(x) + abs(y)):
                return False
            if agreed == NEEDED:
                return True
        return False

    def values(self, formulas: Sequence[sp.Expr]) -> Iterator[list[Any]]:
        """The values of some formulas at random points where all of them have one."""
        names = sorted(self.symbols)
        tell = sp.lambdify([self.names[n] for n in names], formulas, [NUMBERS, "mpmath"])
        with mpmath.workdps(DIGITS):
            for _ in range(TRIED):
                point = [drawn(self.symbols[n], self.generator) for n in names]
                try:
                    found = [mpmath.mpf(v) for v in tell(*point)]
                except (ValueError, ZeroDivisionError, OverflowError, TypeError):
                    continue
                if all(map(mpmath.isfinite, found)):
                    yield found

    # ---- inside a piece ---------------------------------------------------------------------

    def _uncurved(self, cell: Cell) -> Iterator[str]:
        moving = [v for v in self.variables if cell.value.has(v)]
        rows = [[sp.diff(cell.value, a, b) for b in moving] for a in moving]
        hessian = sp.Matrix(len(moving), len(moving), lambda i, j: rows[i][j])
        for block in self._blocks(hessian):
            part = hessian.extract(block, block)
            told = ", ".join(str(moving[i]) for i in block)
            if not (self._minors(part, cell) or self._dominant(part, cell)):
                yield f"no proof of curvature in {told} where {cell.sides}"

    def _blocks(self, matrix: sp.Matrix) -> list[list[int]]:
        groups = [{i} for i in range(matrix.rows)]
        for i, j in combinations(range(matrix.rows), 2):
            if not self.equal(matrix[i, j], sp.S.Zero):
                joined = [g for g in groups if i in g or j in g]
                groups = [g for g in groups if g not in joined] + [set().union(*joined)]
        return [sorted(g) for g in groups]

    def _minors(self, part: sp.Matrix, cell: Cell) -> bool:
        if part.rows > 3:
            return False
        return all(
            self.proved(part.extract(rows, rows).det(method="berkowitz"), ">=", cell.claims)
            for size in range(1, part.rows + 1)
            for rows in map(list, combinations(range(part.rows), size))
        )

    def _dominant(self, part: sp.Matrix, cell: Cell) -> bool:
        """Whether each diagonal entry was proved to be at least the sum of its row's sizes."""
        signs = [[0] * part.rows for _ in range(part.rows)]
        for i, j in combinations(range(part.rows), 2):
            value = next(self.values([part[i, j]]), [mpmath.mpf(0)])[0]
            signs[i][j] = signs[j][i] = int(mpmath.sign(value))
        return all(
            self.proved(
                part[i, i] - sum(signs[i][j] * part[i, j] for j in range(part.rows) if j != i),
                ">=",
                cell.claims,
            )
            for i in range(part.rows)
        )

    # ---- between pieces ---------------------------------------------------------------------

    def _unjoined(self, guard: sp.Expr, above: Cell, below: Cell) -> Iterator[str]:
        """That two pieces agree and slopes rise where they meet, if they do."""
        if above.value == below.value:
            return
        for v in (v for v in self.variables if guard.has(v) and sp.diff(guard, v, 2) == 0):
            rate = sp.diff(guard, v)
            at = sp.expand(-guard.subs(v, 0)) / rate
            if not self._meet(v, at, above, below):
                return
            jump = (above.value - below.value).subs(v, at)
            slope = (sp.diff(above.value, v) - sp.diff(below.value, v)) * rate
            if self.proved(jump, "==", None) and self.proved(slope.subs(v, at), ">=", None):
                return
            beside = [
                self.proved(sign * sp.diff(cell.value, v) * rate, ">=", cell.claims)
                for cell, sign in ((above, 1), (below, -1))
            ]
            if all(beside):
                return
        yield f"no proof that slopes rise where {guard} = 0"

    def _meet(self, v: sp.Symbol, at: sp.Expr, above: Cell, below: Cell) -> bool:
        """Whether points on the guard lie between the two pieces."""
        others = [(g, s) for cell in (above, below) for g, s in cell.sides]
        sides = [(g.subs(v, at), s) for g, s in others]
        low, high = (self.symbols[str(v)].get(end, "oo") for end in ("low", "high"))
        ends = [(at - self._read(low), 1)] if "oo" not in low else []
        ends += [(self._read(high) - at, 1)] if "oo" not in high else []
        own = [s for s in (*sides, *ends) if s[0] != 0]
        for found in self.values([g for g, _ in own]) if own else iter([[]]):
            if all(x * s > EQUAL for x, (_, s) in zip(found, own, strict=True)):
                return True
        return False


def _texts(where: Sequence[Sequence[str]]) -> frozenset[tuple[str, str]]:
    return frozenset((text, relation) for text, relation in where)
