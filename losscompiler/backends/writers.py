"""How each definition of the graph becomes the expression of one statement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypeAlias

import sympy as sp

from losscompiler.backends import recurrence
from losscompiler.backends.emitter import Emitter, Writers, base_name
from losscompiler.ir import along, nodes
from losscompiler.ir.nodes import Axis

LETTERS = "abcdefghijklmnopqrstuvwxyz"
Factor: TypeAlias = "tuple[str, tuple[Axis, ...]]"  # a named array and its axes


def _numbers(axes: Sequence[Axis], chosen: Sequence[Axis]) -> tuple[int, ...]:
    return tuple(axes.index(a) - len(axes) for a in sorted(chosen, key=list(axes).index))


def _map(emit: Emitter, node: nodes.Map) -> str:
    return emit.value(node.body, node.free)


def _reduce(emit: Emitter, node: nodes.Reduce) -> str:
    axes = emit.layout(node)
    code = emit.spelling.reductions[node.kind]
    return code(emit.operand(node.body, axes), _numbers(axes, node.over))


def _contract(emit: Emitter, node: nodes.Contract) -> str:
    """Products of two at a time, the ones with the smallest results first.

    Left to themselves some frameworks multiply from left to right, and build whatever that gives.
    """
    order = (*node.free, *node.over)
    factors: list[Factor] = []
    for factor in node.factors:
        axes = tuple(a for a in order if a in emit.graph.axes(factor))
        factors.append((_named(emit, factor, axes), axes))
    while len(factors) > 2:
        pair, others, kept = _cheapest(factors, node.free, order)
        factors = [*others, (emit.assign(_product(emit, pair, kept), "dot"), kept)]
    return _product(emit, factors, node.free)


def _cheapest(
    factors: list[Factor], free: Sequence[Axis], order: Sequence[Axis]
) -> tuple[list[Factor], list[Factor], tuple[Axis, ...]]:
    """The two factors whose product has the fewest axes, the other ones, and these axes."""
    candidates = []
    for chosen in combinations(range(len(factors)), 2):
        pair = [factors[k] for k in chosen]
        others = [f for k, f in enumerate(factors) if k not in chosen]
        needed = {*free, *(a for _, axes in others for a in axes)}
        whole = {a for _, axes in pair for a in axes}
        kept = tuple(a for a in order if a in whole and a in needed)
        candidates.append((len(kept), len(whole), pair, others, kept))
    _, _, pair, others, kept = min(candidates, key=lambda c: c[:2])
    return pair, others, kept


def _product(emit: Emitter, factors: Sequence[Factor], free: Sequence[Axis]) -> str:
    """The sum of a product over all axes but the free ones: `a @ b` if it is a matrix product."""
    every = dict.fromkeys((*free, *(a for _, axes in factors for a in axes)))
    inner = [a for a in every if a not in free]
    if not inner and all(axes == tuple(free) for _, axes in factors):
        return " * ".join(code for code, _ in factors)
    if len(factors) == 2 and len(free) == 2 and len(inner) == 1:
        (bound,) = inner
        row, column = free
        for (a, a_axes), (b, b_axes) in (factors, factors[::-1]):
            if set(a_axes) == {row, bound} and set(b_axes) == {column, bound}:
                left = emit.permuted(a, a_axes, (row, bound))
                return emit.spelling.matmul(left, emit.permuted(b, b_axes, (bound, column)))
    letter = dict(zip(every, LETTERS, strict=False))
    sources = ["..." + "".join(letter[a] for a in axes) for _, axes in factors]
    target = "..." + "".join(letter[a] for a in free)
    return emit.spelling.einsum(f"{','.join(sources)}->{target}", *(code for code, _ in factors))


def _named(emit: Emitter, factor: sp.Basic, axes: Sequence[Axis]) -> str:
    code = emit.operand(factor, axes)
    return code if code.isidentifier() else emit.assign(code, base_name(factor))


def _logsumexp(emit: Emitter, node: nodes.LogSumExp) -> str:
    axes = emit.layout(node)
    body = node.body if node.weight == 1 else node.body + sp.log(node.weight)
    numbers = _numbers(axes, node.over)
    axis = str(numbers[0]) if len(numbers) == 1 else str(numbers)
    if node.where == sp.true:
        return f"fn.logsumexp({emit.operand(body, axes)}, {axis})"
    array, where = emit.operands((body, axes), (node.where, axes))
    return f"fn.logsumexp({array}, {axis}, where={where})"


def _distinct(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """The axes of a leaf, of which the printer takes the diagonal where two are the same."""
    return tuple(dict.fromkeys(axes))


def _split(
    emit: Emitter, node: nodes.Gather | nodes.Scatter, along: Axis, free: Sequence[Axis]
) -> tuple[list[Axis], list[Axis], list[Axis]]:
    """Axes of the array that the index shares, those only the index has, and the array's rest."""
    index = emit.graph.axes(node.index)
    shared = [a for a in free if a in index]
    own = [a for a in index if a not in shared]
    trailing = [a for a in free if a not in index and a != along]
    return shared, own, trailing


def _index(emit: Emitter, index: sp.Basic, axes: tuple[Axis, ...]) -> str:
    code = emit.printer(axes).text(index, integer=True).code
    return code if len(code) < 28 else emit.assign(code, "index")


