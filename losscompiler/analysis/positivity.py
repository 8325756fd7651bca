"""Signs of parts of a formula over axes, read off their form, then off the formula between them."""

from __future__ import annotations

import sympy as sp

from losscompiler.analysis.cells import Cell
from losscompiler.analysis.claims import Claim
from losscompiler.analysis.composition import Composition
from losscompiler.analysis.convexity import pieces_of
from losscompiler.analysis.effort import SpentError, limited
from losscompiler.analysis.ledger import OpenError
from losscompiler.analysis.link import Link
from losscompiler.analysis.sign import holds
from losscompiler.ir.kinks import is_switch
from losscompiler.spec import expressions as ex
from losscompiler.spec.tensors import Index

LONGEST = 60
MOST_OPERATIONS = 120
"""Formulas beyond this size are not brought over one denominator."""
SHARE = 800
"""Steps that one question may take."""


class Signs:
    """Answers about the parts of one loss; what they cannot tell is `False`."""

    def __init__(self, composition: Composition) -> None:
        """Remembers answers."""
        self.composition = composition
        self.known: dict[tuple[sp.Basic, str], bool] = {}

    def holds(self, e: sp.Basic, relation: str) -> bool:
        """Whether `e relation 0`, by the scalar formula between its parts."""
        key = (e, relation)
        if key not in self.known:
            try:
                with limited(SHARE):
                    self.known[key] = self._holds(e, relation)
            except (OpenError, SpentError):
                self.known[key] = False
        return self.known[key]

    def _holds(self, e: sp.Basic, relation: str) -> bool:
        link = Link(self.composition, e, merged=False)
        if not any(map(is_switch, sp.preorder_traversal(link.formula))):
            return holds(link.formula, relation, link.context)
        pieces = pieces_of(link.formula, link.context)
        return all(holds(c.value, relation, link.context.given(*_closed(c))) for c in pieces)

    def positive(self, e: sp.Basic) -> bool:
        """Whether a part is positive for all predictions, or for none."""
        if not self.composition.moves(e):
            return bool(e.is_nonnegative) or self.holds(e, ">=")
        if isinstance(e, sp.exp) or e.is_positive:
            return True
        if e.is_Mul and all(map(self.positive, e.args)):
            return True
        if e.is_Pow and not self.composition.moves(e.exp):
            falling = e.exp.is_negative is True and self.nonnegative(e.base)
            if falling or self.positive(e.base):
                return True  # where it has a value
        if isinstance(e, ex.Sum | ex.Prod | ex.CumSum | ex.AxisMax | ex.AxisMin | ex.At):
            return self.positive(e.body)
        if isinstance(e, ex.Sort) and self.positive(e.body):
            return True
        if isinstance(e, ex.Piecewise) and not any(self.composition.moves(c) for _, c in e.pairs):
            return all(map(self.positive, (v for v, _ in e.pairs)))
        if e.is_Add and (all(map(self.positive, e.args)) or self._rest_of_sum(e)):
            return True
        if e.is_Add and (merged := _merged(e)) != e:
            return self.positive(merged)
        strict = [a for a in e.args if e.is_Add and self._strictly(a)]
        if strict and all(self.nonnegative(a) for a in e.args if a not in strict):
            return True
        return self._strictly(e)

    def nonnegative(self, e: sp.Basic) -> bool:
        """Whether a part is nowhere negative."""
        if e.is_nonnegative or self.composition.is_nonnegative(e):
            return True
        if isinstance(e, ex.Sum | ex.Prod | ex.CumSum | ex.AxisMax | ex.AxisMin | ex.Sort | ex.At):
            return self.nonnegative(e.body)
        if isinstance(e, ex.Piecewise):
            return all(map(self.nonnegative, (v for v, _ in e.pairs)))
        if e.is_Mul and (self._even(e) or self._turned(e)):
            return True
        if e.is_Add and self._fraction(e):
            return True
        if e.is_Add and (self._above_entry(e) or self._beyond_cosine(e)):
            return True
        if (e.is_Mul or e.is_Add) and all(map(self.nonnegative, e.args)):
            return True
        if e.is_Add and (merged := _merged(e)) != e and self.nonnegative(merged):
            return True
        return self.positive(e) or self.holds(e, ">=")

    def _even(self, e: sp.Basic) -> bool:
        """Whether two negative factors make a product that is not."""
        down = [a for a in e.args if not self.nonnegative(a)]
        numbers = any(a.is_number for a in down)
        return len(down) == 2 and not numbers and all(self.nonnegative(-a) for a in down)

    def _turned(self, e: sp.Basic) -> bool:
        """Whether a negative number is outweighed by the sign of a factor."""
        number, rest = e.as_coeff_Mul()
        if not number.is_negative:
            return False
        factors = sp.Mul.make_args(rest)
        for f in factors:
            turned = ex.Sum(-f.body, sp.Tuple(*f.indices)) if isinstance(f, ex.Sum) else -f
            others = (g for g in factors if g != f)
            if f.is_Add or isinstance(f, ex.Sum):
                return self.nonnegative(turned) and all(map(self.nonnegative, others))
        return False

    def _fraction(self, e: sp.Basic) -> bool:
        """Whether a sum of fractions has a numerator that is nowhere negative."""
        if e.count_ops() > MOST_OPERATIONS:
            return False
        top, bottom = sp.fraction(sp.together(e))
        if bottom.is_number or top.count_ops() > LONGEST or not self.positive(bottom):
            return False
        return self.nonnegative(sp.expand(top))

    def _above_entry(self, e: sp.Basic) -> bool:
        """Whether this is a log-sum-exp, or the greatest, less one of the entries."""
        for whole in e.args:
            body, indices = _reduced(whole)
            if len(indices) == 1 and body is not None:
                rest = sp.Add(*(a for a in e.args if a != whole))
                for place in _places(rest, indices[0]):
                    gap = sp.expand(rest + body.xreplace({indices[0]: place}))
                    if gap == 0 or (not self.composition.moves(gap) and self.nonnegative(gap)):
                        return True
        return False

    def _beyond_cosine(self, e: sp.Basic) -> bool:
        """Whether cosines, which are at most 1 in size, are outweighed by a constant."""
        rest = sp.S.Zero
        for term in e.args:
            weight = cosine_weight(term)
            if weight is not None and not self.composition.moves(weight):
                rest -= weight if self.nonnegative(weight) else sp.Abs(weight)
            else:
                rest += term
        return rest != e and not self.composition.moves(rest) and self.nonnegative(rest)

    def _strictly(self, e: sp.Basic) -> bool:
        """Whether a part is positive, without exception."""
        return bool(e.is_positive) or self.holds(e, ">")

    def _rest_of_sum(self, e: sp.Basic) -> bool:
        """Whether this is a sum of positive terms less one of them, over what is positive.

        It is positive, or 0 throughout where there is but one term.
        """
        if e.count_ops() > MOST_OPERATIONS:
            return False
        top, bottom = sp.fraction(sp.together(e))
        if bottom != 1 and not self.positive(bottom):
            return False
        if not (top.is_Add and len(top.args) == 2):
            return False
        for whole, less in (top.args, top.args[::-1]):
            positive = isinstance(whole, ex.Sum) and self.positive(whole.body)
            if positive and any(_is_entry(-less, whole, i) for i in whole.indices):
                return True
        return False


