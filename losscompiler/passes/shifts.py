"""Shifted indices: `x[t + 1]` is an entry only where a condition keeps it inside its axis."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec import expressions as ex
from losscompiler.spec.expressions import Index, split_shift

Shifted = ex.Element | ex.MaskElement | ex.At


def require_guards(formula: sp.Basic) -> None:
    """Checks every shifted index against the conditions above it.

    Raises:
        SpecError: they let it leave its axis.
    """
    for element, condition in _shifted(formula, sp.true, set()):
        for position in _positions(element):
            index, offset = split_shift(position)
            if index is not None and offset and _may_leave(index, offset, condition):
                inside = f"{index} >= {-offset}"
                if offset > 0:
                    inside = f"{index} + {offset} < size({index})"
                raise SpecError(
                    "LC131",
                    f"`{element}` can be outside the axis `{index.axis}`",
                    help=f"guard it: where({inside}, ..., 0)",
                    about="return",
                )


def _shifted(
    e: sp.Basic, condition: sp.Basic, seen: set[tuple[sp.Basic, sp.Basic]]
) -> Iterator[tuple[Shifted, sp.Basic]]:
    """The elements with a shifted index, each with what holds where it is read."""
    if not e.args or (e, condition) in seen:
        return
    seen.add((e, condition))
    if isinstance(e, ex.Element | ex.MaskElement):
        if any(split_shift(position)[1] for position in e.indices):
            yield e, condition
        return
    if isinstance(e, ex.At):
        yield e, condition
    if isinstance(e, ex.Piecewise | sp.Piecewise):
        for value, chosen in e.args:
            yield from _shifted(chosen, condition, seen)
            yield from _shifted(value, sp.And(condition, chosen), seen)
            condition = sp.And(condition, sp.Not(chosen))
        return
    for argument in e.args:
        yield from _shifted(argument, condition, seen)


def _positions(e: Shifted) -> tuple[sp.Basic, ...]:
    return (e.position,) if isinstance(e, ex.At) else tuple(e.indices)


def _may_leave(index: Index, offset: int, condition: sp.Basic) -> bool:
    """Whether the condition admits a position from which the shift leads outside.

    Tried out on small axes, for all values of all indices; what depends on data counts as true.
    """
    others = sorted(condition.atoms(Index) - {index}, key=str)
    for size in range(1, abs(offset) + 4):
        sizes = dict.fromkeys(condition.atoms(ex.Size), sp.Integer(size))
        outside = [p for p in range(size) if not 0 <= p + offset < size]
        for position, *rest in itertools.product(outside, *([range(size)] * len(others))):
            values = dict(zip(others, map(sp.Integer, rest), strict=True))
            here = condition.xreplace({**sizes, **values, index: sp.Integer(position)})
            if here != sp.false:
                return True
    return False
