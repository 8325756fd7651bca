"""Lowers a formula to the graph: indices become axes, entries become leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom, BooleanFunction

from losscompiler.diagnostics import SpecError
from losscompiler.ir import along, nodes
from losscompiler.ir.graph import Graph
from losscompiler.ir.nodes import Axis
from losscompiler.ir.operators import (
    Digamma,
    ExpMoment,
    InverseMills,
    Log1mExp,
    LogAddExp,
    LogCosh,
    LogGamma,
    Magnitude,
    Maximum,
    MillsExcess,
    Minimum,
    PolyGamma,
    Sign,
    XDivY,
    XLogY,
    log_ndtr,
    ndtr,
)
from losscompiler.ir.recurrence import recurrence
from losscompiler.passes import lengths
from losscompiler.spec import expressions as ex
from losscompiler.spec.expressions import Index, Tensor, split_shift
from losscompiler.spec.recurrence import Scan
from losscompiler.spec.special import of_sympy

SCALAR_FUNCTIONS: frozenset[type[sp.Basic]] = frozenset(
    {
        sp.exp, sp.log, sp.floor, sp.ceiling,
        sp.sin, sp.cos, sp.tan, sp.asin, sp.acos, sp.atan, sp.atan2,
        sp.sinh, sp.cosh, sp.tanh,
        ex.sigmoid, ex.softplus, ex.stop_gradient, Log1mExp, LogAddExp, LogCosh, XLogY, XDivY,
        sp.erf, sp.erfc, ndtr, log_ndtr, InverseMills, MillsExcess, LogGamma, Digamma, PolyGamma,
        ExpMoment,
    }
)  # fmt: skip
KINKED: dict[type[sp.Basic], Callable[..., sp.Expr]] = {
    sp.Abs: Magnitude,
    sp.sign: Sign,
    sp.Max: Maximum,
    sp.Min: Minimum,
}
DTYPES = {"mask": "bool", "label": "int"}
Carried = tuple[sp.Expr, tuple[Axis, ...]]  # a carry, and the axes that stand for its indices


@dataclass
class Lowering:
    """One formula being lowered. `inputs` maps tensor names to their definitions.

    `carries` holds the former carries of the recurrences around it, and the axes that these have
    there; `scans` remembers the results of recurrences, by what their carries are called.
    """

    graph: Graph
    inputs: dict[str, nodes.Input] = field(default_factory=dict)
    known: dict[sp.Basic, sp.Basic] = field(default_factory=dict)
    carries: dict[Tensor, Carried] = field(default_factory=dict)
    scans: dict[tuple[Tensor, ...], list[Carried]] = field(default_factory=dict)

    def __call__(self, e: sp.Basic) -> sp.Basic:
        """The value of the graph that a formula is."""
        if e not in self.known:
            self.known[e] = self._lower(e)
        return self.known[e]

    def _lower(self, e: sp.Basic) -> sp.Basic:
        if isinstance(e, ex.Element | ex.MaskElement):
            return self._element(e)
        if isinstance(e, Index):
            return self.graph.positions(axis_of(e))
        if isinstance(e, ex.Size):
            return self.graph.extent(e.axis)
        if isinstance(e, ex.Binder):
            return BINDERS[type(e)](self, e)
        if isinstance(e, ex.Piecewise):
            return self._cells(e.pairs)
        if isinstance(e, sp.Piecewise):
            return self._cells(e.args)
        if e.is_Number or e.is_NumberSymbol or isinstance(e, BooleanAtom):
            return e
        if type(e) in KINKED:
            return _folded(KINKED[type(e)], [self(a) for a in _numbers_last(e.args)])
        if e.is_Mul or e.is_Pow:
            return lengths.divided(self.graph, e.func(*(self(a) for a in e.args)))
        if e.is_Add or type(e) in SCALAR_FUNCTIONS:
            return e.func(*(self(a) for a in e.args))
        if isinstance(e, Relational | BooleanFunction):
            return e.func(*(self(a) for a in e.args))
        named = of_sympy(e)
        if named is not None:
            return self(named)
        raise _unsupported(e)

    def _cells(self, pairs: tuple[tuple[sp.Expr, sp.Basic], ...]) -> sp.Expr:
        return ex.Piecewise(*((self(value), self(condition)) for value, condition in pairs))

    def _element(self, e: ex.Element | ex.MaskElement) -> sp.Basic:
        tensor = e.tensor
        if tensor in self.carries:
            carry, axes = self.carries[tensor]
            return self._entry(carry, axes, e.indices[1:])
        own = tuple(
            Axis(a.removeprefix("*"), f"{tensor.name}.{k}") for k, a in enumerate(tensor.axes)
        )
        formal = tuple(Axis(a.extent, f"${k}") for k, a in enumerate(own))
        definition = nodes.Input(formal, tensor.name, DTYPES.get(tensor.role, "float"))
        self.inputs[tensor.name] = definition
        facts = {k: v for k, v in tensor.symbol.assumptions0.items() if k != "commutative"}
        if tensor.role == "label":
            facts = {"integer": True, "nonnegative": True}
        value: sp.Basic = self.graph.leaf(definition, own, facts)
        for axis, position in zip(own, e.indices, strict=True):
            value = self._index(value, axis, position)
        return value

    def _entry(
        self, value: sp.Basic, axes: Sequence[Axis], positions: Sequence[sp.Basic]
    ) -> sp.Basic:
        """A value at positions of its axes, which these may be called like."""
        fresh = {axis: self.graph.fresh(axis.extent) for axis in axes}
        value = self.graph.rename(value, fresh)
        for axis, position in zip(fresh.values(), positions, strict=True):
            value = self._index(value, axis, position)
        return value

    def scan(self, e: Scan) -> sp.Basic:
        """One carry of a recurrence, at its positions."""
        key = tuple(c.tensor for c in e.carries)
        if key not in self.scans:
            self.scans[key] = self._recurrence(e)
        value, axes = self.scans[key][e.which]
        return self._entry(value, axes, e.positions)

    def _recurrence(self, e: Scan) -> list[Carried]:
        axes = [tuple(map(axis_of, c.indices)) for c in e.carries]

        def step(former: Sequence[sp.Expr]) -> list[sp.Expr]:
            inside = dict(self.carries)
            for carry, value, (_, *own) in zip(e.carries, former, axes, strict=True):
                inside[carry.tensor] = (value, tuple(own))
            known, scans = dict(self.known), dict(self.scans)
            lower = replace(self, carries=inside, known=known, scans=scans)
            return [lower(formula) for formula in e.steps]

        inits = [self(formula) for formula in e.inits]
        along = axis_of(e.indices[0])
        results = recurrence(self.graph, along, inits, step, reverse=e.reverse)
        return list(zip(results, axes, strict=True))

    def _index(self, value: sp.Basic, axis: Axis, position: sp.Basic) -> sp.Basic:
        if isinstance(position, sp.Integer):
            return self.graph.at(value, axis, int(position))
        if isinstance(position, ex.Element):
            return self.graph.gather(value, axis, self(position))
        index, offset = split_shift(position)
        assert index is not None, position
        shifted = self.graph.shift(value, axis, offset)
        return self.graph.rename(shifted, {axis: axis_of(index)})


def _numbers_last(args: tuple[sp.Expr, ...]) -> list[sp.Expr]:
    return sorted(args, key=lambda a: (bool(a.is_number), sp.default_sort_key(a)))


def _folded(operator: Callable[..., sp.Expr], args: list[sp.Expr]) -> sp.Expr:
    """A maximum of three is the maximum of one and the maximum of the others."""
    if len(args) == 1:
        return operator(args[0])
    return operator(args[0], args[1] if len(args) == 2 else _folded(operator, args[1:]))


def axis_of(index: Index) -> Axis:
    """The axis that an index runs along."""
    return Axis(index.axis, index.name)


def _unsupported(e: sp.Basic) -> SpecError:
    name = type(e).__name__ if not isinstance(e, AppliedUndef) else str(e.func)
    if isinstance(e, sp.Sum):
        return SpecError(
            "LC130",
            "SymPy's own Sum has no axis",
            help="import Sum from losscompiler.spec and sum over index(...)",
        )
    return SpecError(
        "LC130",
        f"`{name}` in `{e}` cannot be compiled",
        help="use the functions that losscompiler.spec exports",
    )


# ---- axis reductions ----------------------------------------------------------------------


def _bound(e: ex.Binder) -> tuple[Axis, ...]:
    return tuple(axis_of(i) for i in e.indices)


def _sum(lower: Lowering, e: ex.Binder) -> sp.Basic:
    return lower.graph.sum(lower(e.body), _bound(e))


def _prod(lower: Lowering, e: ex.Binder) -> sp.Basic:
    value = lower(e.body)
    for axis in _bound(e):
        value = lower.graph.reduce("prod", value, (axis,))
    return value


def _max(lower: Lowering, e: ex.Binder) -> sp.Basic:
    return lower.graph.reduce("max", lower(e.body), _bound(e))


def _min(lower: Lowering, e: ex.Binder) -> sp.Basic:
    return -lower.graph.reduce("max", -lower(e.body), _bound(e))


def _logsumexp(lower: Lowering, e: ex.Binder) -> sp.Basic:
    weight, where = e.args[2:] if len(e.args) > 2 else (sp.S.One, sp.true)
    return lower.graph.logsumexp(lower(e.body), _bound(e), lower(weight), lower(where))


def _norm(lower: Lowering, e: ex.Norm) -> sp.Basic:
    body, p = lower(e.body), lower(e.p)
    if not set(_bound(e)) & set(lower.graph.axes(body)):  # so many times the same entry
        copies = sp.Mul(*(lower.graph.extent(axis.extent) for axis in _bound(e)))
        return Magnitude(body) * copies ** (1 / p)
    if p == 2:
        return lengths.euclidean(lower.graph, body, _bound(e))
    if p == 1:
        return lower.graph.sum(Magnitude(body), _bound(e))
    if p == sp.oo:
        return lower.graph.reduce("max", Magnitude(body), _bound(e))
    return lower.graph.sum(Magnitude(body) ** p, _bound(e)) ** (1 / p)


def _log_softmax(lower: Lowering, e: ex.Binder) -> sp.Basic:
    return lower(e.body) - _logsumexp(lower, e)


def _softmax(lower: Lowering, e: ex.Binder) -> sp.Basic:
    return sp.exp(_log_softmax(lower, e))


def _sort(lower: Lowering, e: ex.Sort) -> sp.Basic:
    (axis,) = _bound(e)
    value, keys = lower(e.body), lower(e.keys)
    by_keys = along.order(lower.graph, -keys if e.descending else keys, axis)
    if e.body == e.keys:
        value = along.tie_mean(lower.graph, value, axis, keys, by_keys)
    return along.permuted(lower.graph, value, axis, by_keys)


def _rank(lower: Lowering, e: ex.Rank) -> sp.Basic:
    return along.order(lower.graph, lower(e.body), *_bound(e), inverse=True)


def _cumsum(lower: Lowering, e: ex.CumSum) -> sp.Basic:
    return along.cumulate(lower.graph, lower(e.body), *_bound(e), reverse=e.reverse)


def _logcumsumexp(lower: Lowering, e: ex.LogCumSumExp) -> sp.Basic:
    return along.log_cumulate(lower.graph, lower(e.body), *_bound(e), reverse=e.reverse)


def _correlate(lower: Lowering, e: ex.Correlate) -> sp.Basic:
    (axis,) = _bound(e)
    taps = tuple(lower(tap) for tap in e.taps)
    return along.correlate(lower.graph, lower(e.body), axis, taps, -(len(taps) // 2))


def _at(lower: Lowering, e: ex.At) -> sp.Basic:
    (axis,) = _bound(e)
    return lower._index(lower(e.body), axis, e.position)


BINDERS = {
    ex.Sum: _sum,
    ex.Prod: _prod,
    ex.AxisMax: _max,
    ex.AxisMin: _min,
    ex.LogSumExp: _logsumexp,
    ex.Norm: _norm,
    ex.Softmax: _softmax,
    ex.LogSoftmax: _log_softmax,
    ex.Sort: _sort,
    ex.Rank: _rank,
    ex.CumSum: _cumsum,
    ex.LogCumSumExp: _logcumsumexp,
    ex.Correlate: _correlate,
    ex.At: _at,
    Scan: Lowering.scan,
}
