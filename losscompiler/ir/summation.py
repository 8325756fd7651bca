"""Sums over axes: pull out what does not depend on them, and find the matrix products.

A product of factors over different axes is contracted, never multiplied out first: the sum over
`d` of `q[i, d] * k[j, d]` is a matrix product and not a sum over a `(batch, batch, feature)` array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sympy as sp

from losscompiler.ir import nodes
from losscompiler.ir.nodes import Axis
from losscompiler.spec.expressions import Piecewise

if TYPE_CHECKING:
    from losscompiler.ir.graph import Graph


def summed(graph: Graph, value: sp.Expr, over: tuple[Axis, ...]) -> sp.Expr:
    """The sum of a value over axes."""
    if value == 0 or not over:
        return value
    value, over = _reassociated(graph, value, over)
    present = graph.axes(value)
    inside = tuple(a for a in graph.sorted(over) if a in present)
    copies = sp.Mul(*(graph.extent(a.extent) for a in over if a not in present))
    if not inside:
        return copies * value
    terms = _terms(graph, value, inside)
    if len(terms) == 1:
        return copies * _product(graph, terms[0], inside)
    # Terms over the same axes are one reduction; the others are cheaper apart.
    groups: dict[tuple[Axis, ...], list[sp.Expr]] = {}
    apart: list[sp.Expr] = []
    for term in terms:
        if _comes_apart(graph, term, inside):
            apart.append(summed(graph, term, inside))
        else:
            groups.setdefault(graph.axes(term), []).append(term)
    for axes, members in groups.items():
        total = sp.Add(*members)
        whole = set(inside) <= set(axes)
        apart.append(_product(graph, total, inside) if whole else summed(graph, total, inside))
    return copies * sp.Add(*apart)


def _reassociated(
    graph: Graph, value: sp.Expr, over: tuple[Axis, ...]
) -> tuple[sp.Expr, tuple[Axis, ...]]:
    """A product with a matrix product that is larger than its operands: the sums in any order."""
    bound = list(over)
    for factor in _large(graph, value, over):
        node = graph.definition(factor)
        assert isinstance(node, nodes.Contract)
        fresh = {axis: graph.fresh(axis.extent) for axis in node.over}
        actual = dict(zip(node.free, graph.leaf_axes(factor), strict=True)) | fresh
        value = value / factor * sp.Mul(*(graph.rename(f, actual) for f in node.factors))
        bound += fresh.values()
    return value, tuple(bound)


def _large(graph: Graph, value: sp.Expr, over: Sequence[Axis]) -> list[sp.Symbol]:
    """The matrix products in a product that have more axes than any array in them, one summed."""
    found = []
    for factor in sp.Mul.make_args(value):
        node = graph.definition(factor) if isinstance(factor, sp.Symbol) else None
        if isinstance(node, nodes.Contract) and set(graph.axes(factor)) & set(over):
            arrays = (graph.leaf_axes(leaf) for f in node.factors for leaf in graph.leaves(f))
            if len(graph.axes(factor)) > max(map(len, arrays)):
                found.append(factor)
    return found


def _terms(graph: Graph, value: sp.Expr, over: Sequence[Axis]) -> list[sp.Expr]:
    """The addends of a value, multiplied out where that avoids a large array."""
    if value.is_Add:
        return [t for a in value.args for t in _terms(graph, a, over)]
    if len(graph.axes(value)) - len(over) > 1:
        value = _unguarded(graph, value)
        if value.is_Add:
            return _terms(graph, value, over)
    for factor in sp.Mul.make_args(value):
        base = factor.base if factor.is_Pow and factor.exp == 2 else factor
        if (
            base.is_Add
            and len(graph.axes(value)) - len(over) > 1
            and not _is_one_array(graph, base, value)
        ):
            others = value / factor
            expanded = sp.Add.make_args(sp.expand_mul(factor.expand(deep=False)))
            terms = [a * others for a in expanded]
            if any(_comes_apart(graph, t, over) for t in terms):
                return [t for term in terms for t in _terms(graph, term, over)]
    return [value]


def _is_one_array(graph: Graph, total: sp.Expr, value: sp.Expr) -> bool:
    """Whether a factor is an array anyway: multiplied out, its terms would cancel only later."""
    axes = graph.axes(total)

    def has_array(e: sp.Expr) -> bool:
        return graph.axes(e) == axes and (not (e.is_Add or e.is_Mul) or any(map(has_array, e.args)))

    return axes != graph.axes(value) and has_array(total)


def _unguarded(graph: Graph, value: sp.Expr) -> sp.Expr:
    """Moves out of a masked branch what varies over more axes than the mask does."""
    for factor in sp.Mul.make_args(value):
        if not (isinstance(factor, Piecewise) and len(factor.pairs) == 2):
            continue
        (inside, condition), (other, _) = factor.pairs
        axes = set(graph.axes(condition))
        if other != 0 or set(graph.axes(inside)) <= axes:
            continue
        if inside.is_Add:
            parts = [Piecewise((a, condition), (other, True)) for a in inside.args]
            return sp.Add(*(_unguarded(graph, p * value / factor) for p in parts))
        kept = [f for f in sp.Mul.make_args(inside) if set(graph.axes(f)) <= axes]
        moved = inside / sp.Mul(*kept)
        masked = Piecewise((sp.Mul(*kept), condition), (other, True))
        return masked * _unguarded(graph, moved * value / factor)
    return value


def _comes_apart(graph: Graph, term: sp.Expr, over: Sequence[Axis]) -> bool:
    """Whether the sum is a matrix product, or what is pulled out of it makes its array smaller."""
    inner = [f for f in sp.Mul.make_args(term) if set(graph.axes(f)) & set(over)]
    whole = graph.axes(term)
    shrinks = len(whole) - len(over) > 1 and graph.axes(*inner) != whole
    return shrinks or len(_operands(graph, inner)) > 1 or bool(_large(graph, term, over))


def _product(graph: Graph, value: sp.Expr, over: Sequence[Axis]) -> sp.Expr:
    factors = sp.Mul.make_args(value)
    inner = [f for f in factors if set(graph.axes(f)) & set(over) or _is_share(graph, f, over)]
    outer = sp.Mul(*(f for f in factors if f not in inner))
    if len(inner) == 1 and inner[0].is_Add and inner[0] != value:
        return outer * summed(graph, inner[0], tuple(over))
    operands = _operands(graph, inner)
    if len(operands) == 1:
        collapsed = _collapse(graph, operands[0], over)
        if collapsed is not None:
            return outer * collapsed
        bound = tuple(over)
        made = nodes.Reduce((), "sum", operands[0], bound)
        return outer * graph.node(made, bound, [operands[0]])
    made_product = nodes.Contract((), tuple(operands), tuple(over))
    return outer * graph.node(made_product, tuple(over), operands)


def _is_share(graph: Graph, factor: sp.Expr, over: Sequence[Axis]) -> bool:
    """1 / size of a summed axis stays inside: an empty sum is 0, and 0 times 1 / 0 is not."""
    return bool(
        factor.is_Pow
        and factor.exp.is_negative
        and any(factor.base.has(graph.extent(a.extent)) for a in over)
    )


def _operands(graph: Graph, factors: Sequence[sp.Expr]) -> list[sp.Expr]:
    """Groups factors so that none varies only over axes that another varies over, too."""
    groups: list[tuple[set[Axis], sp.Expr]] = []
    for factor in sorted(factors, key=lambda f: -len(graph.axes(f))):
        axes = set(graph.axes(factor))
        for position, (known, product) in enumerate(groups):
            if axes <= known:
                groups[position] = (known, product * factor)
                break
        else:
            groups.append((axes, factor))
    return [product for _, product in groups]


def _collapse(graph: Graph, value: sp.Expr, over: Sequence[Axis]) -> sp.Expr | None:
    """A scatter summed over the axis it scatters onto is the sum of what was scattered."""
    if not (isinstance(value, sp.Symbol) and len(over) == 1):
        return None
    definition = graph.definition(value)
    actual = dict(zip(definition.free, graph.leaf_axes(value), strict=True))
    if isinstance(definition, nodes.Scatter) and actual[definition.onto] == over[0]:
        inner = graph.sum(definition.body, definition.over)
        return graph.rename(inner, actual)
    return None
