"""How steep and how curved a loss over axes is at most, by composition.

A part has a *slope*, a bound of the length of its gradient in all predictions jointly, and a
*bend*, one of the largest size of the eigenvalues of its Hessian: formulas in what does not move.
A bound is *tight* if no smaller one holds for axes of three entries or more.

    f(u), |f'| <= a, |f''| <= b          slope a s, bend b s**2 + a t, of s and t those of u
    sums of terms of entries of their own   the root of the sum of squares, the largest bend
    log-sum-exp                             a mean of the gradients; a variance of them comes on top
    norms of entries of their own           the slope of one
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from sympy.core.relational import Relational

from losscompiler.analysis.cells import Cell
from losscompiler.analysis.composition import Composition
from losscompiler.analysis.convexity import cases, pieces_of
from losscompiler.analysis.extremes import supremum
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.link import Link
from losscompiler.analysis.positivity import Signs
from losscompiler.ir import operators as op
from losscompiler.spec import expressions as ex
from losscompiler.spec.tensors import Index

ZERO = sp.S.Zero


@dataclass(frozen=True)
class Steepness:
    """Bounds of gradient and Hessian; `bend` is None where the gradient jumps or none is known."""

    slope: sp.Expr
    bend: sp.Expr | None
    tight: bool = False
    tight_bend: bool = False


def _finite(s: Steepness) -> Steepness:
    """Bounds that are infinite or not, and nothing between."""
    slope = sp.oo if s.slope.has(sp.oo) else s.slope
    bend = sp.oo if s.bend is not None and s.bend.has(sp.oo) else s.bend
    return Steepness(slope, bend, s.tight, s.tight_bend)


FLAT = Steepness(ZERO, ZERO, True, True)


def _times(bound: sp.Expr | None, by: sp.Expr) -> sp.Expr | None:
    return bound if bound in (None, sp.oo) else bound * by


class Slopes:
    """One question about one loss."""

    def __init__(self, composition: Composition) -> None:
        """About the predictions that the composition moves."""
        self.composition = composition
        self.known: dict[sp.Basic, Steepness] = {}
        self.sizes: dict[sp.Expr, sp.Expr] = {}

    def of(self, e: sp.Basic) -> Steepness:
        """The bounds of a part; raises OpenError if there are none."""
        if not self.composition.moves(e):
            return FLAT
        if e not in self.known:
            self.known[e] = _finite(self._node(e))
        return self.known[e]

    def _node(self, e: sp.Basic) -> Steepness:
        if isinstance(e, ex.Element):
            return Steepness(sp.S.One, ZERO, True, True)
        if e.is_Mul:
            moving = [a for a in e.args if self.composition.moves(a)]
            if len(moving) == 1:
                return self._scaled(moving[0], sp.Mul(*(a for a in e.args if a not in moving)))
        if e.is_Add:
            found = self._against_entry(e) or self._added(e)
            if found is not None:
                return found
        if _is_log_sum(e):
            return self._log_sum(e)
        for kinds, rule in RULES:
            if isinstance(e, kinds):
                return rule(self, e)
        return self._linked(e)

    def size(self, e: sp.Expr) -> sp.Expr:
        """The magnitude of what does not move."""
        key = sp.expand(e)
        if key not in self.sizes:
            signs = [s for s in (1, -1) if (s * key).is_nonnegative or self._sign(s * key)]
            self.sizes[key] = signs[0] * e if signs else sp.Abs(e)
        return self.sizes[key]

    def _sign(self, e: sp.Expr) -> bool:
        return self.composition.is_nonnegative(e) or Signs(self.composition).holds(e, ">=")

    def _scaled(self, part: sp.Expr, by: sp.Expr) -> Steepness:
        return self._weighted(self.of(part), by)

    def _weighted(self, s: Steepness, by: sp.Expr) -> Steepness:
        size = self.size(by)
        slope = _times(s.slope, size)
        return Steepness(sp.oo if slope is None else slope, _times(s.bend, size), s.tight,
                         s.tight_bend)  # fmt: skip

    # ---- sums -----------------------------------------------------------------------------------

    def _added(self, e: sp.Expr) -> Steepness | None:
        """Terms, each of its own predictions or not."""
        terms = [a for a in e.args if self.composition.moves(a)]
        if all(map(self._is_entry, terms)):
            return self._of_entries(terms)
        groups = self._groups(terms)
        if len(groups) == 1:
            return self._together(terms) if len(terms) > 1 else self.of(terms[0])
        try:
            parts = [self.of(sp.Add(*group)) for group in groups]
        except OpenError:
            return None
        bends = [p.bend for p in parts]
        if self._apart([sp.Add(*group) for group in groups]):
            slope = sp.sqrt(sp.Add(*(p.slope**2 for p in parts)))
            bend = None if None in bends else _largest(bends)
            return Steepness(
                slope, bend, all(p.tight for p in parts), all(p.tight_bend for p in parts)
            )
        return None

    def _together(self, terms: list[sp.Expr]) -> Steepness | None:
        """Terms of the same predictions: one formula, or the sum of their bounds."""
        try:
            return self._linked(sp.Add(*terms))
        except OpenError:
            pass  # a formula of several parts
        try:
            parts = [self.of(t) for t in terms]
        except OpenError:
            return None
        bends = [p.bend for p in parts]
        bend = None if None in bends else sp.Add(*bends)
        return Steepness(sp.Add(*(p.slope for p in parts)), bend)

    def _groups(self, terms: list[sp.Expr]) -> list[list[sp.Expr]]:
        """Terms that share predictions, directly or through others."""
        groups: list[tuple[set[str], list[sp.Expr]]] = []
        for term in terms:
            names = {a.tensor.name for a in term.atoms(ex.Element)} & set(self.composition.wrt)
            found = [term]
            for group in [g for g in groups if g[0] & names]:
                groups.remove(group)
                names, found = names | group[0], [*group[1], *found]
            groups.append((names, found))
        return [found for _, found in groups]

    def _is_entry(self, term: sp.Expr) -> bool:
        moving = [a for a in sp.Mul.make_args(term) if self.composition.moves(a)]
        return len(moving) == 1 and isinstance(moving[0], ex.Element)

    def _of_entries(self, terms: list[sp.Expr]) -> Steepness:
        """A linear formula of entries; two of one input that have one sign may be the same."""
        scales: dict[sp.Basic, list[sp.Expr]] = {}
        for term in terms:
            (entry,) = (a for a in sp.Mul.make_args(term) if self.composition.moves(a))
            scales.setdefault(entry.tensor, []).append(term / entry)
        squares, tight = [], True
        for found in scales.values():
            sizes = [self.size(s) for s in found]
            opposite = len(found) == 2 and (found[0] * found[1]).is_nonpositive
            if len(found) > 1 and not opposite:
                squares.append(sp.Add(*sizes) ** 2)
                tight = False
            else:
                squares.append(sp.Add(*(s**2 for s in sizes)))
        return Steepness(sp.sqrt(sp.Add(*squares)), ZERO, tight, True)

    def _apart(self, terms: list[sp.Expr]) -> bool:
        """Whether no two terms depend on the same prediction."""
        names = [
            {a.tensor.name for a in t.atoms(ex.Element)} & set(self.composition.wrt) for t in terms
        ]
        return sum(map(len, names)) == len(set().union(*names))

    def separate(self, body: sp.Basic, i: Index) -> bool:
        """Whether the body at two places of an index has no entry in common."""
        places: dict[str, set[int]] = {}
        for entry in body.atoms(ex.Element):
            if entry.tensor.name in self.composition.wrt:
                own = {n for n, p in enumerate(entry.indices) if p == i}
                name = entry.tensor.name
                places[name] = places.get(name, own) & own
        return all(places.values())

    def _sum(self, e: ex.Sum) -> Steepness:
        found = self.of(e.body)
        for i in e.indices:
            found = self._over(found, i, self.separate(e.body, i))
        return found

    def _over(self, s: Steepness, i: Index, apart: bool) -> Steepness:
        size = ex.Size(i.axis)
        if apart:
            varies = s.slope.has(i)
            whole = ex.Sum(s.slope**2, sp.Tuple(i)) if varies else size * s.slope**2
            bend = s.bend
            if bend is not None and bend.has(i):
                bend = ex.AxisMax(bend, sp.Tuple(i))
            slope = sp.sqrt(whole) if varies else sp.sqrt(size) * s.slope
            return Steepness(slope, bend, s.tight, s.tight_bend)
        slope = ex.Sum(s.slope, sp.Tuple(i)) if s.slope.has(i) else size * s.slope
        if s.bend is None:
            return Steepness(slope, None)
        bend = ex.Sum(s.bend, sp.Tuple(i)) if s.bend.has(i) else size * s.bend
        return Steepness(slope, bend)

    # ---- other reductions -----------------------------------------------------------------------

    def _log_sum(self, e: sp.Basic) -> Steepness:
        """A mean of gradients; the Hessian has their covariance on top of a mean of Hessians."""
        body, indices = _log_body(e)
        s = self.of(body)
        if any(s.slope.has(i) or (s.bend is not None and s.bend.has(i)) for i in indices):
            raise OpenError(f"the slopes of {e} vary along the axis")
        if s.bend is None:
            return Steepness(s.slope, None)
        apart = all(self.separate(body, i) for i in indices)
        spread = s.slope**2 / (2 if apart else 1)
        tight = apart and s.bend == 0
        return Steepness(s.slope, s.bend + spread, s.tight and apart, tight and s.tight)

    def _against_entry(self, e: sp.Expr) -> Steepness | None:
        """A log-sum-exp less one of its entries: a mean of differences of two gradients."""
        moving = [a for a in e.args if self.composition.moves(a)]
        if len(moving) != 2:
            return None
        for term, other in (moving, moving[::-1]):
            factors = sp.Mul.make_args(term)
            (whole, *more) = [f for f in factors if self.composition.moves(f)]
            weight = sp.Mul(*(f for f in factors if not self.composition.moves(f)))
            found = None if more else self._less_entry(whole, -other / weight)
            if found is not None:
                return self._weighted(found, weight)
        return None

    def _less_entry(self, whole: sp.Basic, entry: sp.Basic) -> Steepness | None:
        greatest = isinstance(whole, ex.AxisMax)
        if not (greatest or _is_log_sum(whole)):
            return None
        body, indices = (whole.body, whole.indices) if greatest else _log_body(whole)
        if len(indices) != 1 or not self._is_entry_of(entry, body, indices[0]):
            return None
        s = self._extreme(whole) if greatest else self._log_sum(whole)
        apart = self.separate(body, indices[0])
        slope = s.slope * (sp.sqrt(2) if apart else 2)
        if greatest:
            return Steepness(slope, None, s.tight and apart)
        return Steepness(slope, s.bend if self.of(body).bend == 0 else None, s.tight, s.tight_bend)

    def _is_entry_of(self, e: sp.Basic, body: sp.Basic, i: Index) -> bool:
        """Whether this is the body at one position of an index, but for what does not move."""
        places = [a for a in e.atoms(ex.Element) if a.tensor.role == "label"]
        places += [a for a in e.atoms(Index) if a.axis == i.axis]
        return any(not self.composition.moves(body.xreplace({i: p}) - e) for p in places)

    def _norm(self, e: ex.Norm) -> Steepness:
        s = self.of(e.body)
        if not all(self.separate(e.body, i) for i in e.indices):
            raise OpenError(f"{e} of entries that share predictions")
        if any(s.slope.has(i) for i in e.indices):
            raise OpenError(f"the slopes in {e} vary along the axis")
        if e.p in (2, sp.oo):
            return Steepness(s.slope, None, s.tight)
        if e.p == 1:
            sizes = sp.Mul(*(ex.Size(i.axis) for i in e.indices))
            return Steepness(sp.sqrt(sizes) * s.slope, None, s.tight)
        raise OpenError(f"a norm of order {e.p}")

    def _extreme(self, e: ex.Binder) -> Steepness:
        s = self.of(e.body)
        if any(s.slope.has(i) for i in e.indices):
            raise OpenError(f"the slopes in {e} vary along the axis")
        return Steepness(
            s.slope, None, s.tight and all(self.separate(e.body, i) for i in e.indices)
        )

    def _at(self, e: ex.At) -> Steepness:
        s = self.of(e.body)
        if s.slope.has(*e.indices):
            raise OpenError(f"the slope at {e}")
        return s

    def _piecewise(self, e: ex.Piecewise) -> Steepness:
        if any(self.composition.moves(c) for _, c in e.pairs):
            return self._linked(e)
        parts = [self.of(v) for v, _ in e.pairs if v not in (sp.oo, -sp.oo)]
        bends = [p.bend for p in parts]
        return Steepness(
            _largest([p.slope for p in parts]), None if None in bends else _largest(bends)
        )

    def _kink(self, e: sp.Basic) -> Steepness:
        try:
            return self._linked(e)
        except OpenError:
            slopes = [self.of(a).slope for a in e.args]
            return Steepness(_largest(slopes), None)

    # ---- scalar formulas ------------------------------------------------------------------------

    def _linked(self, e: sp.Basic) -> Steepness:
        """A scalar formula of one part."""
        link = Link(self.composition, e, merged=True)
        if len(link.parts) != 1:
            raise OpenError(f"{e} of several parts")
        if link.formula.has(op.LogGamma, op.Digamma, op.PolyGamma):
            raise OpenError(f"the slope of gamma functions in {e}")
        ((x, part),) = link.parts.items()
        if part == e:
            raise OpenError(f"the slope of {e}")
        back = {
            symbol: old for old, symbol in link.symbols.items() if isinstance(symbol, sp.Symbol)
        }
        first = self._supremum(link, x, 1).xreplace(back)
        inner = self.of(part)
        affine = inner.bend == 0 and inner.tight
        slope = first * inner.slope if first != sp.oo else sp.oo
        if inner.bend is None or (first == sp.oo and inner.bend != 0):
            return Steepness(slope, None, affine)
        if any(not r.has(x) for r in link.formula.atoms(Relational)):
            affine = False  # conditions are forgotten
        try:
            second = self._supremum(link, x, 2).xreplace(back)
        except OpenError:
            return Steepness(slope, None, affine)
        bend = sp.oo if sp.oo in (second, inner.slope) else second * inner.slope**2
        if inner.bend != 0:
            bend += first * inner.bend
        return Steepness(slope, bend, affine, affine)

    def _supremum(self, link: Link, x: sp.Symbol, order: int) -> sp.Expr:
        found: list[sp.Expr] = []
        for formula, _ in cases(link.formula, link.context):
            pieces = [c for c in pieces_of(formula, link.context) if c.is_open]
            parts: list[tuple[sp.Expr, Cell]] = [
                (sign * sp.diff(c.value, x, order), c) for c in pieces for sign in (1, -1)
            ]
            found += [b.value for b in supremum(parts, x, link.context, Ledger())]
        return _largest(found)


def _is_log_sum(e: sp.Basic) -> bool:
    if isinstance(e, ex.LogSumExp):
        return True
    inside = e.args[0] if isinstance(e, sp.log) else None
    return isinstance(inside, ex.Sum) and isinstance(inside.body, sp.exp)


def _log_body(e: sp.Basic) -> tuple[sp.Expr, tuple[Index, ...]]:
    if isinstance(e, ex.LogSumExp):
        return e.body, e.indices
    whole = e.args[0]
    return whole.body.args[0], whole.indices


def _largest(values: list[sp.Expr]) -> sp.Expr:
    kept = list(dict.fromkeys(values))
    if sp.oo in kept:
        return sp.oo
    return kept[0] if len(kept) == 1 else sp.Max(*kept)


RULES = (
    (ex.Sum, Slopes._sum),
    (ex.Norm, Slopes._norm),
    ((ex.AxisMax, ex.AxisMin), Slopes._extreme),
    (ex.At, Slopes._at),
    (ex.Piecewise, Slopes._piecewise),
    ((op.Maximum, op.Minimum, op.Magnitude), Slopes._kink),
)
