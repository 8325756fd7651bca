"""The author's own formula at many points at once, in floating point: to search, never to decide.

Nothing of the compiler or of its analysis is used. Axes are small and have a size each; an input is
one array of numbers per entry, labels and masks are one value for all points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, reduce
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from losscompiler.crosscheck.along_axes import free_indices
from losscompiler.spec import expressions as ex
from losscompiler.spec import special
from losscompiler.spec.recurrence import Carry, Scan

Array = Any
Slot = tuple[str, tuple[int, ...]]


class NoValueError(ArithmeticError):
    """A formula without a value here, or with a node that is not known."""


@lru_cache(maxsize=50_000)
def _indices(e: sp.Basic) -> tuple[ex.Index, ...]:
    return tuple(sorted(free_indices(e), key=str))


@lru_cache(maxsize=50_000)
def _recurs(e: sp.Basic) -> bool:
    return isinstance(e, Carry) or any(map(_recurs, e.args))


def _total(values: list[Array]) -> Array:
    return reduce(np.add, values) if values else np.float64(0)


def _product(values: list[Array]) -> Array:
    """An exact 0 annihilates whatever is infinite beside it."""
    found = reduce(np.multiply, values) if values else np.float64(1)
    if np.isnan(found).any():
        zero = reduce(np.logical_or, [np.equal(v, 0) for v in values])
        found = np.where(np.isnan(found) & zero, 0.0, found)
    return found


def _log_total(values: list[Array]) -> Array:
    return reduce(np.logaddexp, values)


def _each(function: Callable[[float], float]) -> Callable[[Array], Array]:
    def one(x: float) -> float:
        try:
            return function(x)
        except (ValueError, OverflowError, ZeroDivisionError):
            return math.nan

    found: Callable[[Array], Array] = np.vectorize(one, otypes=[float])
    return found


def _log_ndtr(x: float) -> float:
    if x > -25:
        return math.log(math.erfc(-x / math.sqrt(2)) / 2)
    tail = -1 / x**2 + 3 / x**4 - 15 / x**6
    return -x * x / 2 - math.log(-x) - math.log(2 * math.pi) / 2 + math.log1p(tail)


def _exp_moment(n: Array, x: Array, rate: Array) -> Array:
    still = np.equal(rate, 0)
    return np.where(still, x, np.expm1(rate * x) / np.where(still, 1.0, rate))


def _log_gamma(x: float) -> float:
    return math.lgamma(x) if x > 0 else math.nan


FUNCTIONS: dict[Any, Callable[..., Array]] = {
    sp.exp: np.exp,
    sp.log: np.log,
    sp.floor: np.floor,
    sp.ceiling: np.ceil,
    sp.sin: np.sin,
    sp.cos: np.cos,
    sp.tan: np.tan,
    sp.asin: np.arcsin,
    sp.acos: np.arccos,
    sp.atan: np.arctan,
    sp.atan2: np.arctan2,
    sp.sinh: np.sinh,
    sp.cosh: np.cosh,
    sp.tanh: np.tanh,
    sp.erf: _each(math.erf),
    sp.erfc: _each(math.erfc),
    sp.gamma: _each(math.gamma),
    sp.loggamma: _each(_log_gamma),
    ex.sigmoid: lambda x: np.exp(-np.logaddexp(0, -x)),
    ex.softplus: lambda x: np.logaddexp(0, x),
    ex.stop_gradient: lambda x: x,
    special.ndtr: _each(lambda x: math.erfc(-x / math.sqrt(2)) / 2),
    special.log_ndtr: _each(_log_ndtr),
    special.LogGamma: _each(_log_gamma),
    special.ExpMoment: _exp_moment,
}
RELATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
CONNECTIVES: dict[Any, Callable[..., Array]] = {
    sp.And: np.logical_and,
    sp.Or: np.logical_or,
    sp.Xor: np.logical_xor,
}


class Points:
    """One evaluation. `guards` collects what changes its sign where pieces of the formula meet.

    `still` holds the values of parts that do not depend on the inputs `wrt`; evaluations at the
    same values of all other inputs may share it.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        entries: Mapping[Slot, Array],
        wrt: frozenset[str] = frozenset(),
        still: dict[Any, Array] | None = None,
        *,
        dtype: Any = np.float64,
        guards: list[Array] | None = None,
    ) -> None:
        """Where to evaluate."""
        self.sizes, self.entries, self.wrt, self.dtype = sizes, entries, wrt, dtype
        self.still = {} if still is None else still
        self.memo: dict[Any, Array] = {}
        self.moving: dict[sp.Basic, bool] = {}
        self.index: dict[ex.Index, int] = {}
        self.guards = guards
        self.carries: dict[Any, Scan] = {}

    def value(self, e: sp.Basic, free: Iterable[ex.Index] = (), at: int = 0) -> Array:
        """The value of a formula at an entry of its free axes."""
        self.index = dict.fromkeys(free, at)
        with np.errstate(all="ignore"):
            return self(e)

    def __call__(self, e: sp.Basic) -> Array:
        """The value of a part of the formula at the indices that are set."""
        if _recurs(e):
            key: tuple[Any, ...] = (e, *sorted(self.index.items(), key=str))
        else:
            key = (e, *(self.index[i] for i in _indices(e)))
        known = self.memo if self._moves(e) else self.still
        if key not in known:
            known[key] = self._value(e)
        return known[key]

    def _moves(self, e: sp.Basic) -> bool:
        if e not in self.moving:
            if isinstance(e, ex.Element):
                self.moving[e] = isinstance(e, Carry) or e.tensor.name in self.wrt
            else:
                self.moving[e] = any(map(self._moves, e.args))
        return self.moving[e]

    def _value(self, e: sp.Basic) -> Array:
        if isinstance(e, ex.Index):
            return self.dtype(self.index[e])
        if isinstance(e, ex.Size):
            return self.dtype(self.sizes[e.axis])
        for kinds, rule in RULES:
            if isinstance(e, kinds):
                return rule(self, e)
        if type(e) in FUNCTIONS:
            return FUNCTIONS[type(e)](*(self(a) for a in e.args))
        raise NoValueError(f"`{type(e).__name__}` is not known here")

    def _number(self, e: sp.Expr) -> Array:
        if e.is_Rational:
            return self.dtype(int(e.p)) / self.dtype(int(e.q))
        return self.dtype(str(sp.N(e, 30)).replace("oo", "inf"))

    def _entry(self, e: Any) -> Array:
        slot = (e.tensor.name, tuple(self.position(i) for i in e.indices))
        if slot not in self.entries:
            raise NoValueError(f"{e} is outside its axis")
        found = self.entries[slot]
        return found if isinstance(e, ex.MaskElement) else np.asarray(found, self.dtype)

    def position(self, e: sp.Basic) -> int:
        """A position on an axis: an index, a shifted one, a label or a constant."""
        if isinstance(e, sp.Integer):
            return int(e)
        if isinstance(e, ex.Index):
            return self.index[e]
        if isinstance(e, ex.Size):
            return self.sizes[e.axis]
        if isinstance(e, ex.Element):
            return int(self.entries[e.tensor.name, tuple(map(self.position, e.indices))])
        parts = [self.position(a) for a in e.args]
        return sum(parts) if e.is_Add else math.prod(parts)

    def _power(self, e: sp.Pow) -> Array:
        base, exponent = self(e.base), self(e.exp)
        if e.exp == 2:
            return base * base
        if e.exp == sp.S.Half:
            return np.sqrt(base)
        if e.exp == -1:
            return 1 / base
        return np.power(base, exponent)

    # ---- guards -----------------------------------------------------------------------------

    def _meet(self, difference: Array) -> None:
        if self.guards is not None:
            self.guards.append(difference)

    def _step(self, e: sp.Expr) -> Array:
        x = self(e.args[0])
        self._meet(x)
        return np.abs(x) if isinstance(e, sp.Abs) else np.sign(x)

    def _relation(self, e: Relational) -> Array:
        a, b = self(e.args[0]), self(e.args[1])
        if self.guards is not None:
            self._meet(a - b)
        return RELATIONS[e.rel_op](a, b)

    def _extreme(self, e: sp.Basic) -> Array:
        values = self.along(e) if isinstance(e, ex.Binder) else [self(a) for a in e.args]
        choose = np.minimum if isinstance(e, sp.Min | ex.AxisMin) else np.maximum
        found = values[0]
        for other in values[1:]:
            if self.guards is not None:
                self._meet(found - other)
            found = choose(found, other)
        return found

    def _piecewise(self, e: Any) -> Array:
        found: Array = self.dtype(math.nan)
        for value, condition in reversed([tuple(pair) for pair in e.args]):
            here = self(condition)
            if np.any(here):
                found = self(value) if np.all(here) else np.where(here, self(value), found)
        return found

    def _connective(self, e: sp.Basic) -> Array:
        parts = [self(a) for a in e.args]
        return np.logical_not(parts[0]) if isinstance(e, sp.Not) else reduce(
            CONNECTIVES[type(e)], parts
        )  # fmt: skip

    # ---- axes -------------------------------------------------------------------------------

    def along(self, e: ex.Binder, body: sp.Basic | None = None) -> list[Array]:
        """The values of the body over the bound axes."""
        before = {i: self.index.get(i) for i in e.indices}
        found = []
        for at in itertools.product(*(range(self.sizes[i.axis]) for i in e.indices)):
            self.index.update(zip(e.indices, at, strict=True))
            found.append(self(e.body if body is None else body))
        for i, old in before.items():
            if old is None:
                self.index.pop(i, None)
            else:
                self.index[i] = old
        return found

    def _norm(self, e: ex.Norm) -> Array:
        entries = self.along(e)
        for x in entries:
            self._meet(x)
        sizes = [np.abs(x) for x in entries]
        if e.p == sp.oo:
            return reduce(np.maximum, sizes)
        if e.p == 1:
            return _total(sizes)
        if e.p == 2:
            return np.sqrt(_total([x * x for x in sizes]))
        p = self(e.p)
        return np.power(_total([np.power(x, p) for x in sizes]), 1 / p)

    def _log_softmax(self, e: ex.Binder) -> Array:
        return self(e.body) - _log_total(self.along(e))

    def _cumulated(self, e: Any) -> Array:
        (i,) = e.indices
        at, values = self.index[i], self.along(e)
        kept = values[at:] if e.reverse else values[: at + 1]
        return _total(kept) if isinstance(e, ex.CumSum) else _log_total(kept)

    def _correlated(self, e: ex.Correlate) -> Array:
        (i,) = e.indices
        at, values, half = self.index[i], self.along(e), len(e.taps) // 2
        near = [(tap, at + n - half) for n, tap in enumerate(e.taps)]
        return _total([self(tap) * values[n] for tap, n in near if 0 <= n < len(values)])

    def _order(self, e: ex.Binder, keys: sp.Basic, falling: bool) -> Array:
        entries = np.broadcast_arrays(*self.along(e, keys))
        for a, b in itertools.pairwise(entries):
            self._meet(a - b)
        stacked = np.stack(entries)
        return np.argsort(-stacked if falling else stacked, axis=0, kind="stable")

    def _sorted(self, e: ex.Sort) -> Array:
        at, values = self.index[e.indices[0]], self.along(e)
        order = self._order(e, e.keys, e.descending)[at]
        *entries, place = np.broadcast_arrays(*values, order)
        return np.take_along_axis(np.stack(entries), place[None], axis=0)[0]

    def _rank(self, e: ex.Rank) -> Array:
        at = self.index[e.indices[0]]
        return np.argmax(self._order(e, e.body, False) == at, axis=0).astype(self.dtype)

    def _at(self, e: ex.At) -> Array:
        (i,) = e.indices
        there, before = self.position(e.position), self.index.get(i)
        if not 0 <= there < self.sizes[i.axis]:
            raise NoValueError("a position outside its axis")
        self.index[i] = there
        found = self(e.body)
        if before is None:
            del self.index[i]
        else:
            self.index[i] = before
        return found

    # ---- recurrences ------------------------------------------------------------------------

    def _scanned(self, e: Scan) -> Array:
        for carry in e.carries:
            self.carries[carry.tensor] = e
        return self._carry(e, e.which, tuple(map(self.position, e.positions)))

    def _former(self, e: Carry) -> Array:
        scan = self.carries[e.tensor]
        at, *others = map(self.position, e.indices)
        which = [c.tensor for c in scan.carries].index(e.tensor)
        return self._carry(scan, which, (at + (1 if scan.reverse else -1), *others))

    def _carry(self, e: Scan, which: int, at: tuple[int, ...]) -> Array:
        own = e.carries[which].indices
        bound = {i for carry in e.carries for i in carry.indices}
        outside = sorted((i for i in self.index.items() if i[0] not in bound), key=str)
        key = ("carry", e.carries[which].tensor, at, *outside)
        if key not in self.memo:
            lengths = [self.sizes[i.axis] for i in own]
            if not all(0 <= n < size for n, size in zip(at[1:], lengths[1:], strict=True)):
                return self.dtype(math.nan)
            before = dict(self.index)
            self.index.update(zip(own, at, strict=True))
            self.memo[key] = self((e.steps if 0 <= at[0] < lengths[0] else e.inits)[which])
            self.index = before
        return self.memo[key]


