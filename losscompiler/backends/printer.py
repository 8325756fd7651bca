"""Prints scalar expressions as Python over arrays, in the formatter's own style.

A fragment that would make a line too long is assigned to a name first; evaluation is strict
anyway, so this changes nothing but the looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath
import sympy as sp
from sympy.core.relational import Relational

from losscompiler.analysis.evaluate import evaluate
from losscompiler.backends.spelling import Spelling
from losscompiler.ir.operators import ExpDifference, Maximum, Minimum, SquareRoot
from losscompiler.spec.expressions import Piecewise

ATOM, POWER, UNARY, PRODUCT, SUM, AND, OR, COMPARISON = 10, 8, 7, 6, 5, 4, 3, 2
COMPARISONS = {sp.Eq: "==", sp.Ne: "!=", sp.Lt: "<", sp.Le: "<=", sp.Gt: ">", sp.Ge: ">="}
LARGEST = 2**53  # no integer up to here is rounded, and frameworks take 64 bits
WIDEST = 76  # characters of one expression
STEEP = 3  # powers from here on are divided by alone


@dataclass(frozen=True)
class Text:
    """A printed expression, and how strongly it binds."""

    code: str
    binds: int = ATOM
    simple: bool = False  # a name or a number: the formatter hugs `**` between such operands

    def within(self, level: int) -> str:
        """The code, in parentheses if it binds less than the level."""
        return self.code if self.binds >= level else f"({self.code})"


@dataclass(frozen=True)
class Printer:
    """Prints expressions; `leaf(symbol, integer)` prints a leaf, `assign(code, e)` names one.

    What `is_size` is a Python number: functions take it as an array of the dtype of `like`. What
    `holds_integers` is computed from integer arrays alone: whole numbers may be floats, too.
    """

    spelling: Spelling
    leaf: Callable[[sp.Symbol, bool], Text]
    assign: Callable[[str, sp.Basic], str]
    like: str
    is_size: Callable[[sp.Basic], bool]
    holds_integers: Callable[[sp.Basic], bool]

    def code(self, e: sp.Basic) -> str:
        """The expression as a whole."""
        return self.text(e).code

    def text(self, e: sp.Basic, *, integer: bool = False) -> Text:
        """The expression, in pieces that fit a line."""
        if isinstance(e, sp.Symbol):
            return self.leaf(e, integer)
        if e.is_number and not isinstance(e, sp.logic.boolalg.Boolean):
            return number(e)
        return self._operation(e, integer)

    def _fitted(self, e: sp.Basic, room: int, *, integer: bool = False) -> Text:
        printed = self.text(e, integer=integer)
        if len(printed.code) <= room or not e.args:
            return printed
        return Text(self.assign(printed.code, e), simple=True)

    def _named(self, e: sp.Basic, printed: Text) -> Text:
        """A name for what is printed, unless it is one, or a constant."""
        if e.is_number or printed.code.isidentifier():
            return printed
        return Text(self.assign(printed.code, e), simple=True)

    def _operation(self, e: sp.Basic, integer: bool) -> Text:
        if e.is_Add:
            return self._add(e, integer)
        if e.is_Mul:
            return self._mul(e)
        if e.is_Pow:
            return self._pow(e)
        if isinstance(e, Piecewise):
            return self._cells(list(e.pairs))
        if isinstance(e, Relational):
            return self._comparison(e)
        if isinstance(e, sp.And | sp.Or):
            return self._logic(e)
        if isinstance(e, sp.Not):
            return Text(f"~{self._fitted(e.args[0], WIDEST).within(UNARY)}", UNARY)
        if isinstance(e, ExpDifference):
            return self._function(sp.exp, (e.args[0] - e.args[1],))
        return self._function(type(e), e.args)

    def _function(self, head: type[sp.Basic], args: tuple[sp.Basic, ...]) -> Text:
        if head in (Maximum, Minimum):  # a number last: bounds read better there
            args = tuple(sorted(args, key=lambda a: (bool(a.is_number), sp.default_sort_key(a))))
        printed = self._squeezed(args, WIDEST - 16)
        return Text(self.spelling.functions[head](*printed))

    def _squeezed(self, args: Sequence[sp.Basic], room: int) -> list[str]:
        """Arguments that together fit; the longest get names until they do."""
        printed = [
            number(a, decimal=True).code if _is_literal(a) else self._array(a, room).code
            for a in args
        ]
        while sum(map(len, printed)) > room:
            longest = max(range(len(printed)), key=lambda k: len(printed[k]))
            if printed[longest].isidentifier():
                break
            printed[longest] = self.assign(printed[longest], args[longest])
        return printed

    def _array(self, e: sp.Basic, room: int) -> Text:
        """An operand that has to be an array."""
        # A function of sizes has been given an array, and is one.
        sized = isinstance(e, sp.Expr) and self.is_size(e)
        sized = sized and not any(f.free_symbols for f in e.atoms(sp.Function))
        printed = self._fitted(e, 16 if sized else room)
        if sized:
            return Text(self.spelling.full(printed.code, self.like))
        return printed

    # ---- arithmetic ----------------------------------------------------------------------

    def _add(self, e: sp.Add, integer: bool) -> Text:
        terms = sorted(e.args, key=lambda t: (_is_negative(t), bool(t.is_number)))
        if not any(not _is_negative(t) for t in terms):
            return Text(f"-{self._fitted(-e, WIDEST - 2).within(UNARY)}", UNARY)
        pieces: list[str] = []
        for t in terms:
            negative = bool(pieces) and _is_negative(t)
            printed = self._fitted(-t if negative else t, WIDEST // 2, integer=integer)
            sign = (" - " if negative else " + ") if pieces else ""
            pieces.append(sign + printed.within(SUM + 1 if negative else SUM))
        return Text(self._chain(pieces, e), SUM)

    def _chain(self, pieces: list[str], e: sp.Basic) -> str:
        """Joins operands; a chain that is too long is cut into named parts."""
        line = pieces[0]
        for piece in pieces[1:]:
            if len(line) + len(piece) > WIDEST:
                line = self.assign(_bare(line), e)
            line += piece
        return line

    def _mul(self, e: sp.Mul) -> Text:
        coefficient, rest = e.as_coeff_Mul()
        negative = bool(coefficient.is_negative)
        coefficient = abs(coefficient)
        over, under = _fraction(rest)
        flipped = [f for f in over if f.is_Add and all(map(_is_negative, f.args))]
        over = [-f if f in flipped else f for f in over]
        negative ^= bool(len(flipped) % 2)
        if coefficient.q != 1 and (coefficient.q & (coefficient.q - 1)):
            under = [*under, sp.Integer(coefficient.q)]
            coefficient = sp.Integer(coefficient.p)
        if coefficient != 1 or not over:
            over = [coefficient, *over]
        room = max(24, WIDEST // max(1, len(over) + len(under)) + 8)
        operands = [self._fitted(f, room) for f in over]
        if len(operands) == 1 and not under and not negative:
            return operands[0]
        # The formatter puts a negated power into brackets.
        first = f"({operands[0].code})" if negative and operands[0].binds == POWER else ""
        pieces = [first or operands[0].within(PRODUCT)]
        pieces += [f" * {operand.within(PRODUCT + 1)}" for operand in operands[1:]]
        for divisors in _divided_apart(under):
            below = divisors[0] if len(divisors) == 1 else sp.Mul(*divisors, evaluate=False)
            pieces.append(f" / {self._fitted(below, room).within(PRODUCT + 1)}")
        code = self._chain(pieces, e)
        simple = len(pieces) == 1 and operands[0].simple
        return Text(f"-{code}", UNARY, simple) if negative else Text(code, PRODUCT)

    def _pow(self, e: sp.Pow) -> Text:
        base, exponent = e.args
        if exponent == sp.S.Half:
            return self._function(SquareRoot, (base,))
        if exponent.is_number and exponent.is_negative:
            below = self._fitted(base**-exponent, WIDEST - 8)
            return Text(f"1 / {below.within(PRODUCT + 1)}", PRODUCT)
        lower, upper = self._fitted(base, WIDEST // 2), self._fitted(exponent, WIDEST // 2)
        loose = exponent.is_Mul and not (-exponent).is_Atom  # x ** -2 * n is (x ** -2) * n
        operator = "**" if lower.simple and upper.simple else " ** "
        power = upper.within(ATOM if loose else UNARY)
        return Text(f"{lower.within(ATOM)}{operator}{power}", POWER)

    # ---- conditions ----------------------------------------------------------------------

    def _cells(self, pairs: list[tuple[sp.Expr, sp.Basic]]) -> Text:
        value, condition = pairs[0]
        if len(pairs) == 1:
            return self.text(value)
        rest = pairs[1][0] if len(pairs) == 2 else Piecewise(*pairs[1:])
        if value.is_number and rest.is_number:
            when = self._fitted(condition, WIDEST // 2).code
            a, b = number(value, decimal=True).code, number(rest, decimal=True).code
            return Text(f"fn.select({when}, {a}, {b}, {self.like})")
        return Text(self.spelling.where(*self._squeezed((condition, value, rest), WIDEST - 12)))

    def _comparison(self, e: Relational) -> Text:
        integer = all(a.is_integer for a in e.args) and self.holds_integers(e)
        if e.lhs.is_number:
            e = e.reversed
        left, right = (self._fitted(a, WIDEST // 2 - 4, integer=integer) for a in e.args)
        if self.is_size(e):  # a condition has to be an array, too
            sized = e.lhs if self.is_size(e.lhs) else e.rhs
            array = self._array(sized, WIDEST // 2 - 4)
            left, right = (array, right) if sized == e.lhs else (left, array)
        if len(left.code) + len(right.code) > WIDEST:  # long are views of leaves
            left, right = (self._named(a, t) for a, t in zip(e.args, (left, right), strict=True))
        sign = COMPARISONS[type(e)]
        return Text(f"{left.within(AND)} {sign} {right.within(AND)}", COMPARISON)

    def _logic(self, e: sp.Basic) -> Text:
        level, sign = (AND, " & ") if isinstance(e, sp.And) else (OR, " | ")
        args = sorted(e.args, key=sp.default_sort_key)
        pieces = [self._fitted(a, WIDEST // 2).within(level) for a in args]
        return Text(self._chain([pieces[0], *(sign + p for p in pieces[1:])], e), level)


def number(e: sp.Expr, *, decimal: bool = False) -> Text:
    """A constant: exact if Python can say it, else correctly rounded to double."""
    small = e.is_Rational and max(abs(e.p), e.q) <= LARGEST
    if e.is_Integer and small:
        code = f"{int(e)}.0" if decimal else str(int(e))
        return Text(code, UNARY if e < 0 else ATOM, simple=True)
    if small and e.q & (e.q - 1):
        sign = PRODUCT if e > 0 else UNARY
        return Text(f"{e.p} / {e.q}", sign) if not decimal else Text(repr(float(e)), simple=True)
    with mpmath.workdps(40):
        value = float(e if e.is_infinite else evaluate(e, {}))
    if value in (float("inf"), float("-inf")):
        return Text(f'float("{value}")')
    return Text(repr(value), UNARY if value < 0 else ATOM, simple=True)


def _bare(code: str) -> str:
    """The code without parentheses around the whole of it."""
    if not code.startswith("("):
        return code
    depth = 0
    for position, character in enumerate(code):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return code[1:-1] if position == len(code) - 1 else code
    raise AssertionError(f"unbalanced: {code}")


def _is_literal(e: sp.Basic) -> bool:
    return isinstance(e, sp.Expr) and bool(e.is_number)


def _is_negative(t: sp.Expr) -> bool:
    coefficient = t.as_coeff_Mul()[0]
    return bool(coefficient.is_negative)


def _divided_apart(under: list[sp.Expr]) -> list[list[sp.Expr]]:
    """Divisors that may be multiplied first; high powers of small numbers would vanish together."""
    steep = [f for f in under if f.is_Pow and f.exp.is_number and f.exp >= STEEP]
    rest = [f for f in under if f not in steep]
    return [group for group in (*([f] for f in steep), rest) if group]


def _fraction(e: sp.Expr) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """Factors above and below the line."""
    over, under = [], []
    for f in sp.Mul.make_args(e):
        if f.is_Pow and f.exp.is_number and f.exp.is_negative:
            under.append(f.base**-f.exp)
        elif f != 1:
            over.append(f)
    return over, under
