"""Which named density a loss of the error alone may be the surprisal of, read off its slopes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp

from losscompiler.analysis import densities
from losscompiler.analysis.abstraction import reduced
from losscompiler.analysis.cells import Cell, solved
from losscompiler.analysis.claims import Context
from losscompiler.analysis.densities import Density
from losscompiler.analysis.growth import limit_at


def candidates(pieces: Sequence[Cell], e: sp.Symbol, context: Context) -> Iterator[Density]:
    """Densities whose surprisal may be the formula; each is still to be proved."""
    slopes = [(c, reduced(sp.diff(c.value, e))) for c in pieces]
    if len(slopes) == 1:
        yield from _smooth(slopes[0][1], e, context)
    elif len(slopes) == 2:
        sides = {c.side(e): s for c, s in slopes}
        if set(sides) == {1, -1}:
            yield from _two_sided(sides[1], sides[-1], e)
    else:
        yield from _with_tails(slopes, e)


def _smooth(slope: sp.Expr, e: sp.Symbol, context: Context) -> Iterator[Density]:
    if slope == 0:
        return
    ratio = reduced(e / slope)
    if not ratio.has(e):
        yield densities.gaussian(e, ratio)
        return
    if found := _even_square(ratio, e):
        rest, high = found
        df = sp.simplify(1 / high - 1)
        yield densities.student(e, df, rest / high)
    elif found := _even_square(reduced(ratio**2), e):
        rest, high = found
        yield densities.hyperbolic(e, 1 / sp.sqrt(high), rest / high)
    curvature = reduced(sp.diff(slope, e))
    if curvature == 0:
        return
    rate = reduced(sp.diff(curvature, e) / curvature)
    if not rate.has(e):
        yield densities.gumbel(e, rate)
    elif not rate.is_polynomial(e):
        end = limit_at(slope, e, 1, context)
        if end is not None and end.is_finite and end != 0 and not end.has(e):
            yield densities.logistic(e, 1 / end)
            yield densities.hyperbolic_secant(e, end)
    yield from _power(slope, e)


def _even_square(ratio: sp.Expr, e: sp.Symbol) -> tuple[sp.Expr, sp.Expr] | None:
    """The coefficients of `rest + high * e**2`."""
    if not ratio.is_polynomial(e):
        return None
    found = sp.Poly(ratio, e)
    if found.degree() != 2 or found.coeff_monomial(e) != 0:
        return None
    return found.coeff_monomial(1), found.coeff_monomial(e**2)


def _two_sided(above: sp.Expr, below: sp.Expr, e: sp.Symbol) -> Iterator[Density]:
    if not (above.has(e) or below.has(e)):
        yield densities.laplace(e, above, -below)
        return
    ratios = reduced(above / e), reduced(below / e)
    if not (ratios[0].has(e) or ratios[1].has(e)):
        yield densities.split_normal(e, *ratios)
        return
    yield from _power(above, e)


def _power(slope: sp.Expr, e: sp.Symbol) -> Iterator[Density]:
    exponent = sp.simplify(e * sp.diff(slope, e) / slope) + 1
    if exponent.has(e) or exponent in (0, 1, 2):
        return
    size = sp.Symbol("_size", positive=True)
    factor = sp.simplify(slope.subs(e, size) * size ** (1 - exponent))
    if not factor.has(size):
        yield densities.power(e, (exponent / factor) ** (1 / exponent), exponent)


def _with_tails(slopes: Sequence[tuple[Cell, sp.Expr]], e: sp.Symbol) -> Iterator[Density]:
    """Straight far out, a parabola around 0."""
    middle = {s for _, s in slopes if s.has(e)}
    if len(middle) != 1:
        return
    curvature = reduced(next(iter(middle)) / e)
    ends = [solved(g, [e]) for c, s in slopes if s.has(e) for g, _ in c.sides if g.has(e)]
    if not curvature.has(e):
        for _, end in filter(None, ends):
            if end.could_extract_minus_sign() is False and end != 0:
                yield densities.huber(e, curvature, end)
