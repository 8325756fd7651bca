"""Which distribution of the target a loss is minus the log-likelihood of, up to constants.

A constant is what no prediction moves. Candidates are read off the slopes of the loss; each is
proved by showing that the loss less its surprisal has the slope 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import sympy as sp

from losscompiler.analysis.abstraction import reduced
from losscompiler.analysis.bernoulli import of_labels, shown
from losscompiler.analysis.cells import Cell
from losscompiler.analysis.claims import Context
from losscompiler.analysis.convexity import (
    met,
    pieces_of,
    require_continuous,
    require_value_on_guard,
)
from losscompiler.analysis.definedness import require_defined
from losscompiler.analysis.densities import Density, of_mean
from losscompiler.analysis.elementary import elementary
from losscompiler.analysis.extremes import INFINITE, unbounded
from losscompiler.analysis.growth import limit_at
from losscompiler.analysis.ledger import InapplicableError, Ledger, OpenError
from losscompiler.analysis.limits import SINGULAR
from losscompiler.analysis.location import candidates
from losscompiler.analysis.problem import NotScalarError, Problem, problem
from losscompiler.analysis.sign import holds
from losscompiler.analysis.special_cases import all_cases
from losscompiler.analysis.verdict import Verdict, proved, refuted, unknown
from losscompiler.spec.decorator import Loss

FITS = "the loss less the surprisal of this density does not depend on the prediction"
NONE_FITS = "no density of the table fits"
UNIT = sp.Interval(0, 1)


@dataclass(frozen=True)
class Setting:
    """A formula of predictions and one target `y`; `e` stands for `x - y` if that is all of `y`."""

    formula: sp.Expr
    y: sp.Symbol
    x: sp.Symbol
    moving: tuple[sp.Symbol, ...]
    context: Context
    e: sp.Symbol | None = None

    @property
    def located(self) -> sp.Symbol:
        """What the formula varies in: the error or the prediction."""
        return self.x if self.e is None else self.e


def likelihood(loss: Loss) -> Verdict:
    """The distribution, its parameters in terms of the inputs, and the proof.

    Raises:
        InapplicableError: If there is not one target.
    """
    try:
        question = problem(loss)
    except NotScalarError:
        raise OpenError("the formula couples the entries of an axis") from None
    targets = [s for s, name in question.owner if loss.roles[name].kind == "target"]
    if len(targets) != 1 or not question.variables:
        raise InapplicableError
    (y,) = targets
    if isinstance(question.context.domain(y), sp.FiniteSet):
        return of_labels(question, y)
    first: OpenError | None = None
    for setting in _settings(question, y):
        for density in _candidates(setting):
            attempt = Ledger()
            try:
                _require_fit(setting, density, attempt)
            except OpenError as open_:
                first = first or open_
                continue
            try:
                for claim in density.requires:
                    attempt.require("is a density", claim.expression, claim.relation,
                                    setting.context.inside(setting.moving))  # fmt: skip
            except OpenError as open_:
                return _improper(setting, density) or unknown(str(open_))
            given = {name: shown(value) for name, value in density.given}
            return proved(FITS, tuple(attempt.obligations), distribution=density.name, given=given)
        if setting.e is not None and len(setting.moving) == 1:
            return _without_name(setting)
    if question.context.domain(y) == UNIT and len(question.variables) == 1:
        return of_labels(question, y)
    return unknown(str(first) if first else NONE_FITS)


def _settings(question: Problem, y: sp.Symbol) -> Iterator[Setting]:
    """The formula in each prediction as location, and as it is."""
    if question.error is not None:
        assert question.prediction is not None
        yield Setting(question.formula, y, question.prediction, (question.error,),
                      question.context, question.error)  # fmt: skip
        return
    formula, context = question.formula, question.context
    e = sp.Symbol("error", real=True)
    for x in question.variables:
        if not context.domain(x) == context.domain(y) == sp.S.Reals:
            continue
        moved = elementary(formula.xreplace({x: e + y}))
        moved = elementary(sp.expand(moved)) if moved.has(y) else moved
        if not moved.has(y):
            others = tuple(e if v == x else v for v in question.variables)
            domains = {s: d for s, d in context.domains if s not in (x, y)} | {e: sp.S.Reals}
            yield Setting(moved, y, x, others, Context.over(domains), e)
    for x in question.variables:
        yield Setting(formula, y, x, question.variables, context)


def _candidates(setting: Setting) -> Iterator[Density]:
    chosen = list(all_cases(setting.formula, setting.moving, setting.context))
    if len(chosen) != 1:
        return
    pieces = [c for c in chosen[0][2] if c.is_open]
    if setting.e is not None:
        found = candidates(pieces, setting.e, setting.context)
    elif len(pieces) == 1:
        found = _exponential_family(setting, pieces[0].value)
    else:
        return
    others = [v for v in setting.moving if v != setting.located]
    targets = setting.context.domain(setting.y)
    for density in found:
        fixed = not any(s.has(*others) for s in density.shape)
        if fixed and (setting.e is not None or density.covers(targets)):
            yield density


def _exponential_family(setting: Setting, formula: sp.Expr) -> Iterator[Density]:
    """Slopes `rate * (mean - statistic)`, of a statistic of the target."""
    x, y = setting.x, setting.y
    slope = reduced(sp.diff(formula, x))
    cross = reduced(sp.diff(slope, y))
    for statistic in (y, sp.log(y), sp.log(1 + y)):
        rate = reduced(-cross / sp.diff(statistic, y))
        if rate.has(y) or rate == 0:
            continue
        mean = reduced(slope / rate + statistic)
        if mean.has(y):
            continue
        mean = sp.simplify(mean) if mean.count_ops() < 30 else mean
        variance = reduced(sp.diff(mean, x) / rate)
        if not holds(variance, ">", setting.context.inside([x])):
            return
        yield from of_mean(y, statistic, mean, variance, x)


def _require_fit(setting: Setting, density: Density, ledger: Ledger) -> None:
    """The loss less the surprisal is constant in the predictions.

    Raises:
        OpenError: If that is not proved.
    """
    difference = elementary(setting.formula - density.surprisal)
    if difference.has(*SINGULAR):
        raise OpenError("a part of the formula without a value")
    context = setting.context.inside(setting.moving)
    pieces = pieces_of(difference, context)
    for cell in pieces:
        if cell.is_open:
            here = context.given(*cell.claims)
            for v in setting.moving:
                rate = sp.diff(cell.value, v)
                ledger.require(f"slope in {v}, less that of the surprisal", rate, "==", here)
    for facet in met(pieces, setting.moving, context):
        require_continuous(facet, ledger)
    for cell in pieces:
        if not cell.is_open:
            require_value_on_guard(cell, pieces, setting.moving, context, ledger)


# ---- losses of the error that are none of the table ---------------------------------------------


def _improper(setting: Setting, density: Density) -> Verdict | None:
    """Parameters for which what would be the density has no finite integral."""
    if density.name not in ("Student's t", "Cauchy"):
        return None
    df = density.given[0][1]
    symbols = sorted(df.free_symbols, key=str)
    for place in (Fraction(1), Fraction(1, 2), Fraction(1, 4)):
        point = dict.fromkeys(symbols, place)
        if any(setting.context.domain(s).contains(sp.Rational(place)) != sp.true for s in symbols):
            continue
        value = df.subs({s: sp.Rational(p) for s, p in point.items()})
        if value.is_number and value <= 0:
            fixed = {str(s): str(p) for s, p in point.items()}
            return refuted(
                f"exp(-loss) falls like Student's t with {df} degrees of freedom, of which there "
                "have to be more than 0",
                {"fixed": fixed, "degrees of freedom": str(value)},
            )
    return None


def _without_name(setting: Setting) -> Verdict:
    """Whether exp(-loss) has a finite integral: it has if the loss rises steadily at both ends."""
    e, context, ledger = setting.located, setting.context, Ledger()
    seen, rising = set(), True
    for chosen, _, pieces in all_cases(setting.formula, setting.moving, context):
        if chosen:
            return unknown(NONE_FITS)
        for cell, direction in product(pieces, (1, -1)):
            if not (cell.is_open and unbounded(cell, e, direction, context)):
                continue
            seen.add(direction)
            if (end := _flat(cell, e, direction, context)) is not None:
                witness = {"error": "oo" if direction > 0 else "-oo", "loss": str(end)}
                return refuted("the loss stays bounded far out, so that exp(-loss) has no finite "
                               "integral", witness)  # fmt: skip
            rising = rising and _rises(cell, e, direction, context)
        _require_finite(pieces, setting, ledger)
    if rising and seen == {1, -1}:
        return proved("the loss is continuous and rises at least linearly far out, so that "
                      "exp(-loss) has a finite integral", tuple(ledger.obligations),
                      distribution="exp(-loss)", given={})  # fmt: skip
    return unknown(NONE_FITS)


def _require_finite(pieces: tuple[Cell, ...], setting: Setting, ledger: Ledger) -> None:
    """The loss is continuous; raises OpenError if that is not proved."""
    for cell in pieces:
        if cell.is_open:
            require_defined(cell.value, setting.context.given(*cell.claims), ledger)
    for facet in met(pieces, setting.moving, setting.context):
        require_continuous(facet, ledger)


def _rises(cell: Cell, e: sp.Symbol, direction: int, context: Context) -> bool:
    """Whether the loss grows at least linearly in a cell that reaches to infinity."""
    slope = limit_at(sp.diff(cell.value, e), e, direction, context)
    if slope is None or slope in INFINITE:
        return bool(slope == direction * sp.oo)
    return holds(direction * slope, ">", context)


def _flat(cell: Cell, e: sp.Symbol, direction: int, context: Context) -> sp.Expr | None:
    """The finite limit of the loss in a cell that reaches to infinity."""
    end = limit_at(cell.value, e, direction, context)
    return end if end is not None and end.is_finite and not end.has(e, *INFINITE) else None
