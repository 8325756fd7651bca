"""How each definition of the graph becomes the expression of one statement."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from losscompiler.backends.emitter import LETTERS, Emitter, Writers, base_name
from losscompiler.ir import along, nodes
from losscompiler.ir.nodes import Axis


def _numbers(axes: Sequence[Axis], chosen: Sequence[Axis]) -> tuple[int, ...]:
    return tuple(axes.index(a) - len(axes) for a in sorted(chosen, key=list(axes).index))


def _map(emit: Emitter, node: nodes.Map) -> str:
    return emit.value(node.body, node.free)


def _reduce(emit: Emitter, node: nodes.Reduce) -> str:
    axes = emit.layout(node)
    code = emit.spelling.reductions[node.kind]
    return code(emit.operand(node.body, axes), _numbers(axes, node.over))


def _contract(emit: Emitter, node: nodes.Contract) -> str:
    operands = []
    for factor in node.factors:
        axes = emit.graph.axes(factor)
        axes = tuple(a for a in (*node.free, *node.over) if a in axes)
        operands.append((factor, axes))
    product = _matrix_product(emit, node, operands)
    if product is not None:
        return product
    letter = dict(zip((*node.free, *node.over), LETTERS, strict=False))
    sources = ["..." + "".join(letter[a] for a in axes) for _, axes in operands]
    target = "..." + "".join(letter[a] for a in node.free)
    arrays = [_named(emit, factor, axes) for factor, axes in operands]
    return emit.spelling.einsum(f"{','.join(sources)}->{target}", *arrays)


def _named(emit: Emitter, factor: sp.Basic, axes: Sequence[Axis]) -> str:
    code = emit.operand(factor, axes)
    return code if code.isidentifier() else emit.assign(code, base_name(factor))


def _matrix_product(
    emit: Emitter, node: nodes.Contract, operands: list[tuple[sp.Basic, tuple[Axis, ...]]]
) -> str | None:
    """`a @ b` where rows come from one factor, columns from the other."""
    if len(operands) != 2 or len(node.over) != 1 or len(node.free) != 2:
        return None
    (inner,) = node.over
    row, column = node.free
    for (a, a_axes), (b, b_axes) in (operands, operands[::-1]):
        if set(a_axes) == {row, inner} and set(b_axes) == {column, inner}:
            return emit.spelling.matmul(
                _named(emit, a, (row, inner)), _named(emit, b, (inner, column))
            )
    return None


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


def _positions(emit: Emitter, node: nodes.Positions) -> str:
    array, axis = emit.axis_of(node.free[0].extent)
    return f"fn.positions({array}, {axis})"


def _order(emit: Emitter, node: along.Order) -> str:
    axis = node.free.index(node.along) - len(node.free)
    name = "rank" if node.inverse else "order"
    return f"along.{name}({emit.operand(node.body, node.free)}, {axis})"


def _tie_mean(emit: Emitter, node: along.TieMean) -> str:
    body, keys = emit.operands((node.body, node.free), (node.keys, node.free))
    order = emit.printer(node.free).text(node.order, integer=True).code
    axis = node.free.index(node.along) - len(node.free)
    return f"along.tie_mean({body}, {keys}, {order}, {axis})"


def _cumulate(emit: Emitter, node: along.Cumulate) -> str:
    axis = node.free.index(node.along) - len(node.free)
    reverse = ", reverse=True" if node.reverse else ""
    if node.log_in == node.log_out == 0:
        return f"along.cumsum({emit.operand(node.body, node.free)}, {axis}{reverse})"
    operands = ((e, node.free) for e in node.bodies)
    printed = emit.operands(*operands, room=40)
    return f"along.cumulate({', '.join(printed)}, {axis}{reverse})"


def _log_cumulate(emit: Emitter, node: along.LogCumulate) -> str:
    axis = node.free.index(node.along) - len(node.free)
    reverse = ", reverse=True" if node.reverse else ""
    return f"along.logcumsumexp({emit.operand(node.body, node.free)}, {axis}{reverse})"


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
    nodes.Positions: _positions,
    along.Order: _order,
    along.TieMean: _tie_mean,
    along.Cumulate: _cumulate,
    along.LogCumulate: _log_cumulate,
}
