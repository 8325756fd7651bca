"""The scalar formula between two reductions: symbols for its parts, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import sympy as sp

from losscompiler.analysis.claims import Claim, Context
from losscompiler.analysis.convexity import cases, pieces_of, require_convex
from losscompiler.analysis.elementary import elementary
from losscompiler.analysis.ledger import Argument, Ledger
from losscompiler.analysis.problem import COUNTS, POSITIONS, TRUTHS
from losscompiler.spec import expressions as ex
from losscompiler.spec.conditions import is_condition
from losscompiler.spec.roles import assumptions_of
from losscompiler.spec.tensors import Index

if TYPE_CHECKING:
    from losscompiler.analysis.composition import Composition

CONVEX, CONCAVE = "convex", "concave"
HALF_LINE = sp.Interval(0, sp.oo)


class Link:
    """A scalar formula of symbols for its parts; what the predictions do not move, is given."""

    def __init__(self, composition: Composition, e: sp.Basic, merged: bool) -> None:
        """Finds the parts; with `merged` affine parts are one symbol each."""
        self.composition, self.merged = composition, merged
        self.symbols: dict[sp.Basic, sp.Basic] = {}
        self.domains: dict[sp.Symbol, sp.Set] = {}
        self.parts: dict[sp.Symbol, sp.Basic] = {}
        self.formula = elementary(self._replaced(e))
        self.context = Context.over(self.domains).given(*self._positions())

    def require(self, sign: int, ledger: Ledger) -> None:
        """Proves that the formula, or its negative, is convex as a function of what is below."""
        kinds = {s: self.composition.curvature(part) for s, part in self.parts.items()}
        formula = sign * self.formula
        variables = sorted(kinds, key=str)
        require_convex(formula, variables, self.context, ledger)
        for symbol in variables:
            if kinds[symbol] in (CONVEX, CONCAVE):
                self._require_monotone(formula, symbol, kinds[symbol], ledger)

    def argument(self, e: sp.Basic, kind: str, ledger: Ledger) -> Argument:
        """The step of a proof that this is; the ledger is that of its obligations."""
        symbols = tuple((s if s.is_Symbol else s.lhs, part) for part, s in self.symbols.items())
        parts = tuple((s, self.composition.curvature(part)) for s, part in self.parts.items())
        return Argument(e, kind, "link", symbols, parts, tuple(ledger.pieces))

    def _require_monotone(
        self, formula: sp.Expr, symbol: sp.Symbol, kind: str, ledger: Ledger
    ) -> None:
        """A formula rises in what is convex, and falls in what is concave."""
        for chosen, _ in cases(formula, self.context):
            for cell in pieces_of(chosen, self.context):
                if cell.is_open:
                    slope = sp.diff(cell.value, symbol) * (1 if kind == CONVEX else -1)
                    here = self.context.given(*cell.claims)
                    ledger.require(f"monotone in a {kind} part", slope, ">=", here)

    def _positions(self) -> Iterator[Claim]:
        """Positions on an axis are below its size."""
        sizes = {e.axis: s for e, s in self.symbols.items() if isinstance(e, ex.Size)}
        for e, symbol in self.symbols.items():
            if isinstance(e, Index) and e.axis in sizes:
                yield Claim(sizes[e.axis] - symbol - 1, ">=")

    def _symbol(self, e: sp.Basic, domain: sp.Set) -> sp.Symbol:
        symbol = sp.Symbol(f"u{len(self.symbols)}", **assumptions_of(domain))
        self.symbols[e], self.domains[symbol] = symbol, domain
        return symbol

    def _replaced(self, e: sp.Basic) -> sp.Basic:
        if e in self.symbols:
            return self.symbols[e]
        if self.composition.moves(e):
            return self._moving(e)
        return self._given(e)

    def _moving(self, e: sp.Basic) -> sp.Basic:
        ours = self.composition
        whole = ours.is_part(e)
        if not whole and self.merged and e.is_Add and ours.is_affine(e):
            entries = [a for a in e.atoms(ex.Element) if a.tensor.name in ours.wrt]
            whole = all(ours.loss.roles[a.tensor.name].domain == sp.S.Reals for a in entries)
        if whole:
            symbol = self._symbol(e, self._range(e))
            self.parts[symbol] = e
            return symbol
        args = [self._replaced(a) for a in e.args]
        if isinstance(e, ex.Piecewise):
            return ex.Piecewise(*(tuple(pair) for pair in args))
        return e.func(*args)

    def _given(self, e: sp.Basic) -> sp.Basic:
        """A part that does not move: its entries, sizes and reductions become symbols."""
        if isinstance(e, ex.MaskElement):
            return self._condition(e)
        if isinstance(e, ex.Element):
            role = self.composition.loss.roles.get(e.tensor.name)
            if role is None or role.kind == "label":
                return self._symbol(e, POSITIONS)
            return self._symbol(e, role.domain)
        if isinstance(e, ex.Size):
            return self._symbol(e, COUNTS)
        if isinstance(e, Index):
            return self._symbol(e, POSITIONS)
        if isinstance(e, ex.Binder):
            return self._symbol(e, self._range(e))
        if is_condition(e) and e.atoms(Index, ex.Element, ex.MaskElement):
            return self._condition(e)
        if not e.args:
            return e
        args = [self._replaced(a) for a in e.args]
        if isinstance(e, ex.Piecewise):
            return ex.Piecewise(*(tuple(pair) for pair in args))
        return e.func(*args)

    def _condition(self, e: sp.Basic) -> sp.Basic:
        symbol = sp.Symbol(f"u{len(self.symbols)}", real=True)
        self.symbols[e], self.domains[symbol] = symbol > 0, TRUTHS
        return self.symbols[e]

    def _range(self, e: sp.Basic) -> sp.Set:
        if isinstance(e, ex.Element):
            return self.composition.loss.roles[e.tensor.name].domain
        return HALF_LINE if self.composition.is_nonnegative(e) else sp.S.Reals
