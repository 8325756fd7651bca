"""The author's own formula, compiled once into closures over balls.

Nothing of the compiler is used: a formula means here what its nodes mean in mathematics.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp
from mpmath import libmp

from losscompiler.crosscheck import along_axes, balls, orders, recurrences
from losscompiler.crosscheck.balls import Ball, Field
from losscompiler.crosscheck.environment import Closure, Environment, Slots, UnknownNode, Values
from losscompiler.crosscheck.functions import FUNCTIONS
from losscompiler.spec import expressions as ex
from losscompiler.spec.recurrence import Carry, Scan


@dataclass(frozen=True)
class Formula:
    """A compiled formula, with a place for each of its indices."""

    run: Closure
    slots: dict[ex.Index, int]

    def environment(self, field: Field, values: Values, sizes: Mapping[str, int]) -> Environment:
        """A fresh evaluation of this formula."""
        return Environment(field, values, sizes, [0] * len(self.slots))


def compile_formula(e: sp.Expr, differentiated: tuple[str, ...]) -> Formula:
    """Compiles a formula; guards are noted that depend on the differentiated inputs."""
    compiler = Compiler(frozenset(differentiated))
    return Formula(compiler(e), compiler.slots)


class Compiler:
    """Turns nodes into closures, each distinct node once."""

    def __init__(self, differentiated: frozenset[str]) -> None:
        """Guards are noted that depend on the differentiated inputs."""
        self.differentiated = differentiated
        self.slots: dict[ex.Index, int] = {}
        self.done: dict[sp.Basic, Closure] = {}
        self.varies: dict[sp.Basic, bool] = {}
        self.carries: dict[sp.Basic, tuple[recurrences.Entry, bool, int]] = {}
        self.around: dict[sp.Basic, frozenset[ex.Index]] = {}  # what carries depend on besides
        self.scans: dict[tuple[sp.Basic, ...], recurrences.Entry] = {}
        self.count = itertools.count()

    def __call__(self, e: sp.Basic) -> Closure:
        """The closure of a node."""
        if e not in self.done:
            self.done[e] = self._compile(e)
        return self.done[e]

    def _compile(self, e: sp.Basic) -> Closure:
        for kinds, method in _NODES:
            if isinstance(e, kinds):
                closure: Closure = method(self, e)
                return closure
        raise UnknownNode(f"the oracle does not know `{type(e).__name__}`")

    def slot(self, i: ex.Index) -> int:
        """The place of an index in `Environment.index`."""
        return self.slots.setdefault(i, len(self.slots))

    def bound(self, e: ex.Binder) -> Slots:
        """The places and axes of the indices that a node binds."""
        return tuple((self.slot(i), i.axis) for i in e.indices)

    def depends(self, e: sp.Basic) -> bool:
        """Whether a perturbation of a differentiated input can change a node."""
        if e not in self.varies:
            if isinstance(e, Carry):
                self.varies[e] = True
            elif isinstance(e, ex.Element):
                self.varies[e] = e.tensor.name in self.differentiated
            elif isinstance(e, ex.stop_gradient | ex.Rank):
                self.varies[e] = False
            else:
                self.varies[e] = any(self.depends(a) for a in e.args)
        return self.varies[e]

    def guard(self, e: sp.Basic) -> int:
        """A number for a guard to be noted under; -1 if nothing can change it."""
        return next(self.count) if self.depends(e) else -1

    def remembered(self, e: sp.Basic, run: Closure, free: frozenset[ex.Index]) -> Closure:
        """Evaluates an expensive node once per value of the indices that are free in it."""
        free |= self.through_carries(e)
        key, places = next(self.count), tuple(self.slot(i) for i in sorted(free, key=str))

        def once(env: Environment) -> Any:
            at = (key, *(env.index[p] for p in places))
            if at not in env.memo:
                env.memo[at] = run(env)
            return env.memo[at]

        return once

    def through_carries(self, e: sp.Basic) -> frozenset[ex.Index]:
        """The indices that a node depends on through carries of recurrences inside others."""
        known = (self.around.get(c.tensor, frozenset()) for c in e.atoms(Carry))
        return frozenset[ex.Index]().union(*known)

    # ---- leaves -----------------------------------------------------------------------------

    def number(self, e: sp.Number) -> Closure:
        """A constant, to the working precision."""
        if e in (sp.oo, -sp.oo):
            infinite = balls.INF if e == sp.oo else balls.MINUS_INF
            return lambda env: infinite
        if isinstance(e, sp.Rational) and e.q & (e.q - 1) == 0:
            exact = balls.shifted(balls.from_int(int(e.p)), 1 - int(e.q).bit_length())
            return lambda env: exact
        known: dict[int, Ball] = {}

        def run(env: Environment) -> Ball:
            bits = env.field.bits
            if bits not in known:
                if isinstance(e, sp.Rational):
                    value = libmp.from_rational(int(e.p), int(e.q), bits, "n")
                else:
                    value = e._as_mpf_val(bits + 4)
                known[bits] = (value, balls.magnitude(value) - bits)
            return known[bits]

        return run

    def position(self, e: sp.Basic) -> Closure:
        """What stands between the brackets of an indexed input, as an integer."""
        if isinstance(e, sp.Integer):
            constant = int(e)
            return lambda env: constant
        if isinstance(e, ex.Element):
            return self.lookup(e)
        index, shift = ex.split_shift(e)
        if index is None:
            raise UnknownNode(f"the oracle cannot index with `{e}`")
        slot = self.slot(index)
        return lambda env: env.index[slot] + shift

    def lookup(self, e: Any) -> Closure:
        """An entry of an input; NaN outside its axes."""
        name, positions = e.tensor.name, tuple(self.position(i) for i in e.indices)

        def run(env: Environment) -> Any:
            return env.values[name].get(tuple(p(env) for p in positions), balls.NAN)

        return run

    def element(self, e: ex.Element) -> Closure:
        """A real entry; a label counts as a number."""
        run = self.lookup(e)
        return (lambda env: balls.from_int(run(env))) if e.tensor.role == "label" else run

    def index_value(self, e: ex.Index) -> Closure:
        """An index as a number."""
        slot = self.slot(e)
        return lambda env: balls.from_int(env.index[slot])

    def size(self, e: ex.Size) -> Closure:
        """The length of an axis."""
        axis = e.axis
        return lambda env: balls.from_int(env.sizes[axis])

    # ---- arithmetic -------------------------------------------------------------------------

    def fold(self, e: sp.Expr) -> Closure:
        """Sum or product of the arguments.

        An exact 0 annihilates every other factor, infinities included, but 0/0 is not a number.
        """
        parts, product = [self(a) for a in e.args], isinstance(e, sp.Mul)
        divisors = [n for n, a in enumerate(e.args) if a.is_Pow and a.exp.is_negative]

        def run(env: Environment) -> Ball:
            values = [part(env) for part in parts]
            if product and any(map(balls.is_exact_zero, values)):
                undefined = any(balls.special(values[n][0]) for n in divisors)
                return balls.NAN if undefined else balls.ZERO
            total: Ball = values[0]
            for value in values[1:]:
                total = env.field.multiply(total, value) if product else env.field.add(total, value)
            return total

        return run

    def power(self, e: sp.Pow) -> Closure:
        """A power: singular where its base is 0 and its exponent no natural number."""
        base, exponent = self(e.base), self(e.exp)
        guard = -1 if e.exp.is_nonnegative and e.exp.is_integer else self.guard(e.base)

        def run(env: Environment) -> Ball:
            x: Ball = base(env)
            if guard >= 0 and balls.is_exact_zero(x):
                env.note(guard, 0, singular=True)
            return env.field.power(x, exponent(env))

        return self.remembered(e, run, along_axes.free_indices(e))

    def function(self, e: sp.Function) -> Closure:
        """A function from the table; a logarithm is singular at 0."""
        operator = FUNCTIONS.get(type(e))
        if operator is None:
            raise UnknownNode(f"the oracle does not know the function `{type(e).__name__}`")
        parts = [self(a) for a in e.args]
        guard = self.guard(e) if isinstance(e, sp.log) else -1

        def run(env: Environment) -> Ball:
            values = [part(env) for part in parts]
            if guard >= 0 and balls.is_exact_zero(values[0]):
                env.note(guard, 0, singular=True)
            return operator(env.field, *values)

        return self.remembered(e, run, along_axes.free_indices(e))

    def step(self, e: sp.Function) -> Closure:
        """Abs, sign, floor and ceiling: smooth but where a guard changes."""
        inner, guard, kind = self(e.args[0]), self.guard(e), type(e)

        def run(env: Environment) -> Ball:
            x: Ball = inner(env)
            if x[0] == libmp.fnan:
                return x
            if kind is sp.Abs:
                if guard >= 0 and env.notes is not None:
                    env.note(guard, env.field.sign(x), x)
                return balls.absolute(x)
            if kind is sp.sign:
                sign = env.field.sign(x)
                if guard >= 0:
                    env.note(guard, sign, x)
                return balls.from_int(sign)
            whole = balls.from_int(int(libmp.to_int(libmp.mpf_floor(x[0], 0, "n"))))
            rest = env.field.sign(env.field.subtract(x, whole))
            if guard >= 0:
                env.note(guard, 0 if rest == 0 else 1, env.field.subtract(x, whole))
            if rest < 0:
                raise balls.Undecided
            return env.field.add(whole, balls.ONE) if kind is sp.ceiling and rest else whole

        return run

    def stopped(self, e: ex.stop_gradient) -> Closure:
        """The value at the frozen point, whatever is perturbed."""
        inner = self(e.args[0])

        def run(env: Environment) -> Ball:
            if env.frozen is None:
                there = replace(env, notes=None, memo={})
            else:
                there = replace(env.frozen, index=env.index, notes=None)
            result: Ball = inner(there)
            return result

        return run

    # ---- conditions -------------------------------------------------------------------------

    def piecewise(self, e: sp.Basic) -> Closure:
        """The first value whose condition holds; the others are not looked at."""
        branches = [(self(pair[0]), self(pair[1])) for pair in e.args]

        def run(env: Environment) -> Ball:
            for value, condition in branches:
                if condition(env):
                    result: Ball = value(env)
                    return result
            return balls.NAN

        return run

    def relation(self, e: sp.Basic) -> Closure:
        """A comparison of two numbers; false if one is not a number."""
        left, right, guard = self(e.args[0]), self(e.args[1]), self.guard(e)
        holds = _RELATIONS[e.rel_op]

        def run(env: Environment) -> bool:
            a, b = left(env), right(env)
            sign = env.field.compare(a, b)
            if guard >= 0 and env.notes is not None:
                env.note(guard, 2 if sign is None else sign, env.field.subtract(a, b))
            return sign is not None and holds(sign)

        return run

    def connective(self, e: sp.Basic) -> Closure:
        """And, Or, Not, Xor."""
        parts, join = [self(a) for a in e.args], _CONNECTIVES[type(e)]
        return lambda env: join([part(env) for part in parts])


_RELATIONS: dict[str, Callable[[int], bool]] = {
    "==": lambda sign: sign == 0,
    "!=": lambda sign: sign != 0,
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}
_CONNECTIVES: dict[Any, Callable[[list[bool]], bool]] = {
    sp.And: all,
    sp.Or: any,
    sp.Not: lambda parts: not parts[0],
    sp.Xor: lambda parts: sum(parts) % 2 == 1,
}
_NODES: tuple[tuple[Any, Callable[[Compiler, Any], Closure]], ...] = (
    ((sp.Number, sp.NumberSymbol), Compiler.number),
    (ex.Index, Compiler.index_value),
    (ex.Size, Compiler.size),
    (Carry, recurrences.former),
    (Scan, recurrences.scanned),
    (ex.Element, Compiler.element),
    (ex.MaskElement, Compiler.lookup),
    ((sp.Add, sp.Mul), Compiler.fold),
    (sp.Pow, Compiler.power),
    ((ex.Piecewise, sp.Piecewise), Compiler.piecewise),
    (sp.core.relational.Relational, Compiler.relation),
    (tuple(_CONNECTIVES), Compiler.connective),
    ((ex.Sum, ex.Prod), along_axes.accumulate),
    ((sp.Max, sp.Min, ex.AxisMax, ex.AxisMin), along_axes.extreme),
    (ex.Norm, along_axes.norm),
    (ex.LogSumExp, along_axes.log_normaliser),
    (ex.Correlate, along_axes.correlated),
    ((ex.CumSum, ex.LogCumSumExp), along_axes.cumulated),
    ((ex.Softmax, ex.LogSoftmax), along_axes.normalised),
    (ex.Sort, orders.sorted_entries),
    (ex.Rank, orders.rank),
    (ex.At, orders.at),
    ((sp.Abs, sp.sign, sp.floor, sp.ceiling), Compiler.step),
    (ex.stop_gradient, Compiler.stopped),
    (sp.logic.boolalg.BooleanTrue, lambda compiler, e: lambda env: True),
    (sp.logic.boolalg.BooleanFalse, lambda compiler, e: lambda env: False),
    (sp.Function, Compiler.function),
)
