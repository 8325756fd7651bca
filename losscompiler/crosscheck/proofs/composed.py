"""Proofs by composition, checked step by step against a table of rules of our own.

Each step says that a part of the formula has a curvature. It has to follow by a rule from what is
said of the parts below, and is tried on random segments of the inputs besides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sympy as sp

from losscompiler.crosscheck.proofs.agreement import disagreement, same
from losscompiler.crosscheck.proofs.attack import attacked
from losscompiler.crosscheck.proofs.decoding import decoded
from losscompiler.crosscheck.proofs.pieces import Obligations, Theorem
from losscompiler.crosscheck.proofs.questions import curved
from losscompiler.spec.decorator import Loss

CONSTANT, AFFINE, CONVEX, CONCAVE = "constant", "affine", "convex", "concave"
REDUCTIONS = {
    "Sum": (CONVEX, CONCAVE),
    "CumSum": (CONVEX, CONCAVE),
    "At": (CONVEX, CONCAVE),
    "Correlate": (CONVEX, CONCAVE),
    "AxisMax": (CONVEX,),
    "AxisMin": (CONCAVE,),
    "LogSumExp": (CONVEX,),
    "LogCumSumExp": (CONVEX,),
}
"""The curvatures that reductions keep."""
SEGMENTS = 1_000
LINEAR = ("Sum", "CumSum", "At", "Correlate", "Add")
Told = Any  # a formula as nested lists


class Steps:
    """The steps of one proof."""

    def __init__(self, loss: Loss, wrt: Sequence[str], proof: Mapping[str, Any]) -> None:
        """Reads them."""
        self.loss, self.wrt = loss, set(wrt)
        self.obligations: Obligations = proof["obligations"]
        self.arguments = {_key(a["part"]): a for a in proof.get("arguments", ())}

    def faults(self) -> Iterator[str]:
        """What does not follow, and whether the steps arrive at the loss."""
        if not self.arguments:
            yield "there is no argument for it"
            return
        *_, last = self.arguments.values()
        if last["kind"] not in (CONVEX, AFFINE):
            yield "no step says that the loss is convex"
        if not same(self.loss, decoded(last["part"], self.loss), self.loss.expression):
            yield "the last step is not about the loss"
        for argument in self.arguments.values():
            yield from self._step(argument)
            for fault in tried(self.loss, tuple(self.wrt), argument):
                yield f"the step for {_shown(argument['part'], self.loss)}: {fault}"

    def moves(self, e: Told) -> bool:
        """Whether a part depends on the predictions in question."""
        if not isinstance(e, list):
            return False
        return (e[0] == "Element" and e[1] in self.wrt) or any(map(self.moves, e[1:]))

    def kind(self, e: Told) -> str:
        """What is said of a part."""
        if not self.moves(e):
            return CONSTANT
        if e[0] == "Element":
            return AFFINE
        told = self.arguments.get(_key(e))
        return told["kind"] if told else AFFINE if self.affine(e) else ""

    def affine(self, e: Told) -> bool:
        """Whether a part is affine by its form."""
        if not self.moves(e) or e[0] == "Element":
            return True
        head, *args = e
        if head == "Mul":
            moving = [a for a in args if self.moves(a)]
            return len(moving) == 1 and self.affine(moving[0])
        if head == "Piecewise":
            return not any(self.moves(c) for _, _, c in args) and all(
                _is_minus_infinity(v) or self.affine(v) for _, v, _ in args
            )
        if head == "Sort":
            return not self.moves(args[2]) and self.affine(args[0])
        if head == "Add":
            return all(map(self.affine, args))
        return head in LINEAR and self.affine(args[0])

    def _step(self, argument: Mapping[str, Any]) -> Iterator[str]:
        e, kind = argument["part"], argument["kind"]
        told = f"the step for {_shown(e, self.loss)}"
        if argument["rule"] in ("link", "pieces"):
            for fault in self._linked(argument):
                yield f"{told}: {fault}"
        elif not any(rule(self, e, kind) for rule in RULES):
            yield f"{told}: no rule says that it is {kind}"

    def _linked(self, argument: Mapping[str, Any]) -> Iterator[str]:
        """A scalar formula of parts, to which the theorem about pieces was applied."""
        theorems = [Theorem(p, self.obligations) for p in argument["pieces"]]
        for theorem in theorems:
            yield from theorem.faults()
        yield from filter(None, [disagreement(self.loss, argument, theorems)])
        symbols = argument["symbols"]
        for theorem in theorems:
            moving = {n for n, e in symbols.items() if n in theorem.names and self.moves(e)}
            used = {n for n in moving if any(c.value.has(theorem.names[n]) for c in theorem.cells)}
            if not used <= {str(v) for v in theorem.variables}:
                yield "a part that moves is not among the variables"
            for name in used:
                part, said = symbols[name], argument["parts"].get(name)
                if argument["rule"] == "pieces":
                    if not self.affine(part):
                        yield f"{name} is not affine"
                    continue
                if said != self.kind(part):
                    yield f"nothing says that {name} is {said}"
                if said in (CONVEX, CONCAVE):
                    yield from self._unmonotone(theorem, name, said)

    def _unmonotone(self, theorem: Theorem, name: str, kind: str) -> Iterator[str]:
        """A formula has to rise in what is convex, and to fall in what is concave."""
        symbol = theorem.names[name]
        for cell in theorem.cells:
            slope = sp.diff(cell.value, symbol) * (1 if kind == CONVEX else -1)
            if cell.is_open and not theorem.proved(slope, ">=", cell.claims):
                yield f"no proof that it is monotone in {name}, which is {kind}"

    # ---- the rules ------------------------------------------------------------------------------

    def by_form(self, e: Told, kind: str) -> bool:
        """An affine part."""
        return kind == AFFINE and self.affine(e)

    def by_sum(self, e: Told, kind: str) -> bool:
        """A sum of terms with this curvature."""
        return e[0] == "Add" and all(self.kind(a) in (CONSTANT, AFFINE, kind) for a in e[1:])

    def by_reduction(self, e: Told, kind: str) -> bool:
        """A reduction that keeps the curvature of its body, or of all branches of that."""
        return kind in REDUCTIONS.get(e[0], ()) and self._all(e[1], kind)

    def _all(self, e: Told, kind: str) -> bool:
        if self.kind(e) in (CONSTANT, AFFINE, kind):
            return True
        return e[0] == "Piecewise" and all(
            not self.moves(c) and (_is_minus_infinity(v) or self._all(v, kind)) for _, v, c in e[1:]
        )

    def by_logarithm(self, e: Told, kind: str) -> bool:
        """Something log-convex, or the logarithm of that."""
        inner = e[1] if e[0] == "log" else e
        return kind == CONVEX and self.log_convex(inner)

    def log_convex(self, e: Told) -> bool:
        """Whether the logarithm of a part is convex; signs of what is constant are tried only."""
        if not self.moves(e):
            return True
        head, *args = e
        if head == "exp":
            return self._all(args[0], CONVEX)
        if head in ("Add", "Mul"):
            return all(map(self.log_convex, args))
        if head == "Pow":
            return not self.moves(args[1]) and self.log_convex(args[0])
        if head == "Piecewise":
            return all(not self.moves(c) and self.log_convex(v) for _, v, c in args)
        return head in ("Sum", "Prod", "CumSum", "AxisMax") and self.log_convex(args[0])

    def by_norm(self, e: Told, kind: str) -> bool:
        """A norm of an affine or a nonnegative convex vector, or the root of squares."""
        if kind != CONVEX:
            return False
        if e[0] == "Norm":
            return self.kind(e[1]) in (AFFINE, CONVEX)
        return e[0] == "Pow" and e[2] == "1/2" and self._squares(e[1])

    def _squares(self, e: Told) -> bool:
        if not self.moves(e):
            return True
        head, *args = e
        if head == "Pow":
            return args[1] == "2" and self.affine(args[0])
        if head == "Mul":
            return sum(map(self.moves, args)) == 1 and all(map(self._squares, args))
        return head in ("Add", "Sum") and all(
            map(self._squares, args[: None if head == "Add" else 1])
        )


RULES: tuple[Callable[[Steps, Told, str], bool], ...] = (
    Steps.by_form, Steps.by_sum, Steps.by_reduction, Steps.by_logarithm, Steps.by_norm,
)  # fmt: skip


def tried(loss: Loss, wrt: tuple[str, ...], argument: Mapping[str, Any]) -> Iterator[str]:
    """Whether random segments contradict what is said of a part."""
    part = decoded(argument["part"], loss)
    for kind, sign in ((CONVEX, 1), (CONCAVE, -1)):
        if argument["kind"] in (AFFINE, kind):
            asked = {kind: curved(wrt, sign)}
            broken = attacked(loss, asked, SEGMENTS, part)[kind].broken
            if broken:
                yield f"it is not {kind}: it {broken}"


def _key(e: Told) -> str:
    return json.dumps(e)


def _is_minus_infinity(e: Told) -> bool:
    return bool(e == ["Number", "-oo"])


def _shown(e: Told, loss: Loss) -> str:
    text = str(decoded(e, loss))
    return text if len(text) <= 80 else f"{text[:77]}..."
