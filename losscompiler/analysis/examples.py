"""Exact numbers that show what a loss of a binary target is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy as sp

from losscompiler.analysis.exact import add, high, low, multiply
from losscompiler.analysis.instance import Slot, instance
from losscompiler.analysis.probe import seed
from losscompiler.analysis.refute import COUNT, exactly
from losscompiler.analysis.walk import UndefinedError
from losscompiler.analysis.witness import rounded_down, shaped, texts
from losscompiler.spec.decorator import Loss

TRIES = 24
PROBABILITIES = (Fraction(1, 4), Fraction(3, 4), Fraction(1, 2), Fraction(1, 8))
STEPS = tuple(Fraction(sign, 2**k) for k in range(4, 12) for sign in (1, -1))
Value = Callable[[Fraction, Fraction], Any]


def _values(loss: Loss) -> Iterator[tuple[Value, dict[str, Any]]]:
    """The loss as a function of prediction and target, for some values of all else."""
    made = instance(loss, 1)
    (x,), (y,) = (
        [n for n, r in loss.inputs.items() if r.kind == kind] for kind in ("prediction", "target")
    )
    others = made.fixed(seed(f"example {loss.name}"), COUNT, (x, y))
    for k in range(TRIES):
        rest: Mapping[Slot, Any] = exactly(others, k)

        def value(at: Fraction, label: Fraction, rest: Mapping[Slot, Any] = rest) -> Any:
            moved = dict.fromkeys(made.slots[x], at) | dict.fromkeys(made.slots[y], label)
            return made.evaluate({**rest, **moved}, exactly=True)

        yield value, shaped(made, [n for n in loss.roles if n not in (x, y)], rest)


def uneven_at(
    loss: Loss, labels: Sequence[sp.Expr], points: Sequence[sp.Expr]
) -> dict[str, Any] | None:
    """Two predictions at which the losses of both labels add up to different numbers."""
    classes, places = ([_exact(v) for v in values] for values in (labels, points))
    name = next(n for n, r in loss.inputs.items() if r.kind == "prediction")
    for value, fixed in _values(loss):
        try:
            sums = [add(*(value(p, label) for label in classes)) for p in places]
            gap = add(sums[0], multiply(Fraction(-1), sums[1]))
        except (UndefinedError, ZeroDivisionError, ValueError, OverflowError, TypeError):
            continue
        if low(gap) > 0 or high(gap) < 0:
            return {"points": [{name: str(p)} for p in places], "fixed": texts(fixed)}
    return None


def improper_at(loss: Loss, labels: Sequence[sp.Expr]) -> dict[str, Any] | None:
    """A probability, and a prediction that costs less in the mean than the probability itself."""
    one, zero = map(_exact, labels)

    def mean(value: Value, q: Fraction, p: Fraction) -> Any:
        return add(multiply(q, value(p, one)), multiply(1 - q, value(p, zero)))

    for value, fixed in _values(loss):
        for q in PROBABILITIES:
            for step in STEPS:
                try:
                    better = multiply(Fraction(-1), mean(value, q, q + step))
                    gap = low(add(mean(value, q, q), better))
                except (UndefinedError, ZeroDivisionError, ValueError, OverflowError, TypeError):
                    continue
                if gap > 0:
                    return {"probability": str(q), "better": str(q + step), "fixed": texts(fixed),
                            "gap": str(rounded_down(gap))}  # fmt: skip
    return None


def _exact(x: sp.Expr) -> Fraction:
    return Fraction(int(x.p), int(x.q))
