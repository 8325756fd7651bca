"""Lengths of vectors, and unit vectors in place of quotients by them.

A cosine is the sum of products of unit vectors, in its value and in all its derivatives: powers of
what a length is divided by neither overflow nor underflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import sympy as sp

from losscompiler.ir import nodes
from losscompiler.ir.graph import Graph
from losscompiler.ir.nodes import Axis
from losscompiler.ir.operators import Reciprocal, Root


def euclidean(graph: Graph, body: sp.Expr, over: Sequence[Axis]) -> sp.Expr:
    """The length of a vector; that of differences of all pairs comes from matrix products."""
    axes = graph.axes(body)
    if any(set(axes) == set(graph.leaf_axes(leaf)) for leaf in graph.leaves(body)):
        return graph.reduce("norm", body, over)
    return Root(graph.sum(body**2, over))


def divided(graph: Graph, product: sp.Expr) -> sp.Expr:
    """A product with lengths in the denominator, in terms of unit vectors where it has them."""
    factors: list[sp.Expr] = []
    below: list[sp.Expr] = []
    for factor in sp.Mul.make_args(product):
        base, exponent = factor.as_base_exp()
        if isinstance(base, Reciprocal):
            base, exponent = base.args[0], -exponent
        if not _is_length(graph, base) or not exponent.is_Integer:
            factors.append(factor)
        elif exponent.is_negative:
            below += [base] * int(-exponent)
        else:
            factors.append(_power(graph, base, exponent))
    for length in below:
        factors = _divided_by(graph, factors, length)
    return sp.Mul(*factors)


def _is_length(graph: Graph, base: sp.Expr) -> bool:
    return isinstance(base, Root) or _norm_of(graph, base) is not None


def _norm_of(graph: Graph, base: sp.Basic) -> nodes.Reduce | None:
    definition = graph.definition(base) if isinstance(base, sp.Symbol) else None
    return (
        definition if isinstance(definition, nodes.Reduce) and definition.kind == "norm" else None
    )


def _power(graph: Graph, length: sp.Expr, exponent: sp.Integer) -> sp.Expr:
    """An even power is smooth at 0, and a power of the sum of squares."""
    node = _norm_of(graph, length)
    if node is None or exponent.is_odd:
        return length**exponent
    squares = graph.sum(node.body**2, node.over)
    actual = dict(zip(node.free, graph.leaf_axes(length), strict=True))
    return graph.rename(squares, actual) ** (exponent / 2)


def _divided_by(graph: Graph, factors: list[sp.Expr], length: sp.Expr) -> list[sp.Expr]:
    """The factors divided by a length: the vector itself, or its product with another one."""
    node = _norm_of(graph, length)
    if node is not None:
        actual = dict(zip(node.free, graph.leaf_axes(length), strict=True))
        for k, factor in enumerate(factors):
            found = _at_unit_length(graph, factor, length, node, actual)
            if found is not None:
                return [*factors[:k], *found, *factors[k + 1 :]]
    return [*factors, Reciprocal(length)]


def _at_unit_length(
    graph: Graph,
    factor: sp.Expr,
    length: sp.Expr,
    node: nodes.Reduce,
    actual: Mapping[Axis, Axis],
) -> list[sp.Expr] | None:
    """A factor over a length, if it is a power of the vector or a sum of products with it."""
    base, exponent = factor.as_base_exp()
    for axes in _alike(graph.axes(base), node.over):
        entry = graph.rename(node.body, {**actual, **dict(zip(node.over, axes, strict=True))})
        sign = 1 if base == entry else -1 if base == -entry else 0
        if sign and exponent.is_Integer and exponent.is_positive:
            return [sign * graph.unit(entry, length, axes), base ** (exponent - 1)]
    summed = graph.definition(factor) if isinstance(factor, sp.Symbol) else None
    if not isinstance(summed, nodes.Contract | nodes.Reduce) or _kind(summed) != "sum":
        return None
    bound = {axis: graph.fresh(axis.extent) for axis in summed.over}
    outside = dict(zip(summed.free, graph.leaf_axes(factor), strict=True))
    body = graph.rename(sp.Mul(*summed.bodies), {**outside, **bound})
    terms = list(sp.Mul.make_args(body))
    for k, term in enumerate(terms):
        found = _at_unit_length(graph, term, length, node, actual)
        if found is not None:
            inner = sp.Mul(*terms[:k], *found, *terms[k + 1 :])
            return [graph.sum(inner, tuple(bound.values()))]
    return None


def _kind(node: nodes.Contract | nodes.Reduce) -> str:
    return node.kind if isinstance(node, nodes.Reduce) else "sum"


def _alike(axes: Sequence[Axis], over: Sequence[Axis]) -> Iterator[tuple[Axis, ...]]:
    """Axes that may stand for those of a vector."""
    for chosen in permutations(axes, len(over)):
        if all(a.extent == b.extent for a, b in zip(chosen, over, strict=True)):
            yield chosen
