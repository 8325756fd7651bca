"""Formulas that may bound the curvature of an elementwise loss whatever the prediction is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import sympy as sp

from losscompiler.ir.operators import Magnitude, Maximum, Minimum, Sign
from losscompiler.passes.facets import Facet, facets, with_jumps
from losscompiler.passes.scalar import derivative
from losscompiler.spec.expressions import sigmoid, softplus

MANY = 3  # facets, beyond which their cells are not looked at one by one
NEAREST = sp.Rational(1, 10**6)


@dataclass(frozen=True)
class Kink:
    """A place where the slope jumps up by `rise`, at `distance` from the prediction."""

    distance: sp.Expr
    rise: sp.Expr

    @property
    def majoriser(self) -> sp.Expr:
        """The least curvature of a parabola above the kink that touches it at the prediction."""
        return self.rise / (2 * Maximum(self.distance, NEAREST))


def suprema(value: sp.Expr, x: sp.Symbol, ends: Sequence[sp.Expr]) -> list[sp.Expr]:
    """The second derivative of a value where it may be largest, over the other inputs.

    These are the zeros of what is linear in the prediction, the borders of cells, seen from every
    cell, stationary points, and the ends of the domain.
    """
    found: dict[sp.Expr, None] = {}
    borders = list(_borders(value, x))
    for cell in cells(value, x):
        second = derivative(derivative(cell, x), x)
        if not second.has(x):
            found[sp.expand(second)] = None
            continue
        places = [*zeros(second, x), *borders, *_stationary(derivative(second, x), x), *ends]
        for place in dict.fromkeys(places):
            curvature = _at(second, x, place)
            if curvature is not None:
                found[curvature] = None
    return list(found)


def cells(e: sp.Expr, x: sp.Symbol) -> list[sp.Expr]:
    """The smooth branches of an expression, one for each choice of sides of its facets."""
    met = facets(e, [x])
    if len(met) > MANY:
        return [e]
    found: dict[sp.Expr, None] = {}
    for sides in product((1, -1), repeat=len(met)):
        branch = e
        for facet, side in zip(met, sides, strict=True):
            branch = _on_one_side(branch, facet, side)
        found[branch] = None
    return list(found)


def _on_one_side(e: sp.Expr, facet: Facet, side: int) -> sp.Expr:
    """The expression with everything that depends on the side of a facet decided."""

    def decided(node: sp.Basic) -> sp.Basic:
        orientation = facet.orientation(node) * side
        if isinstance(node, Magnitude) and orientation:
            return orientation * node.args[0]
        if isinstance(node, Maximum | Minimum) and orientation:
            first = (orientation > 0) == isinstance(node, Maximum)
            return node.args[0 if first else 1]
        return node

    e = with_jumps(e, facet, side)
    return e.replace(lambda node: isinstance(node, Magnitude | Maximum | Minimum), decided)


def zeros(e: sp.Expr, x: sp.Symbol) -> Iterator[sp.Expr]:
    """Where the linear subexpressions vanish."""
    for node in sp.preorder_traversal(e):
        if node.has(x) and isinstance(node, sp.Expr):
            root = _root(node, x)
            if root is not None:
                yield root


def _root(e: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    if not (e.is_Add or e.is_Mul or e == x) or e.atoms(Magnitude, Maximum, Minimum, Sign):
        return None
    slope = sp.diff(e, x)
    if slope == 0 or slope.has(x):
        return None
    return -e.xreplace({x: sp.S.Zero}) / slope


def _borders(e: sp.Expr, x: sp.Symbol) -> Iterator[sp.Expr]:
    for facet in facets(e, [x]):
        for branch in cells(facet.guard, x):
            root = _root(branch, x)
            if root is not None:
                yield root


def _stationary(slope: sp.Expr, x: sp.Symbol) -> list[sp.Expr]:
    """The zeros of the slope, where it is a ratio of polynomials of low degree."""
    if slope == 0 or not slope.is_rational_function(x):
        return []
    numerator = sp.Poly(sp.fraction(sp.together(slope))[0], x)
    return list(sp.roots(numerator)) if 0 < numerator.degree() <= 2 else []


AT_ZERO = {sigmoid(sp.S.Zero): sp.S.Half, softplus(sp.S.Zero): sp.log(2)}


def _at(e: sp.Expr, x: sp.Symbol, place: sp.Expr) -> sp.Expr | None:
    """The value at a place, if it is a formula of the other inputs."""
    value = e.xreplace({x: place}).xreplace(AT_ZERO).replace(Sign, sp.sign)
    infinite = value.has(x, sp.zoo, sp.nan, sp.oo, -sp.oo)
    return None if infinite or any(p.base.is_zero for p in value.atoms(sp.Pow)) else value


def kinks(value: sp.Expr, x: sp.Symbol) -> list[Kink] | None:
    """The jumps of a value's slope; None if one of them is not linear in the prediction."""
    found: list[Kink] = []
    for facet in facets(value, [x]):
        sides = [derivative(_on_one_side(value, facet, side), x) for side in (1, -1)]
        for guard in cells(facet.guard, x):
            root = _root(guard, x)
            if root is None:
                return None
            above, below = (_at(side, x, root) for side in sides)
            if above is None or below is None:
                return None
            slope = sp.diff(guard, x)
            rise = sp.cancel(sp.expand((above - below) * sp.sign(slope)))
            if rise != 0 and not rise.is_nonpositive:
                found.append(Kink(Magnitude(guard) / sp.Abs(slope), rise))
    return list(dict.fromkeys(found))
