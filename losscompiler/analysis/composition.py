"""Convexity of losses over axes of any size, by structure.

    sums, weighted by what is nonnegative, of convex terms           are convex
    the largest of convex entries; norms of affine ones              are convex
    sums, products and powers of log-convex terms                    are log-convex
    logarithms of log-convex terms (log-sum-exp of convex ones)      are convex
    f(u, v, ...), f convex and rising in each convex argument        is convex

The last rule rests on the proofs for scalar formulas: its arguments become symbols, so that
whatever stands between two reductions is one formula, however it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import sympy as sp

from losscompiler.analysis.elementary import elementary
from losscompiler.analysis.ledger import Argument, Ledger, OpenError
from losscompiler.analysis.link import CONCAVE, CONVEX, Link
from losscompiler.analysis.probe import bends
from losscompiler.analysis.sign import holds
from losscompiler.spec import expressions as ex
from losscompiler.spec.decorator import Loss
from losscompiler.spec.recurrence import Carry, Scan

CONSTANT, AFFINE = "constant", "affine"
LINEAR = (ex.Sum, ex.CumSum, ex.At)


@lru_cache(maxsize=20_000)
def plain(e: sp.Basic) -> sp.Basic:
    """The formula in the vocabulary of the analysis; softmaxes as exponentials of differences."""
    if not e.args or isinstance(e, ex.Element | ex.MaskElement):
        return e
    args = [plain(a) for a in e.args]
    if isinstance(e, ex.Softmax | ex.LogSoftmax):
        share = args[0] - ex.LogSumExp(*args)
        return sp.exp(share) if isinstance(e, ex.Softmax) else share
    if isinstance(e, ex.Piecewise):
        return ex.Piecewise(*(tuple(pair) for pair in args))
    return elementary(e.func(*args)) if not isinstance(e, ex.Binder) else e.func(*args)


@dataclass
class Composition:
    """One question: is the loss convex in the predictions `wrt`? Answers are remembered."""

    loss: Loss
    wrt: tuple[str, ...]
    ledger: Ledger
    known: dict[sp.Basic, str | OpenError] = field(default_factory=dict)

    def moves(self, e: sp.Basic) -> bool:
        """Whether a part depends on the predictions in question."""
        return any(a.tensor.name in self.wrt for a in e.atoms(ex.Element))

    def require_convex(self) -> None:
        """Proves that the loss is convex; raises OpenError with what is left open."""
        found = self.curvature(plain(self.loss.expression))
        if found == CONCAVE:
            raise OpenError("the formula is concave")

    def curvature(self, e: sp.Expr) -> str:
        """The curvature of a part; raises OpenError if none is proved."""
        if not self.moves(e):
            return CONSTANT
        if e not in self.known:
            try:
                kind = self.known[e] = self._curvature(e)
                if not any(a.part == e for a in self.ledger.arguments):
                    self.ledger.arguments.append(Argument(e, kind, "form"))
            except OpenError as open_:
                self.known[e] = open_
        found = self.known[e]
        if isinstance(found, OpenError):
            raise found
        return found

    def is_affine(self, e: sp.Basic) -> bool:
        """Whether a part is affine by its form alone."""
        if not self.moves(e) or isinstance(e, ex.Element):
            return not isinstance(e, Carry)
        if e.is_Add:
            return all(map(self.is_affine, e.args))
        if e.is_Mul:
            moving = [a for a in e.args if self.moves(a)]
            return len(moving) == 1 and self.is_affine(moving[0])
        if isinstance(e, (*LINEAR, ex.Correlate)):
            return self.is_affine(e.body)
        if isinstance(e, ex.Sort):  # by keys that do not move, entries only change places
            return not self.moves(e.keys) and self.is_affine(e.body)
        return self._branches(e, self.is_affine)

    def _branches(self, e: sp.Basic, holds_for: Callable[[sp.Basic], bool]) -> bool:
        """Whether something holds for all branches of a choice that the predictions cannot make."""
        if not isinstance(e, ex.Piecewise) or any(self.moves(c) for _, c in e.pairs):
            return False
        return all(v == -sp.oo or holds_for(v) for v, _ in e.pairs)

    def log_convex(self, e: sp.Basic) -> bool:
        """Whether the logarithm of a part is convex, by its form; 0 and constants count."""
        if not self.moves(e):
            return self._nonnegative(e)
        if isinstance(e, sp.exp):
            return self._is(e.args[0], (AFFINE, CONVEX))
        if e.is_Add or e.is_Mul:
            return all(map(self.log_convex, e.args))
        if e.is_Pow and not self.moves(e.exp):
            return self._nonnegative(e.exp) and self.log_convex(e.base)
        if isinstance(e, ex.Sum | ex.Prod | ex.CumSum | ex.AxisMax):
            return self.log_convex(e.body)
        return self._branches(e, self.log_convex)

    def is_norm(self, e: sp.Basic) -> bool:
        """Whether a part is the root of squares of affine parts, and of what is nonnegative."""
        return e.is_Pow and e.exp == sp.S.Half and self._is_squares(e.base)

    def _is_squares(self, e: sp.Basic) -> bool:
        if not self.moves(e):
            return self._nonnegative(e)
        if e.is_Add or e.is_Mul:
            moving = [a for a in e.args if self.moves(a)]
            return (e.is_Add or len(moving) == 1) and all(map(self._is_squares, e.args))
        if e.is_Pow and e.exp == 2:
            return self.is_affine(e.base)
        return isinstance(e, ex.Sum) and self._is_squares(e.body)

    def is_part(self, e: sp.Basic) -> bool:
        """Whether a moving part is one argument of the scalar formulas around it."""
        if isinstance(e, ex.Element | ex.Binder) or self.is_norm(e):
            return True
        return isinstance(e, sp.log) and self.log_convex(e.args[0])

    def _is(self, e: sp.Expr, kinds: tuple[str, ...]) -> bool:
        if self._branches(e, lambda v: self._is(v, (CONSTANT, *kinds))):
            return True
        try:
            return self.curvature(e) in kinds
        except OpenError:
            return False

    def is_nonnegative(self, e: sp.Basic) -> bool:
        """Whether a reduction, a norm or a root is nonnegative."""
        if e.is_nonnegative or self.is_norm(e):
            return True
        if isinstance(e, ex.Sum | ex.Prod | ex.AxisMax | ex.AxisMin | ex.CumSum | ex.Sort):
            return self._nonnegative(e.body)
        return False

    def _nonnegative(self, e: sp.Basic) -> bool:
        """Whether what does not depend on the predictions is nonnegative."""
        if isinstance(e, sp.Expr) and e.is_nonnegative:
            return True
        link = Link(self, e, merged=False)
        return holds(link.formula, ">=", link.context)

    # ---- one part -------------------------------------------------------------------------------

    def _curvature(self, e: sp.Expr) -> str:
        if self.is_affine(e):
            return AFFINE
        if isinstance(e, ex.Binder):
            return self._reduced(e)
        if isinstance(e, sp.log) and self.log_convex(e.args[0]):
            self.ledger.note(f"{e} is the logarithm of a log-convex sum: convex")
            return CONVEX
        if self._branches(e, self.is_affine):
            return AFFINE
        if self.is_norm(e):
            self.ledger.note(f"{e} is a norm of an affine vector: convex")
            return CONVEX
        if e.is_Add:
            try:
                return self._sum_of({self.curvature(t) for t in e.args})
            except OpenError:
                pass  # the terms may be convex together
        return self._linked(e)

    def _sum_of(self, kinds: set[str]) -> str:
        curved = kinds - {CONSTANT, AFFINE}
        if len(curved) > 1:
            raise OpenError("a convex and a concave term")
        return curved.pop() if curved else AFFINE

    def _reduced(self, e: ex.Binder) -> str:
        """A reduction of what has a curvature."""
        if isinstance(e, Scan):
            raise OpenError("a recurrence")
        if isinstance(e, ex.Prod):
            if self.log_convex(e):
                return CONVEX
            raise OpenError("a product over an axis")
        if isinstance(e, ex.Sum) and self.log_convex(e.body):
            self.ledger.note(f"{e} is a sum of log-convex terms: convex")
            return CONVEX
        if isinstance(e, ex.Norm):
            return self._norm(e)
        rule = REDUCTIONS.get(type(e))
        if rule is None:
            raise OpenError(f"nothing is known about the curvature of `{type(e).__name__}`")
        if isinstance(e, ex.Correlate) and not all(map(self._nonnegative, e.taps)):
            raise OpenError("a window with taps of unknown sign")
        found = next((kind for kind in rule if self._all_branches(e.body, kind)), "")
        found = found or self.curvature(e.body)
        if found == AFFINE and not isinstance(e, (*LINEAR, ex.Correlate)):
            found = rule[0]
        if found not in (*rule, AFFINE):
            raise OpenError(f"{type(e).__name__} of a {found} body")
        self.ledger.note(f"{e} reduces a {found} body: {found}")
        return found

    def _all_branches(self, e: sp.Basic, kind: str) -> bool:
        return self._branches(e, lambda v: self._is(v, (CONSTANT, AFFINE, kind)))

    def _norm(self, e: ex.Norm) -> str:
        if not (e.p == sp.oo or self._nonnegative(e.p - 1)):
            raise OpenError(f"a norm of order {e.p}")
        found = self.curvature(e.body)
        if found == AFFINE or (found == CONVEX and e.body.is_nonnegative):
            self.ledger.note(f"{e} is a norm of an affine vector: convex")
            return CONVEX
        raise OpenError(f"a norm of a {found} vector")

    def _linked(self, e: sp.Expr) -> str:
        """A scalar formula of parts with curvatures."""
        first: OpenError | None = None
        for merged in (True, False):
            link = Link(self, e, merged)
            down, up = bends(link.formula, tuple(link.parts), link.context)
            if down and up:
                first = first or OpenError(f"{e} is neither convex nor concave in its parts")
                continue
            for sign, kind in ((1, CONVEX), (-1, CONCAVE)):
                if down if sign > 0 else up:
                    continue
                attempt = Ledger()
                try:
                    link.require(sign, attempt)
                except OpenError as open_:
                    first = first or open_
                    continue
                self.ledger.take(attempt)
                self.ledger.arguments.append(link.argument(e, kind, attempt))
                self.ledger.note(f"{e} is {kind} in its parts")
                return kind
        raise first or OpenError(str(e))


REDUCTIONS: dict[type[sp.Basic], tuple[str, ...]] = {
    ex.Sum: (CONVEX, CONCAVE),
    ex.CumSum: (CONVEX, CONCAVE),
    ex.At: (CONVEX, CONCAVE),
    ex.Correlate: (CONVEX, CONCAVE),
    ex.AxisMax: (CONVEX,),
    ex.AxisMin: (CONCAVE,),
    ex.LogSumExp: (CONVEX,),
    ex.LogCumSumExp: (CONVEX,),
}


def require_composed(loss: Loss, wrt: Sequence[str], ledger: Ledger) -> None:
    """Proves by structure that a loss is convex in some predictions jointly.

    Raises:
        OpenError: If that is not proved.
    """
    Composition(loss, tuple(wrt), ledger).require_convex()
