"""How often a loss over axes of any size is differentiable at least, by composition.

A sum, a product or a smooth function of parts is as smooth as its parts. What stands between two
reductions is one scalar formula of them, and smooth where that is: kinks that join smoothly there,
as those of `max(x, 0)**2`, or cannot be reached, are none. What is left are *places*: each says
where it is, and which derivative is the first that may fail there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sympy as sp
from sympy.core.relational import Relational

from losscompiler.analysis.cells import Cell
from losscompiler.analysis.composition import Composition, plain
from losscompiler.analysis.convexity import pieces_of
from losscompiler.analysis.effort import SpentError, limited
from losscompiler.analysis.ledger import Ledger, OpenError
from losscompiler.analysis.link import Link
from losscompiler.analysis.positivity import Signs
from losscompiler.analysis.problem import Problem
from losscompiler.analysis.sign import holds
from losscompiler.analysis.smoothness import smoothness
from losscompiler.analysis.wording import (
    at_a_tie,
    at_zero,
    equal,
    negative,
    zero_vector,
)
from losscompiler.ir import operators as op
from losscompiler.spec import expressions as ex
from losscompiler.spec.conditions import is_condition
from losscompiler.spec.decorator import Loss
from losscompiler.spec.recurrence import Scan

SMOOTH = (
    sp.exp, sp.sin, sp.cos, sp.atan, sp.erf, sp.erfc, op.ndtr, op.log_ndtr, op.InverseMills,
    op.MillsExcess, op.ExpMoment,
)  # fmt: skip
LINEAR = (ex.Sum, ex.Prod, ex.CumSum, ex.LogSumExp, ex.LogCumSumExp, ex.Correlate)
GAMMA = (op.LogGamma, op.Digamma, op.PolyGamma)
UNDEFINED = -1
"""The order of a place where the formula has no value."""
MOST_POWERS = 4
SHARE = 2_500
"""Steps that one scalar formula may take."""


@dataclass(frozen=True)
class Place:
    """Where a formula may be less smooth: derivatives below `order` are continuous there."""

    where: str
    order: int
    node: sp.Basic


Places = frozenset[Place]
NOWHERE: Places = frozenset()


class Parts(Composition):
    """Reductions and entries: logarithms and roots between them belong to the formula."""

    def is_part(self, e: sp.Basic) -> bool:
        """Whether a moving part is one argument of the scalar formulas around it."""
        return isinstance(e, ex.Element | ex.Binder)


class Regularity:
    """One question about one loss; answers are remembered."""

    def __init__(self, composition: Composition) -> None:
        """About the predictions that the composition moves."""
        self.composition = composition
        self.signs = Signs(composition)
        self.known: dict[sp.Basic, Places] = {}

    def places(self, e: sp.Basic) -> Places:
        """Where a part may fail to have derivatives of all orders; raises OpenError."""
        if not self.composition.moves(e) or isinstance(e, ex.Element):
            return NOWHERE
        if e not in self.known:
            found = self._node(e)
            self.known[e] = self._joined(e, found) if _least(found) < float("inf") else found
        return self.known[e]

    def _all(self, parts: Iterable[sp.Basic]) -> Places:
        return NOWHERE.union(*map(self.places, parts))

    def _node(self, e: sp.Basic) -> Places:
        for kinds, rule in RULES:
            if isinstance(e, kinds):
                return rule(self, e)
        raise OpenError(f"nothing is known about the smoothness of `{type(e).__name__}`")

    # ---- between reductions ---------------------------------------------------------------------

    def _joined(self, e: sp.Basic, found: Places) -> Places:
        """The places of a scalar formula of smoother parts, if its kinks are decided there."""
        if is_condition(e) or self.composition.is_part(e):
            return found
        link = Link(self.composition, e, merged=False)
        variables = tuple(link.parts)
        ledger = Ledger()
        try:
            with limited(SHARE):
                question = Problem(link.formula, variables, link.context, ())
                answer = smoothness(question, variables, ledger)
                closed = _covers(pieces_of(link.formula, link.context))
        except (OpenError, SpentError):
            return found
        back = {symbol: part for part, symbol in link.symbols.items()}
        kinks = {
            Place(equal(k.variable.xreplace(back), k.at.xreplace(back)), k.order, e)
            for k in answer.kinks
        }
        undefined = {p for p in found if p.order == UNDEFINED and not (closed and _branches(e))}
        joined = NOWHERE.union(kinks, undefined, self._parts(link))
        self.composition.ledger.obligations += ledger.obligations
        return joined if _least(joined) >= _least(found) else found

    def _parts(self, link: Link) -> Places:
        """The places of the parts of a scalar formula; even powers of a length have none."""
        found = NOWHERE
        for symbol, part in link.parts.items():
            for place in self.places(part):
                if place.node == part and isinstance(part, ex.Norm) and part.p == 2:
                    order = _even_order(link, symbol)
                    if order is None:
                        continue
                    found |= {Place(place.where, max(order, place.order), place.node)}
                else:
                    found |= {place}
        return found

    # ---- one node -------------------------------------------------------------------------------

    def _arguments(self, e: sp.Basic) -> Places:
        return self._all(e.args)

    def _body(self, e: ex.Binder) -> Places:
        return self.places(e.body)

    def _at(self, e: ex.At) -> Places:
        if self.composition.moves(e.position):
            raise OpenError("a position that varies with the predictions")
        return self.places(e.body)

    def _piecewise(self, e: ex.Piecewise) -> Places:
        values = self._all(v for v, _ in e.pairs if v not in (sp.oo, -sp.oo))
        return values | self._all(c for _, c in e.pairs)

    def _relation(self, e: Relational) -> Places:
        return self._all(e.args) | {Place(equal(*e.args), 0, e)}

    def _log(self, e: sp.Basic) -> Places:
        (inside,) = e.args
        return self._defined(inside, e, self.places(inside))

    def _defined(self, inside: sp.Basic, e: sp.Basic, found: Places) -> Places:
        """The places of a function of what has to be positive."""
        if self.signs.positive(inside):
            return found
        rest = frozenset(p for p in found if p.node != inside)
        if self.signs.nonnegative(inside):
            return rest | self._undefined(inside, e)
        return rest | {Place(negative(inside), UNDEFINED, e)}

    def _undefined(self, base: sp.Basic, e: sp.Basic) -> Places:
        """Where a divisor vanishes, or what a logarithm is taken of: a factor that moves."""
        factors = [f for f in sp.Mul.make_args(base) if self.composition.moves(f)]
        open_ = [f for f in factors if not self.signs.positive(f)]
        return frozenset(Place(at_zero(f), UNDEFINED, e) for f in open_)

    def _power(self, e: sp.Basic) -> Places:
        base, exponent = e.args
        found = self._all(e.args)
        if self.composition.moves(exponent):
            return self._defined(base, e, found)
        if exponent.is_Integer and exponent.is_nonnegative:
            return found
        if not self.composition.moves(base) or self.signs.positive(base):
            return found
        rest = frozenset(p for p in found if p.node != base)
        if exponent.is_Integer or self.signs.holds(-exponent, ">="):
            if self.signs.positive(-base) or self.signs.holds(base, "!="):
                return found
            return rest | self._undefined(base, e)
        if not self.signs.nonnegative(base):
            return rest | {Place(negative(base), UNDEFINED, e)}
        if not self.signs.holds(exponent, ">="):
            return rest | self._undefined(base, e)
        own = isinstance(base, op.Magnitude) or (isinstance(base, op.Maximum) and 0 in base.args)
        kept = rest if own else found
        return kept | {Place(at_zero(base), self._power_order(base, exponent), e)}

    def _power_order(self, base: sp.Basic, exponent: sp.Expr) -> int:
        """The first derivative of a power that may fail where its base vanishes."""
        order = 1
        even = isinstance(base, op.Magnitude)
        for k in range(1, MOST_POWERS + 1):
            strict = self.signs.holds(exponent - k, ">")
            if not strict and not (even and k % 2 == 0 and self.signs.holds(exponent - k, ">=")):
                break
            order = k + 1
        return order

    def _length(self, e: ex.Norm) -> Places:
        found = self.places(e.body)
        if self.signs.positive(e.body) or self.signs.positive(-e.body):
            return found if e.p != sp.oo else found | {Place(at_a_tie(e), 1, e)}
        if e.p == 2:
            return found | {Place(zero_vector(e.body), 1, e)}
        return found | {Place(at_zero(e.body) if e.p == 1 else zero_vector(e.body), 1, e)}

    def _extreme(self, e: ex.Binder) -> Places:
        return self.places(e.body) | {Place(at_a_tie(e), 1, e)}

    def _sorted(self, e: ex.Sort) -> Places:
        found = self.places(e.body)
        if not self.composition.moves(e.keys):
            return found
        own = e.keys == e.body
        return found | self.places(e.keys) | {Place(at_a_tie(e), 1 if own else 0, e)}

    def _ranked(self, e: ex.Rank) -> Places:
        return self.places(e.body) | {Place(at_a_tie(e), 0, e)}

    def _kink(self, e: sp.Basic) -> Places:
        """The larger, the smaller, a magnitude or a sign: smooth where its guard keeps its sign."""
        guard = e.args[0] if len(e.args) == 1 else e.args[0] - e.args[1]
        for sign, kept in ((1, 0), (-1, -1)):
            if self.signs.holds(sign * guard, ">" if isinstance(e, op.Sign) else ">="):
                if isinstance(e, op.Minimum):
                    kept = -1 - kept
                return self.places(e.args[kept])
        where = at_zero(guard) if len(e.args) == 1 else equal(*e.args)
        return self._all(e.args) | {Place(where, 0 if isinstance(e, op.Sign) else 1, e)}

    def _step(self, e: sp.Basic) -> Places:
        return self._all(e.args) | {Place(f"`{e.args[0]}` passes an integer", 0, e)}

    def _gamma(self, e: sp.Basic) -> Places:
        return self._defined(e.args[-1], e, self.places(e.args[-1]))

    def _scan(self, e: Scan) -> Places:
        return self._all((*e.steps, *e.inits))


def _branches(e: sp.Basic) -> bool:
    """Whether a formula chooses between values, one of which may be undefined."""
    return bool(e.has(ex.Piecewise))


def _covers(pieces: Iterable[Cell]) -> bool:
    """Whether each guard is looked at from both sides: none is 0 at an end of a domain alone."""
    known = list(pieces)
    return all(any(c.side(g) == -s for c in known) for p in known for g, s in p.sides if s)


def _least(places: Places) -> float:
    return min((p.order for p in places if p.order > UNDEFINED), default=float("inf"))


def _even_order(link: Link, length: sp.Symbol) -> int | None:
    """The first derivative that a formula of a length has and an even one has not; None if none.

    A function of a length is as smooth at the zero vector as its even continuation is at 0.
    """
    formula = link.formula
    if len(pieces_of(formula, link.context)) > 1:
        return 1
    if sp.expand(formula.subs(length, -length) - formula) == 0:
        return None
    for order in (1, 3, 5):
        slope = sp.diff(formula, length, order).subs(length, 0)
        if slope.has(sp.nan, sp.zoo, sp.oo) or not holds(slope, "==", link.context):
            return order
    return 1


RULES = (
    (ex.Piecewise, Regularity._piecewise),
    ((*SMOOTH, sp.And, sp.Or, sp.Not, sp.Xor), Regularity._arguments),
    ((sp.Add, sp.Mul), Regularity._arguments),
    (Relational, Regularity._relation),
    (sp.log, Regularity._log),
    (sp.Pow, Regularity._power),
    (Scan, Regularity._scan),
    (ex.Norm, Regularity._length),
    ((ex.AxisMax, ex.AxisMin), Regularity._extreme),
    (ex.Sort, Regularity._sorted),
    (ex.Rank, Regularity._ranked),
    (ex.At, Regularity._at),
    (LINEAR, Regularity._body),
    ((op.Maximum, op.Minimum, op.Magnitude, op.Sign), Regularity._kink),
    ((sp.floor, sp.ceiling), Regularity._step),
    (GAMMA, Regularity._gamma),
)


def regularity(loss: Loss, wrt: tuple[str, ...], ledger: Ledger) -> Places:
    """Where a loss may fail to have derivatives of all orders, by its form.

    Raises:
        OpenError: If nothing is known about a part.
    """
    return Regularity(Parts(loss, wrt, ledger)).places(plain(loss.expression))
