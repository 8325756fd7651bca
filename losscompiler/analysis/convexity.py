"""Proofs of convexity of a formula, kinks included.

Let f be continuous on an open convex set, and twice differentiable off finitely many smooth
surfaces g = 0. If its Hessian is positive semidefinite in each cell between them, and on each facet
the slope of f along g does not fall from below to above, f is convex: a line that meets the
surfaces transversally sees a piecewise convex function whose slopes jump upwards, and every other
line is a limit of such lines. So convexity is a finite list of claims about signs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

import sympy as sp
from sympy.core.relational import Relational

from losscompiler.analysis.cells import Cell, Facet, TooManyCellsError, cells, facets, solved
from losscompiler.analysis.claims import Context
from losscompiler.analysis.definedness import require_defined
from losscompiler.analysis.ledger import Ledger, OpenError, Pieces
from losscompiler.analysis.limits import value_at
from losscompiler.analysis.sign import holds, infeasible

MOST_CASES = 16
Variables = Sequence[sp.Symbol]


def cases(formula: sp.Expr, context: Context) -> Iterator[tuple[sp.Expr, str]]:
    """The formula for each choice of the symbols that take finitely many values."""
    for chosen in choices(formula, context):
        yield formula.subs(chosen), _told(chosen)


def _told(chosen: Mapping[sp.Symbol, sp.Expr]) -> str:
    return ", ".join(f"{s} = {v}" for s, v in chosen.items())


def choices(formula: sp.Expr, context: Context) -> Iterator[dict[sp.Symbol, sp.Expr]]:
    """Each choice of the symbols that take finitely many values."""
    finite = [
        (s, list(d)) for s, d in context.domains if isinstance(d, sp.FiniteSet) and formula.has(s)
    ]
    while finite and _product(len(values) for _, values in finite) > MOST_CASES:
        finite.pop()
    names = [s for s, _ in finite]
    for chosen in product(*(values for _, values in finite)):
        yield dict(zip(names, chosen, strict=True))


def _product(numbers: Iterator[int]) -> int:
    result = 1
    for n in numbers:
        result *= n
    return result


def require_convex(
    formula: sp.Expr, variables: Variables, context: Context, ledger: Ledger, modulus: sp.Expr = 0
) -> None:
    """Proves that a formula, less `modulus / 2` times the squared variables, is convex.

    Raises:
        OpenError: If that is not proved; it tells the first open obligation.
    """
    if infeasible(context):
        raise OpenError("the assumptions contradict each other")
    for chosen in choices(formula, context):
        part = formula.subs(chosen)
        if chosen:
            ledger.note(f"case {_told(chosen)}")
        attempt = Ledger()
        try:
            require_convex_case(part, variables, context, attempt, modulus)
        except OpenError:
            within = context.inside(openable(part, variables))
            if within == context:
                raise
            attempt = Ledger()
            require_convex_case(part, variables, within, attempt, modulus)
            attempt.note("proved inside the domains; at their ends it is the limit, or undefined")
        attempt.pieces = [replace(p, chosen=tuple(chosen.items())) for p in attempt.pieces]
        ledger.take(attempt)


def openable(formula: sp.Expr, variables: Variables) -> set[sp.Symbol]:
    """The symbols whose domains may lose their ends.

    A limit of convex functions is convex, so what holds inside holds at the ends. That is so unless
    a condition says something else there.
    """
    conditions = [r for r in formula.atoms(Relational) if not r.has(*variables)]
    found: set[sp.Symbol] = formula.free_symbols
    return found.difference(*(r.free_symbols for r in conditions))


def pieces_of(formula: sp.Expr, context: Context) -> tuple[Cell, ...]:
    """The cells of a formula; raises OpenError if there are too many."""
    try:
        return cells(formula, context)
    except TooManyCellsError:
        raise OpenError("the formula has too many pieces") from None


def require_convex_case(
    formula: sp.Expr, variables: Variables, context: Context, ledger: Ledger, modulus: sp.Expr
) -> None:
    """The same, of a formula without symbols that take finitely many values."""
    pieces = pieces_of(formula, context)
    ledger.pieces.append(Pieces(tuple(variables), pieces, context))
    for cell in pieces:
        if cell.is_open:
            here = context.given(*cell.claims)
            require_defined(cell.value, here, ledger)
            require_curved(cell.value, variables, here, ledger, modulus)
    for facet in met(pieces, variables, context):
        require_continuous(facet, ledger)
        require_rising_slope(facet, ledger)
    for cell in pieces:
        if not cell.is_open:
            require_value_on_guard(cell, pieces, variables, context, ledger)


def met(pieces: Sequence[Cell], variables: Variables, context: Context) -> Iterator[Facet]:
    """The facets; raises OpenError where it is unclear how cells meet."""
    for facet in facets(pieces, variables, context):
        if isinstance(facet, str):
            raise OpenError(facet)
        yield facet


# ---- inside a cell ------------------------------------------------------------------------------


def require_curved(
    e: sp.Expr, variables: Variables, context: Context, ledger: Ledger, modulus: sp.Expr
) -> None:
    """The Hessian of a smooth formula is positive semidefinite."""
    moving = [v for v in variables if e.has(v)] if modulus == 0 else list(variables)
    slopes = [sp.diff(e, v) for v in moving]
    hessian = sp.Matrix(
        len(moving), len(moving), lambda i, j: sp.diff(slopes[min(i, j)], moving[max(i, j)])
    )
    hessian -= modulus * sp.eye(len(moving))
    for block in blocks(hessian, context):
        if len(block) <= 3:
            _require_minors(hessian, block, moving, context, ledger)
        else:
            _require_dominant(hessian, block, moving, context, ledger)


def blocks(matrix: sp.Matrix, context: Context) -> list[list[int]]:
    """Groups of rows that no nonzero entry connects."""
    groups: list[list[int]] = []
    for row in range(matrix.rows):
        linked = [g for g in groups if any(not _is_zero(matrix[i, row], context) for i in g)]
        for g in linked:
            groups.remove(g)
        groups.append(sorted([row, *(i for g in linked for i in g)]))
    return groups


def _is_zero(e: sp.Expr, context: Context) -> bool:
    return bool(e.is_zero) or holds(e, "==", context)


def _require_minors(
    hessian: sp.Matrix, block: list[int], variables: Variables, context: Context, ledger: Ledger
) -> None:
    for size in range(1, len(block) + 1):
        for rows in combinations(block, size):
            minor = hessian.extract(list(rows), list(rows)).det(method="berkowitz")
            names = ", ".join(str(variables[i]) for i in rows)
            ledger.require(f"curvature in {names}", minor, ">=", context)


def _require_dominant(
    hessian: sp.Matrix, block: list[int], variables: Variables, context: Context, ledger: Ledger
) -> None:
    """Each diagonal entry is at least the sum of the sizes of the others in its row."""
    for i in block:
        rest = hessian[i, i]
        for j in block:
            if j == i or hessian[i, j].is_zero:
                continue
            if holds(hessian[i, j], ">=", context):
                rest -= hessian[i, j]
            else:
                ledger.require("entry of one sign", -hessian[i, j], ">=", context)
                rest += hessian[i, j]
        ledger.require(f"curvature in {variables[i]} dominates its row", rest, ">=", context)


# ---- between cells ------------------------------------------------------------------------------


def require_continuous(facet: Facet, ledger: Ledger) -> None:
    """Both sides of a facet have one value there."""
    if facet.above.value == facet.below.value:
        require_defined_on(facet, ledger)
        return
    jump = value_at(facet, facet.above.value - facet.below.value)
    if jump is None:
        above, below = (
            value_at(facet, cell.value, side)
            for cell, side in ((facet.above, 1), (facet.below, -1))
        )
        if above is None or below is None:
            raise OpenError(f"the value where {facet.guard} = 0")
        jump = above - below
    ledger.require(f"continuous where {facet.guard} = 0", jump, "==", facet.context)


def require_defined_on(facet: Facet, ledger: Ledger) -> None:
    """A formula that holds on both sides of a facet has a value on it: no pole hides there."""
    value = value_at(facet, facet.above.value)
    if value is None:
        raise OpenError(f"the value where {facet.guard} = 0")
    require_defined(value, facet.context, ledger)


def require_rising_slope(facet: Facet, ledger: Ledger) -> None:
    """The slope along the guard does not fall from below to above."""
    if facet.above.value == facet.below.value:
        return
    x, purpose = facet.variable, f"slope rises where {facet.guard} = 0"
    above, below = (sp.diff(cell.value, x) for cell in (facet.above, facet.below))
    orientation = facet.orientation
    jump = value_at(facet, above - below)
    if jump is not None:
        turned = orientation.subs(x, facet.at)
        ledger.require(purpose, jump * turned, ">=", facet.context)
        return
    # Slopes without a value on the facet: they have limits, and those have the sign of the slopes.
    base = Context(facet.context.domains)
    for cell, slope, sign in ((facet.above, above, 1), (facet.below, below, -1)):
        here = base.given(*cell.claims)
        ledger.require(f"{purpose}: sign beside it", sign * slope * orientation, ">=", here)


def require_value_on_guard(
    cell: Cell, pieces: Sequence[Cell], variables: Variables, context: Context, ledger: Ledger
) -> None:
    """What a formula says on the zeros of a guard is what it is beside them."""
    zero = [g for g, side in cell.sides if side == 0]
    if not any(g.has(*variables) for g in zero):
        _require_special_case(cell, zero, pieces, variables, context, ledger)
        return
    found = difference_on_guard(cell, pieces, variables, context)
    if found is not None:
        ledger.require(f"value where {zero[0]} = 0", found[0], "==", found[1])


def difference_on_guard(
    cell: Cell, pieces: Sequence[Cell], variables: Variables, context: Context
) -> tuple[sp.Expr, Context] | None:
    """What a formula is beside a guard less what it is on it; None if that is plainly nothing."""
    zero = [g for g, side in cell.sides if side == 0]
    beside = [
        other
        for other in pieces
        if other.is_open and all(other.side(g) in (None, s) for g, s in cell.sides if s)
    ]
    if not beside or any(other.value == cell.value for other in beside):
        return None
    difference, facts = beside[0].value - cell.value, cell.claims
    for guard in zero:
        solution = solved(guard, [*variables, *sorted(guard.free_symbols, key=str)])
        if solution is None:
            raise OpenError(f"the value where {guard} = 0")
        difference = difference.subs(*solution)
        facts = tuple(type(f)(f.expression.subs(*solution), f.relation) for f in facts)
    return difference, context.given(*(f for f in facts if f.expression != 0))


def _require_special_case(
    cell: Cell,
    zero: Sequence[sp.Expr],
    pieces: Sequence[Cell],
    variables: Variables,
    context: Context,
    ledger: Ledger,
) -> None:
    """A piece that holds for special parameters: convex by itself, being the whole formula."""
    swaps = {}
    for guard in zero:
        solution = solved(guard, sorted(guard.free_symbols, key=str))
        if solution is None:
            raise OpenError(f"the case {guard} = 0")
        swaps[solution[0]] = solution[1]
    rest = {g.subs(swaps): s for g, s in cell.sides if s}
    if any(g.has(*variables) for g in rest):
        raise OpenError(f"the pieces in the case {zero[0]} = 0")
    here = context.given(*(c for c in cell.claims if c.relation != "=="))
    value = cell.value.subs(swaps)
    require_defined(value, here, ledger)
    require_curved(value, variables, here, ledger, sp.S.Zero)