def _gather(emit: Emitter, node: nodes.Gather) -> str:
    axes = _distinct(emit.graph.leaf_axes(node.body))
    shared, own, trailing = _split(emit, node, node.along, axes)
    array = emit.whole(node.body, (*shared, node.along, *trailing))
    index = _index(emit, node.index, (*shared, *own))
    counts = f"{len(shared)}, {len(own)}, {len(trailing)}"
    code = f"fn.gather({array}, {index}, {counts})"
    result = (*shared, *own, *trailing)
    if result == node.free:
        return code
    return emit.permuted(emit.assign(code, "picked"), result, node.free)


def _scatter(emit: Emitter, node: nodes.Scatter) -> str:
    shared, own, trailing = _split(emit, node, node.onto, node.free)
    body, like = emit.operands(
        (node.body, (*shared, *own, *trailing)), (node.like, (*shared, node.onto, *trailing))
    )
    index = _index(emit, node.index, (*shared, *own))
    counts = f"{len(shared)}, {len(own)}, {len(trailing)}"
    code = f"fn.scatter({body}, {index}, {like}, {counts})"
    result = (*shared, node.onto, *trailing)
    if result == node.free:
        return code
    return emit.permuted(emit.assign(code, "spread"), result, node.free)


def _take(emit: Emitter, node: nodes.Take) -> str:
    axes = _distinct(emit.graph.leaf_axes(node.body))
    leaf = emit.whole(node.body, axes)
    subscript = ", ".join(["...", *(str(node.position) if a == node.along else ":" for a in axes)])
    result = tuple(a for a in axes if a != node.along)
    return emit.permuted(f"{leaf}[{subscript}]", result, node.free)


def _place(emit: Emitter, node: nodes.Place) -> str:
    rest = tuple(a for a in node.free if a != node.along)
    like = emit.operand(node.like, node.free)
    parts = [_named(emit, p, rest) for p in node.parts]
    axis = node.free.index(node.along) - len(node.free)
    listed = f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    return f"fn.place({listed}, {node.positions}, {like}, {axis})"


def _shift(emit: Emitter, node: nodes.Shift) -> str:
    axes = _distinct(emit.graph.leaf_axes(node.body))
    axis = axes.index(node.along) - len(axes)
    code = f"fn.shift({emit.whole(node.body, axes)}, {node.offset}, {axis})"
    return emit.permuted(code, axes, node.free)


def _unit(emit: Emitter, node: nodes.Unit) -> str:
    vector, length = emit.operands((node.body, node.free), (node.length, node.free))
    return f"fn.unit({vector}, {length})"


def _positions(emit: Emitter, node: nodes.Positions) -> str:
    definition, axis = emit.axis_of(node.free[0].extent)
    return f"fn.positions({emit.names[definition]}, {axis})"


def _short(emit: Emitter, node: along.Along) -> str:
    (code,) = emit.operands((node.body, node.free), room=30)
    return code


def _order(emit: Emitter, node: along.Order) -> str:
    axis = node.free.index(node.along) - len(node.free)
    name = "rank" if node.inverse else "order"
    return f"along.{name}({_short(emit, node)}, {axis})"


def _tie_mean(emit: Emitter, node: along.TieMean) -> str:
    body, keys = emit.operands((node.body, node.free), (node.keys, node.free))
    order = emit.printer(node.free).text(node.order, integer=True).code
    axis = node.free.index(node.along) - len(node.free)
    return f"along.tie_mean({body}, {keys}, {order}, {axis})"


def _cumulate(emit: Emitter, node: along.Cumulate) -> str:
    axis = node.free.index(node.along) - len(node.free)
    reverse = ", reverse=True" if node.reverse else ""
    if node.log_in == node.log_out == 0:
        return f"along.cumsum({_short(emit, node)}, {axis}{reverse})"
    operands = ((e, node.free) for e in node.bodies)
    printed = emit.operands(*operands, room=40)
    return f"along.cumulate({', '.join(printed)}, {axis}{reverse})"


def _log_cumulate(emit: Emitter, node: along.LogCumulate) -> str:
    axis = node.free.index(node.along) - len(node.free)
    reverse = ", reverse=True" if node.reverse else ""
    return f"along.logcumsumexp({_short(emit, node)}, {axis}{reverse})"


def _correlate(emit: Emitter, node: along.Correlate) -> str:
    axis = node.free.index(node.along) - len(node.free)
    taps = _tuple(emit, [emit.operand(tap, ()) for tap in node.taps], "taps")
    return f"along.correlate({_short(emit, node)}, {taps}, {axis}, {node.first})"


def _tuple(emit: Emitter, items: Sequence[str], base: str) -> str:
    """A tuple, with a name of its own and a line per item if it is long."""
    code = f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if len(code) < 40:
        return code
    if code not in emit.written:
        emit.written[code] = emit.fresh(base)
        emit.lines += [f"{emit.written[code]} = (", *(f"    {item}," for item in items), ")"]
    return emit.written[code]


WRITERS: Writers = {
    nodes.Map: _map,
    nodes.Reduce: _reduce,
    nodes.Contract: _contract,
    nodes.LogSumExp: _logsumexp,
    nodes.Gather: _gather,
    nodes.Scatter: _scatter,
    nodes.Take: _take,
    nodes.Place: _place,
    nodes.Shift: _shift,
    nodes.Unit: _unit,
    nodes.Positions: _positions,
    along.Order: _order,
    along.TieMean: _tie_mean,
    along.Correlate: _correlate,
    along.Cumulate: _cumulate,
    along.LogCumulate: _log_cumulate,
    nodes.Carried: recurrence.carried,
}
