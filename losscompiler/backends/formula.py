"""Formulas as plain text in paper notation, for docstrings: `log(sum_k(exp(x[k])))`."""

from __future__ import annotations

import re
from typing import Any

import sympy as sp
from sympy.printing.str import StrPrinter

from losscompiler.spec.expressions import Piecewise

_BINDERS = {
    "Sum": "sum",
    "Prod": "prod",
    "AxisMax": "max",
    "AxisMin": "min",
    "LogCumSumExp": "logcumsumexp",
    "LogSumExp": "logsumexp",
    "Norm": "norm",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
}
_RELATIONS = {"Equality": "=", "Unequality": "!="}


class _TextPrinter(StrPrinter):
    """SymPy's text, but sums, cases, absolute values and powers look as they do on paper."""

    printmethod = "_loss_text"  # not `_sympystr`, which our nodes define for diagnostics

    def __init__(self) -> None:
        super().__init__()
        self.carries: dict[Any, str] = {}  # of recurrences, in the order in which they are met
        self.backwards: set[Any] = set()
        self.recurrences: list[str] = []

    def _print_Scan(self, e: Any) -> str:
        """A carry is a sequence with a name, which is defined behind the formula."""
        if e.carries[0].tensor not in self.carries:
            for c in e.carries:
                self.carries[c.tensor] = f"c{len(self.carries) + 1}"
            self.backwards |= {c.tensor for c in e.carries if e.reverse}
            start = f"size({e.indices[0].axis})" if e.reverse else "-1"
            for c, step, init in zip(e.carries, e.steps, e.inits, strict=True):
                name, (_, *own) = self.carries[c.tensor], map(self._print, c.indices)
                first = f"{name}[{', '.join([start, *own])}] = {self._print(init)}"
                each = f"{name}[{', '.join(map(self._print, c.indices))}] = {self._print(step)}"
                self.recurrences += [first, each]
        positions = ", ".join(map(self._print, e.positions))
        return f"{self.carries[e.carries[e.which].tensor]}[{positions}]"

    def _print_Carry(self, e: Any) -> str:
        at, *own = map(self._print, e.indices)
        before = f"{at} + 1" if e.tensor in self.backwards else f"{at} - 1"
        return f"{self.carries[e.tensor]}[{', '.join([before, *own])}]"

    def _print_Element(self, e: Any) -> str:
        if not e.indices:
            return str(e.tensor.name)
        return f"{e.tensor.name}[{', '.join(self._print(i) for i in e.indices)}]"

    _print_MaskElement = _print_Element

    def _print_Binder(self, e: Any) -> str:
        below = "".join(f"_{i.name}" for i in e.indices)
        name = _BINDERS.get(type(e).__name__, type(e).__name__.lower())
        rest = "".join(f", {self._print(a)}" for a in e.args[2:] if a != 2)
        return f"{name}{below}({self._print(e.body)}{rest})"

    _print_Sum = _print_Prod = _print_AxisMax = _print_AxisMin = _print_Binder
    _print_LogSumExp = _print_Norm = _print_Softmax = _print_LogSoftmax = _print_Binder
    _print_Rank = _print_Binder

    def _print_Sort(self, e: Any) -> str:
        by = "" if e.keys == e.body else f" by {self._print(e.keys)}"
        falling = ", descending" if e.descending else ""
        return f"sort_{e.indices[0].name}({self._print(e.body)}{by}{falling})"

    def _print_CumSum(self, e: Any) -> str:
        back = ", reverse" if e.reverse else ""
        name = _BINDERS.get(type(e).__name__, "cumsum")
        return f"{name}_{e.indices[0].name}({self._print(e.body)}{back})"

    _print_LogCumSumExp = _print_CumSum

    def _print_Correlate(self, e: Any) -> str:
        return f"correlate_{e.indices[0].name}({self._print(e.body)}, {len(e.taps)} taps)"

    def _print_At(self, e: Any) -> str:
        return f"({self._print(e.body)})[{e.indices[0].name} = {self._print(e.position)}]"

    def _print_Piecewise(self, e: Any) -> str:
        cases = [f"{self._print(v)} {self._when(c)}" for v, c in _pairs(e)]
        return "{" + "; ".join(cases) + "}"

    def _when(self, condition: Any) -> str:
        return "otherwise" if condition == sp.true else f"if {self._print(condition)}"

    def _print_Size(self, e: Any) -> str:
        return f"size({e.axis})"

    def _print_Abs(self, e: Any) -> str:
        return f"|{self._print(e.args[0])}|"

    def _print_Pow(self, e: Any, rational: bool = False) -> str:
        return str(super()._print_Pow(e, rational=rational)).replace("**", "^")

    def _print_Max(self, e: Any) -> str:
        return f"max({', '.join(self._print(a) for a in self._sorted(e.args))})"

    def _print_Min(self, e: Any) -> str:
        return f"min({', '.join(self._print(a) for a in self._sorted(e.args))})"

    def _sorted(self, args: Any) -> list[Any]:
        return sorted(args, key=lambda a: a.sort_key())

    def _print_Relational(self, e: Any) -> str:
        sign = _RELATIONS.get(type(e).__name__, e.rel_op)
        return f"{self._print(e.lhs)} {sign} {self._print(e.rhs)}"

    def _print_And(self, e: Any) -> str:
        return " and ".join(self._condition(a) for a in self._sorted(e.args))

    def _print_Or(self, e: Any) -> str:
        return " or ".join(self._condition(a) for a in self._sorted(e.args))

    def _print_Not(self, e: Any) -> str:
        return f"not {self._condition(e.args[0])}"

    def _condition(self, e: Any) -> str:
        text = self._print(e)
        return f"({text})" if isinstance(e, sp.And | sp.Or) else str(text)


def _pairs(e: Any) -> list[tuple[Any, Any]]:
    return [(pair[0], pair[1]) for pair in e.args]


def text(e: sp.Basic) -> str:
    """A formula on one line."""
    printer = _TextPrinter()
    formula = str(printer.doprint(e))
    return ", where ".join(
        [formula, ", ".join(printer.recurrences)] if printer.carries else [formula]
    )


def lines(e: sp.Basic, width: int) -> tuple[str, ...]:
    """`loss = ...`, with one line per case of a formula that consists of cases."""
    if isinstance(e, Piecewise):
        printer = _TextPrinter()
        cases = [(text(value), printer._when(condition)) for value, condition in e.pairs]
        column = max(len(value) for value, _ in cases)
        heads = ("loss = { ", *("       { ",) * len(cases))
        found = tuple(
            f"{head}{value:<{column}}  {when}"
            for head, (value, when) in zip(heads, cases, strict=False)
        )
        if all(len(line) <= width for line in found):
            return found
    return wrapped(f"loss = {text(e)}", width)


def wrapped(line: str, width: int) -> tuple[str, ...]:
    """Breaks a long formula at its spaces, or after the signs `*`, `/` and `(` if it must."""
    found: list[str] = []
    current = ""
    for part in re.findall(r"\S+ *", line):
        current = _append(found, current, part, width)
    return (*found, current.rstrip()) if current.strip() else tuple(found)


def _append(found: list[str], current: str, part: str, width: int) -> str:
    if len((current + part).rstrip()) <= width:
        return current + part
    indent = "    "
    if len((indent + part.strip()).rstrip()) <= width:
        found.append(current.rstrip())
        return indent + part.lstrip()
    for piece in re.findall(r".*?[*/(,]|.+", part):
        if len(current + piece) > width:
            found.append(current.rstrip())
            current = indent
        current += piece
    return current
