"""For which values of a parameter a loss is convex, where that depends on it.

Samples show where to look, and the simplest number between what looks convex and what does not is
the threshold. What is then said of both sides is proved on each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import sympy as sp

from losscompiler.analysis.bending import bends_for_all
from losscompiler.analysis.curvature import moving, predictions, prove_convex
from losscompiler.analysis.effort import SpentError, limited
from losscompiler.analysis.ledger import InapplicableError, Ledger, OpenError
from losscompiler.analysis.narrowed import narrowed
from losscompiler.analysis.probe import bends
from losscompiler.analysis.problem import NotScalarError, Problem, problem
from losscompiler.analysis.verdict import Verdict, proved, unknown
from losscompiler.spec.decorator import Loss

WITHIN = tuple(Fraction(k, 16) for k in (1, 4, 8, 12, 15))
BEYOND = tuple(Fraction(k, 8) for k in (1, 2, 4, 8, 12, 16, 24, 32, 128))
TRIES, STEPS = 2, 4
"""How often a threshold is tried, and what looks convex and what does not brought closer before."""
WORK = 4_000
MOST_VARIABLES = 2
Bracket = tuple[Fraction, Fraction]


def convex_if(loss: Loss, parameter: str) -> Verdict:
    """The values of a parameter for which the loss is convex in all its predictions jointly.

    Raises:
        InapplicableError: If the parameter makes no difference that samples show.
    """
    question, a, domain = _asked_of(loss, parameter)
    for good in _parts(loss, question, a, domain):
        ledger = Ledger()
        try:
            with limited(WORK):
                prove_convex(narrowed(loss, parameter, good), predictions(loss), ledger)
        except (OpenError, SpentError):
            continue
        details: dict[str, object] = {
            "parameter": parameter,
            "holds": told(parameter, good, domain),
        }
        rest = [r for r in _intervals(domain - good) if bends_for_all(loss, question, a, r, ledger)]
        if rest:
            details["fails"] = " or ".join(told(parameter, r, domain) for r in rest)
        return proved("the proof goes through for these values", ledger.proof, **details)
    return unknown(f"a threshold of {parameter}")


def candidates(loss: Loss) -> tuple[str, ...]:
    """The parameters that may decide: scalars from an interval."""
    return tuple(
        n for n, r in loss.params.items() if not r.axes and isinstance(r.domain, sp.Interval)
    )


def _asked_of(loss: Loss, parameter: str) -> tuple[Problem, sp.Symbol, sp.Interval]:
    try:
        question = problem(loss)
    except NotScalarError:
        raise InapplicableError from None
    symbols = [s for s, name in question.owner if name == parameter]
    few = len(question.variables) <= MOST_VARIABLES
    if len(symbols) != 1 or not few or not question.formula.has(symbols[0]):
        raise InapplicableError
    return question, symbols[0], loss.roles[parameter].domain


# ---- where to look ------------------------------------------------------------------------------


def _parts(
    loss: Loss, question: Problem, a: sp.Symbol, domain: sp.Interval
) -> Iterator[sp.Interval]:
    """Parts of the domain on which the loss looks convex, the closest first."""
    variables = moving(question, predictions(loss))

    def good(value: Fraction) -> bool:
        formula = question.formula.subs(a, sp.Rational(value))
        if formula.has(sp.nan, sp.zoo):
            return False
        return not bends(formula, variables, question.context)[0]

    grid = sorted(set(_grid(loss, str(dict(question.owner)[a]), domain)))
    found = [good(v) for v in grid]
    if all(found) or not any(found):
        raise InapplicableError
    first, last = found.index(True), len(found) - 1 - found[::-1].index(True)
    if not all(found[first : last + 1]):
        return
    ends = [(grid[first - 1], grid[first])] if first else []
    ends += [(grid[last + 1], grid[last])] if last + 1 < len(grid) else []
    brackets = [ends]
    for _ in range(TRIES):
        brackets.append([_closer(bad, well, good) for bad, well in brackets[-1]])
    tried = set()
    for ends in (*brackets[1:], brackets[0]):
        limits = [sp.Rational(simplest(*end)) for end in ends]
        low = limits[0] if first else -sp.oo
        high = limits[-1] if last + 1 < len(grid) else sp.oo
        for open_ in (False, True):
            part = domain.intersect(sp.Interval(low, high, open_, open_))
            if isinstance(part, sp.Interval) and part not in tried:
                tried.add(part)
                yield part


def _closer(bad: Fraction, well: Fraction, good: Callable[[Fraction], bool]) -> Bracket:
    for _ in range(STEPS):
        middle = (bad + well) / 2
        bad, well = (bad, middle) if good(middle) else (middle, well)
    return bad, well


def _grid(loss: Loss, parameter: str, domain: sp.Interval) -> Iterator[Fraction]:
    low, high = domain.inf, domain.sup
    default = loss.roles[parameter].default
    if default is not None and default.is_Rational:
        yield Fraction(int(default.p), int(default.q))
    if low.is_Rational and high.is_Rational:
        ends = Fraction(int(low.p), int(low.q)), Fraction(int(high.p), int(high.q))
        yield from (ends[0] + (ends[1] - ends[0]) * w for w in WITHIN)
    elif low.is_Rational or high.is_Rational:
        end, sign = (low, 1) if low.is_Rational else (high, -1)
        yield from (Fraction(int(end.p), int(end.q)) + sign * w for w in BEYOND)
    elif not (low.is_finite or high.is_finite):
        yield from (sign * w for w in BEYOND for sign in (1, -1))


def simplest(low: Fraction, high: Fraction) -> Fraction:
    """The number with the smallest denominator between two, both included."""
    if low > high:
        low, high = high, low
    if low <= 0 <= high:
        return Fraction(0)
    if high < 0:
        return -simplest(-high, -low)
    whole = low.__floor__()
    if whole == low or whole + 1 <= high:
        return Fraction(whole if whole == low else whole + 1)
    return whole + 1 / simplest(1 / (high - whole), 1 / (low - whole))


# ---- both sides ---------------------------------------------------------------------------------


def _intervals(found: sp.Set) -> list[sp.Interval]:
    parts = found.args if isinstance(found, sp.Union) else (found,)
    return [p for p in parts if isinstance(p, sp.Interval)]


def told(name: str, part: sp.Interval, domain: sp.Interval) -> str:
    """A part of a domain as inequalities, as far as they say more than the domain."""
    below = part.inf != domain.inf or part.left_open != domain.left_open
    above = part.sup != domain.sup or part.right_open != domain.right_open
    low, high = "<" if part.left_open else "<=", "<" if part.right_open else "<="
    if below and above:
        return f"{part.inf} {low} {name} {high} {part.sup}"
    if below:
        return f"{name} {low.replace('<', '>')} {part.inf}"
    return f"{name} {high} {part.sup}"
