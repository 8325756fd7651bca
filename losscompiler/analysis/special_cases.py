"""Parameters for which a formula says something of its own: what open cells alone leave out.

`Piecewise((a, Eq(k, 0)), (b, True))` has one open cell, b. What is read off open cells holds where
k is 0 only if b has the value a there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy as sp

from losscompiler.analysis.cells import Cell, solved
from losscompiler.analysis.claims import Context
from losscompiler.analysis.convexity import Variables, choices, difference_on_guard, pieces_of
from losscompiler.analysis.ledger import OpenError
from losscompiler.analysis.sign import holds

Chosen = dict[sp.Symbol, sp.Expr]


def all_cases(
    formula: sp.Expr, variables: Variables, context: Context
) -> Iterator[tuple[Chosen, sp.Expr, tuple[Cell, ...]]]:
    """Each choice of symbols with finitely many values or with a special one, with its pieces.

    Raises:
        OpenError: If a special case is not settled.
    """
    for chosen in choices(formula, context):
        whole = formula.subs(chosen)
        pieces = pieces_of(whole, context)
        yield chosen, whole, pieces
        for swaps in _special(pieces, variables, context):
            part = whole.subs(swaps)
            yield {**chosen, **swaps}, part, pieces_of(part, context)


def _special(pieces: Sequence[Cell], variables: Variables, context: Context) -> Iterator[Chosen]:
    for cell in pieces:
        zero = [g for g, side in cell.sides if side == 0 and not g.has(*variables)]
        if not zero:
            continue
        found = difference_on_guard(cell, pieces, variables, context)
        if found is None or holds(found[0], "==", found[1]):
            continue
        swaps: Chosen = {}
        for guard in zero:
            solution = solved(guard, sorted(guard.free_symbols, key=str))
            if solution is None:
                raise OpenError(f"the case {guard} = 0")
            swaps[solution[0]] = solution[1]
        yield swaps