def _closed(cell: Cell) -> list[Claim]:
    """Where a piece holds, and the zeros of its guards."""
    return [Claim(c.expression, ">=" if c.relation == ">" else c.relation) for c in cell.claims]


def _merged(e: sp.Expr) -> sp.Expr:
    """A sum of sums over the same indices as one sum."""
    bodies: dict[tuple[Index, ...], list[sp.Expr]] = {}
    rest = []
    for term in e.args:
        scale, whole = term.as_coeff_Mul()
        if isinstance(whole, ex.Sum):
            bodies.setdefault(whole.indices, []).append(scale * whole.body)
        else:
            rest.append(term)
    if all(len(found) == 1 for found in bodies.values()):
        return e
    sums = (ex.Sum(sp.Add(*found), sp.Tuple(*i)) for i, found in bodies.items())
    return sp.Add(*rest, *sums)


def _is_entry(e: sp.Basic, whole: ex.Sum, i: Index) -> bool:
    """Whether this is the body of a sum at one position of its index."""
    if len(whole.indices) != 1:
        return False
    return any(whole.body.xreplace({i: place}) == e for place in _places(e, i))


def _places(e: sp.Basic, i: Index) -> list[sp.Basic]:
    """Positions on the axis of an index that a formula speaks of."""
    labels = [a for a in e.atoms(ex.Element) if a.tensor.role == "label"]
    return [*labels, *(a for a in e.atoms(Index) if a.axis == i.axis)]


def _reduced(e: sp.Basic) -> tuple[sp.Expr | None, tuple[Index, ...]]:
    """What is reduced to something at least as great as each of its entries."""
    if isinstance(e, ex.LogSumExp | ex.AxisMax):
        return e.body, e.indices
    inside = e.args[0] if isinstance(e, sp.log) else None
    if isinstance(inside, ex.Sum) and isinstance(inside.body, sp.exp):
        return inside.body.args[0], inside.indices
    return None, ()


def cosine_weight(e: sp.Basic) -> sp.Expr | None:
    """What a sum of products over the lengths of both vectors is multiplied by; None if none is."""
    factors = sp.Mul.make_args(e)
    sums = [a for a in factors if isinstance(a, ex.Sum)]
    lengths = [a for a in factors if a.is_Pow and a.exp == -1 and isinstance(a.base, ex.Norm)]
    if len(sums) != 1 or len(lengths) != 2 or any(a.base.p != 2 for a in lengths):
        return None
    (whole,) = sums
    product = sp.Mul(*(a.base.body.xreplace(_renamed(a.base, whole)) for a in lengths))
    if sp.expand(product - whole.body) != 0:
        return None
    return sp.Mul(*(a for a in factors if a != whole and a not in lengths))


def _renamed(e: ex.Binder, like: ex.Binder) -> dict[Index, Index]:
    """The indices of one reduction as those of another over the same axes."""
    return {a: b for a, b in zip(e.indices, like.indices, strict=False) if a.axis == b.axis}
