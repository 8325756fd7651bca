"""The value of a formula over small axes, in whatever numbers an algebra computes with.

One walk serves sampling (arrays of numbers, one per sample point) and certification (rationals and
intervals): what differs is the arithmetic alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Protocol

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from losscompiler.ir import operators as op
from losscompiler.spec import expressions as ex
from losscompiler.spec.recurrence import Carry, Scan
from losscompiler.spec.special import of_sympy
from losscompiler.spec.substitute import free_indices

Number = Any


class UndefinedError(ArithmeticError):
    """The formula has no value here, or none that the algebra can compute."""


class Algebra(Protocol):
    """What numbers can do."""

    functions: Mapping[type[sp.Basic], Callable[..., Number]]

    def number(self, e: sp.Expr) -> Number:
        """A constant."""

    def compare(self, relation: str, a: Number, b: Number) -> Any:
        """Whether a relation holds."""

    def choose(self, pairs: Iterator[tuple[Any, Callable[[], Number]]]) -> Number:
        """The first value whose condition holds."""

    def sort(self, keys: list[Number], falling: bool) -> list[Any]:
        """The positions of the keys in their order, one for each place."""

    def pick(self, entries: list[Number], place: Any) -> Number:
        """The entry at a position."""


@lru_cache(maxsize=50_000)
def indices_of(e: sp.Basic) -> tuple[ex.Index, ...]:
    """The free indices of a part of a formula, in a fixed order."""
    return tuple(sorted(free_indices(e), key=str))


@lru_cache(maxsize=50_000)
def _reads_carries(e: sp.Basic) -> bool:
    return isinstance(e, Carry) or any(map(_reads_carries, e.args))


KINDS: dict[type[sp.Basic], type[sp.Basic]] = {
    sp.Abs: op.Magnitude,
    sp.sign: op.Sign,
    sp.Max: op.Maximum,
    sp.Min: op.Minimum,
}


@dataclass
class Walk:
    """One evaluation: `entries` holds numbers by name and position, `symbols` those of symbols."""

    algebra: Algebra
    sizes: Mapping[str, int] = field(default_factory=dict)
    entries: Mapping[tuple[str, tuple[int, ...]], Number] = field(default_factory=dict)
    symbols: Mapping[sp.Basic, Number] = field(default_factory=dict)
    index: dict[ex.Index, int] = field(default_factory=dict)
    memo: dict[Any, Number] = field(default_factory=dict)
    carries: dict[Any, Scan] = field(default_factory=dict)

    def __call__(self, e: sp.Basic) -> Number:
        """The value of a part of the formula at the indices that are set."""
        if e in self.symbols:
            return self.symbols[e]
        if _reads_carries(e):  # which vary with what is around their recurrence
            key: tuple[Any, ...] = (e, *sorted(self.index.items(), key=str))
        else:
            key = (e, *(self.index.get(i) for i in indices_of(e)))
        if key not in self.memo:
            self.memo[key] = self._value(e)
        return self.memo[key]

    def _value(self, e: sp.Basic) -> Number:
        if isinstance(e, BooleanAtom):
            return e == sp.true
        if isinstance(e, sp.Number | sp.NumberSymbol) or e in (sp.oo, -sp.oo):
            return self.algebra.number(e)
        if isinstance(e, ex.Index):
            return self.algebra.number(sp.Integer(self.index[e]))
        if isinstance(e, ex.Size):
            return self.algebra.number(sp.Integer(self.sizes[e.axis]))
        if isinstance(e, Carry):
            return self._carried(e)
        if isinstance(e, ex.Element | ex.MaskElement):
            place = (e.tensor.name, tuple(self.position(i) for i in e.indices))
            if place not in self.entries:
                raise UndefinedError(f"{e} is outside its axis")
            return self.entries[place]
        for kinds, rule in RULES:
            if isinstance(e, kinds):
                return rule(self, e)
        if isinstance(e, Relational):
            return self.algebra.compare(e.rel_op, *(self(a) for a in e.args))
        head = KINDS.get(type(e), type(e))
        named = of_sympy(e) if head not in self.algebra.functions else None
        if named is not None:
            return self(named)
        if head not in self.algebra.functions:
            raise UndefinedError(f"`{head.__name__}` is not known here")
        return self.algebra.functions[head](*(self(a) for a in e.args))

    def position(self, e: sp.Basic) -> int:
        """A position on an axis: an index, a shifted one, a label or a constant."""
        found = e
        if not isinstance(e, sp.Integer):
            if isinstance(e, ex.Element):
                return int(self(e))
            swaps = {i: sp.Integer(self.index[i]) for i in e.atoms(ex.Index)}
            swaps |= {s: sp.Integer(self.sizes[s.axis]) for s in e.atoms(ex.Size)}
            found = e.xreplace(swaps)
            labels = {a: sp.Integer(int(self(a))) for a in found.atoms(ex.Element)}
            found = found.xreplace(labels)
        return int(found)

    def over(self, indices: tuple[ex.Index, ...]) -> Iterator[None]:
        """Every position of some axes in turn."""
        before = {i: self.index.get(i) for i in indices}
        for at in itertools.product(*(range(self.sizes[i.axis]) for i in indices)):
            self.index.update(zip(indices, at, strict=True))
            yield
        for i, value in before.items():
            if value is None:
                self.index.pop(i, None)
            else:
                self.index[i] = value

    def along(self, e: ex.Binder, body: sp.Expr | None = None) -> list[Number]:
        """The values of the body over the bound axes."""
        return [self(e.body if body is None else body) for _ in self.over(e.indices)]

    def apply(self, head: type[sp.Basic], *values: Number) -> Number:
        """A function of numbers."""
        return self.algebra.functions[head](*values)

    def total(self, values: list[Number]) -> Number:
        """The sum of numbers."""
        return self.apply(sp.Add, *values) if values else self.algebra.number(sp.S.Zero)

    def log_total(self, values: list[Number]) -> Number:
        """The logarithm of a sum of exponentials."""
        return self.apply(sp.log, self.total([self.apply(sp.exp, v) for v in values]))

    def _piecewise(self, e: sp.Basic) -> Number:
        return self.algebra.choose((self(c), partial(self, v)) for v, c in map(tuple, e.args))

    def _sum(self, e: ex.Binder) -> Number:
        return self.total(self.along(e))

    def _product(self, e: ex.Binder) -> Number:
        values = self.along(e)
        return self.apply(sp.Mul, *values) if values else self.algebra.number(sp.S.One)

    def _extreme(self, e: ex.Binder) -> Number:
        head = op.Maximum if isinstance(e, ex.AxisMax) else op.Minimum
        return self._folded(head, self.along(e))

    def _folded(self, head: type[sp.Basic], values: list[Number]) -> Number:
        result = values[0]
        for value in values[1:]:
            result = self.apply(head, result, value)
        return result

    def _kink(self, e: sp.Basic) -> Number:
        return self._folded(KINDS[type(e)], [self(a) for a in e.args])

    def _norm(self, e: ex.Norm) -> Number:
        sizes = [self.apply(op.Magnitude, v) for v in self.along(e)]
        if e.p == sp.oo:
            return self._folded(op.Maximum, sizes)
        if e.p == 1:
            return self.total(sizes)
        p = self(e.p)
        whole = self.total([self.apply(sp.Pow, v, p) for v in sizes])
        return self.apply(sp.Pow, whole, self.apply(sp.Pow, p, self.algebra.number(sp.S(-1))))

    def _log_sum_exp(self, e: ex.Binder) -> Number:
        return self.log_total(self.along(e))

    def _log_softmax(self, e: ex.Binder) -> Number:
        own = self(e.body)
        minus = self.algebra.number(sp.S(-1))
        return self.apply(sp.Add, own, self.apply(sp.Mul, minus, self.log_total(self.along(e))))

    def _softmax(self, e: ex.Binder) -> Number:
        return self.apply(sp.exp, self._log_softmax(e))

    def _cumulated(self, e: ex.CumSum | ex.LogCumSumExp) -> Number:
        (i,) = e.indices
        at, values = self.index[i], self.along(e)
        kept = values[at:] if e.reverse else values[: at + 1]
        return self.total(kept) if isinstance(e, ex.CumSum) else self.log_total(kept)

    def _correlated(self, e: ex.Correlate) -> Number:
        (i,) = e.indices
        at, values = self.index[i], self.along(e)
        middle = len(e.taps) // 2
        terms = [
            self.apply(sp.Mul, self(tap), values[at + n - middle])
            for n, tap in enumerate(e.taps)
            if 0 <= at + n - middle < len(values)
        ]
        return self.total(terms)

    def _sorted(self, e: ex.Sort) -> Number:
        (i,) = e.indices
        at, values = self.index[i], self.along(e)
        order = self.algebra.sort(self.along(e, e.keys), e.descending)
        return self.algebra.pick(values, order[at])

    def _rank(self, e: ex.Rank) -> Number:
        (i,) = e.indices
        at = self.index[i]
        order = self.algebra.sort(self.along(e), False)
        numbers = [self.algebra.number(sp.Integer(n)) for n in range(len(order))]
        first = self.algebra.number(sp.Integer(at))
        places = [self.algebra.compare("==", place, first) for place in order]
        return self.algebra.choose(
            (here, partial(numbers.__getitem__, n)) for n, here in enumerate(places)
        )

    def _at(self, e: ex.At) -> Number:
        (i,) = e.indices
        there, before = self.position(e.position), self.index.get(i)
        self.index[i] = there
        value = self(e.body)
        if before is None:
            del self.index[i]
        else:
            self.index[i] = before
        return value

    def _scanned(self, e: Scan) -> Number:
        for carry in e.carries:
            self.carries[carry.tensor] = e
        return self._carry_at(e, e.which, tuple(self.position(p) for p in e.positions))

    def _carried(self, e: Carry) -> Number:
        scan = self.carries[e.tensor]
        at, *others = (self.position(p) for p in e.indices)
        which = [c.tensor for c in scan.carries].index(e.tensor)
        return self._carry_at(scan, which, (at + (1 if scan.reverse else -1), *others))

    def _carry_at(self, e: Scan, which: int, at: tuple[int, ...]) -> Number:
        own = e.carries[which].indices
        bound = {c for carry in e.carries for c in carry.indices}
        outside = tuple(sorted((i for i in self.index.items() if i[0] not in bound), key=str))
        key = ("carry", e.carries[which].tensor, at, outside)
        if key not in self.memo:
            lengths = [self.sizes[i.axis] for i in own]
            if not all(0 <= n < size for n, size in zip(at[1:], lengths[1:], strict=True)):
                raise UndefinedError("a carry outside its axis")
            inner = Walk(
                self.algebra, self.sizes, self.entries, self.symbols,
                {**self.index, **dict(zip(own, at, strict=True))}, self.memo, self.carries,
            )  # fmt: skip
            step = 0 <= at[0] < lengths[0]
            self.memo[key] = inner((e.steps if step else e.inits)[which])
        return self.memo[key]


Rule = Callable[[Walk, Any], Number]
RULES: tuple[tuple[Any, Rule], ...] = (
    ((ex.Piecewise, sp.Piecewise), Walk._piecewise),
    ((sp.Max, sp.Min), Walk._kink),
    (Scan, Walk._scanned),
    (ex.Sum, Walk._sum),
    (ex.Prod, Walk._product),
    ((ex.AxisMax, ex.AxisMin), Walk._extreme),
    (ex.Norm, Walk._norm),
    (ex.LogSumExp, Walk._log_sum_exp),
    (ex.LogSoftmax, Walk._log_softmax),
    (ex.Softmax, Walk._softmax),
    ((ex.CumSum, ex.LogCumSumExp), Walk._cumulated),
    (ex.Correlate, Walk._correlated),
    (ex.Sort, Walk._sorted),
    (ex.Rank, Walk._rank),
    (ex.At, Walk._at),
)