Rule = Callable[[Points, Any], Array]
RULES: tuple[tuple[Any, Rule], ...] = (
    (BooleanAtom, lambda points, e: np.bool_(e == sp.true)),
    ((sp.Number, sp.NumberSymbol), Points._number),
    (Carry, Points._former),
    (Scan, Points._scanned),
    ((ex.Element, ex.MaskElement), Points._entry),
    (sp.Symbol, lambda points, e: np.asarray(points.entries[e.name, ()], points.dtype)),
    (sp.Add, lambda points, e: _total([points(a) for a in e.args])),
    (sp.Mul, lambda points, e: _product([points(a) for a in e.args])),
    (sp.Pow, Points._power),
    ((ex.Piecewise, sp.Piecewise), Points._piecewise),
    (Relational, Points._relation),
    ((*CONNECTIVES, sp.Not), Points._connective),
    ((sp.Max, sp.Min, ex.AxisMax, ex.AxisMin), Points._extreme),
    ((sp.Abs, sp.sign), Points._step),
    (ex.Sum, lambda points, e: _total(points.along(e))),
    (ex.Prod, lambda points, e: _product(points.along(e))),
    (ex.Norm, Points._norm),
    (ex.LogSumExp, lambda points, e: _log_total(points.along(e))),
    (ex.Softmax, lambda points, e: np.exp(points._log_softmax(e))),
    (ex.LogSoftmax, Points._log_softmax),
    ((ex.CumSum, ex.LogCumSumExp), Points._cumulated),
    (ex.Correlate, Points._correlated),
    (ex.Sort, Points._sorted),
    (ex.Rank, Points._rank),
    (ex.At, Points._at),
)
