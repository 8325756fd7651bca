"""The author's own formula, compiled once into closures over balls.

Nothing of the compiler is used: a formula means here what its nodes mean in mathematics. While it
is evaluated, `Environment.notes` collects what happens at its guards: the sign of every `Abs`, the
winner of every maximum, the branch of every condition that a differentiated input can change. A tie
or a singular point is where derivatives need care; equal notes mean one smooth cell.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import sympy as sp
from mpmath import libmp

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.balls import Ball, Field
from losscompiler.crosscheck.functions import FUNCTIONS
from losscompiler.spec import expressions as ex

Position = tuple[int, ...]
Values = Mapping[str, Mapping[Position, Any]]
Closure = Callable[["Environment"], Any]
Slots = tuple[tuple[int, str], ...]  # per index: its place in Environment.index, and its axis


class UnknownNode(Exception):
    """The formula contains something that this oracle cannot evaluate."""


class Note(NamedTuple):
    """What one guard did: which, at which indices, how it turned out (0: a tie), by how much."""

    guard: int
    where: Position
    token: int
    gap: Ball | None = None
    singular: bool = False


@dataclass
class Environment:
    """One evaluation: precision, inputs, sizes of axes, and values of indices.

    `values` maps a name to its entries: balls, integers for labels, truth values for masks.
    `frozen` is where stop_gradient looks instead.
    """

    field: Field
    values: Values
    sizes: Mapping[str, int]
    index: list[int]
    notes: list[Note] | None = None
    frozen: Environment | None = None
    memo: dict[Any, Any] = field(default_factory=dict)

    def note(
        self, guard: int, token: int, gap: Ball | None = None, *, singular: bool = False
    ) -> None:
        """Records a guard, if anybody wants to know."""
        if self.notes is not None:
            self.notes.append(Note(guard, tuple(self.index), token, gap, singular))

    def each(self, slots: Slots) -> Iterator[None]:
        """Runs through all values of some indices, then puts back the former ones."""
        before = [self.index[slot] for slot, _ in slots]
        for position in itertools.product(*(range(self.sizes[axis]) for _, axis in slots)):
            for (slot, _), value in zip(slots, position, strict=True):
                self.index[slot] = value
            yield
        for (slot, _), value in zip(slots, before, strict=True):
            self.index[slot] = value


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
    compiler = _Compiler(frozenset(differentiated))
    return Formula(compiler(e), compiler.slots)


def at_entry(environment: Environment, entry: Mapping[int, int]) -> Environment:
    """The same evaluation at given values of the free indices; results are shared."""
    index = list(environment.index)
    for slot, value in entry.items():
        index[slot] = value
    return replace(environment, index=index)


class _Compiler:
    def __init__(self, differentiated: frozenset[str]) -> None:
        self.differentiated = differentiated
        self.slots: dict[ex.Index, int] = {}
        self.done: dict[sp.Basic, Closure] = {}
        self.varies: dict[sp.Basic, bool] = {}
        self.count = itertools.count()

    def __call__(self, e: sp.Basic) -> Closure:
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
        return self.slots.setdefault(i, len(self.slots))

    def bound(self, e: ex.Binder) -> Slots:
        return tuple((self.slot(i), i.axis) for i in e.indices)

    def depends(self, e: sp.Basic) -> bool:
        """Whether a perturbation of a differentiated input can change a node."""
        if e not in self.varies:
            if isinstance(e, ex.Element):
                self.varies[e] = e.tensor.name in self.differentiated
            elif isinstance(e, ex.stop_gradient):
                self.varies[e] = False
            else:
                self.varies[e] = any(self.depends(a) for a in e.args)
        return self.varies[e]

    def guard(self, e: sp.Basic) -> int:
        """A number for a guard to be noted under; -1 if nothing can change it."""
        return next(self.count) if self.depends(e) else -1

    def remembered(self, e: sp.Basic, run: Closure, free: frozenset[ex.Index]) -> Closure:
        """Evaluates an expensive node once per value of the indices that are free in it."""
        key, places = next(self.count), tuple(self.slot(i) for i in sorted(free, key=str))

        def once(env: Environment) -> Any:
            at = (key, *(env.index[p] for p in places))
            if at not in env.memo:
                env.memo[at] = run(env)
            return env.memo[at]

        return once

    # ---- leaves -----------------------------------------------------------------------------

    def number(self, e: sp.Number) -> Closure:
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
        name, positions = e.tensor.name, tuple(self.position(i) for i in e.indices)

        def run(env: Environment) -> Any:
            return env.values[name].get(tuple(p(env) for p in positions), balls.NAN)

        return run

    def element(self, e: ex.Element) -> Closure:
        run = self.lookup(e)
        return (lambda env: balls.from_int(run(env))) if e.tensor.role == "label" else run

    def index_value(self, e: ex.Index) -> Closure:
        slot = self.slot(e)
        return lambda env: balls.from_int(env.index[slot])

    def size(self, e: ex.Size) -> Closure:
        axis = e.axis
        return lambda env: balls.from_int(env.sizes[axis])

    # ---- arithmetic -------------------------------------------------------------------------

    def fold(self, e: sp.Expr) -> Closure:
        """Sum or product of the arguments; a factor after an exact 0 is not looked at."""
        parts, product = [self(a) for a in e.args], isinstance(e, sp.Mul)

        def run(env: Environment) -> Ball:
            values = [part(env) for part in parts]
            if product and any(map(balls.is_exact_zero, values)):
                return balls.ZERO
            total = values[0]
            for value in values[1:]:
                total = (
                    env.field.multiply(total, value) if product else env.field.add(total, value)
                )
            return total

        return run

    def power(self, e: sp.Pow) -> Closure:
        base, exponent = self(e.base), self(e.exp)
        guard = -1 if e.exp.is_nonnegative and e.exp.is_integer else self.guard(e.base)

        def run(env: Environment) -> Ball:
            x, y = base(env), exponent(env)
            if guard >= 0 and balls.is_exact_zero(x):
                env.note(guard, 0, singular=True)
            return env.field.power(x, y)

        return self.remembered(e, run, free_indices(e))

    def function(self, e: sp.Function) -> Closure:
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

        return self.remembered(e, run, free_indices(e))

    def step(self, e: sp.Function) -> Closure:
        """Abs, sign, floor and ceiling: smooth but where a guard changes."""
        inner, guard, kind = self(e.args[0]), self.guard(e), type(e)

        def run(env: Environment) -> Ball:
            x = inner(env)
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
        inner = self(e.args[0])

        def run(env: Environment) -> Ball:
            if env.frozen is None:
                return inner(replace(env, notes=None, memo={}))
            return inner(replace(env.frozen, index=env.index, notes=None))

        return run

    # ---- conditions -------------------------------------------------------------------------

    def piecewise(self, e: sp.Basic) -> Closure:
        branches = [(self(pair[0]), self(pair[1])) for pair in e.args]

        def run(env: Environment) -> Ball:
            for value, condition in branches:
                if condition(env):
                    result: Ball = value(env)
                    return result
            return balls.NAN

        return run

    def relation(self, e: sp.Basic) -> Closure:
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
        parts, join = [self(a) for a in e.args], _CONNECTIVES[type(e)]
        return lambda env: join([part(env) for part in parts])

    # ---- axes -------------------------------------------------------------------------------

    def accumulate(self, e: ex.Binder) -> Closure:
        body, bound, product = self(e.body), self.bound(e), isinstance(e, ex.Prod)

        def run(env: Environment) -> Ball:
            total = balls.ONE if product else balls.ZERO
            combine = env.field.multiply if product else env.field.add
            for _ in env.each(bound):
                total = combine(total, body(env))
            return total

        return self.remembered(e, run, free_indices(e))

    def extreme(self, e: sp.Basic) -> Closure:
        """The largest or smallest of the arguments, or of a body along axes."""
        guard, smallest = self.guard(e), isinstance(e, sp.Min | ex.AxisMin)
        if isinstance(e, ex.Binder):
            body, bound = self(e.body), self.bound(e)

            def gather(env: Environment) -> list[Ball]:
                return [body(env) for _ in env.each(bound)]

        else:
            parts = [self(a) for a in e.args]

            def gather(env: Environment) -> list[Ball]:
                return [part(env) for part in parts]

        def run(env: Environment) -> Ball:
            values = gather(env)
            if smallest:
                values = [balls.negate(v) for v in values]
            best = _largest(env, guard, values)
            return balls.negate(best) if smallest else best

        return self.remembered(e, run, free_indices(e))

    def norm(self, e: ex.Norm) -> Closure:
        body, bound, guard = self(e.body), self.bound(e), self.guard(e)
        p, order = e.p, self(e.p)

        def run(env: Environment) -> Ball:
            entries = [balls.absolute(body(env)) for _ in env.each(bound)]
            if guard >= 0 and env.notes is not None:
                signs = [env.field.sign(x) for x in entries]
                env.note(guard, int(any(signs)), singular=not any(signs))
                if p != 2:
                    for x, sign in zip(entries, signs, strict=True):
                        env.note(guard, sign, x)
            if p == sp.oo:
                return _largest(env, guard, entries) if entries else balls.ZERO
            total, power = balls.ZERO, order(env)
            for x in entries:
                total = env.field.add(total, env.field.power(x, power))
            return env.field.power(total, env.field.divide(balls.ONE, power))

        return self.remembered(e, run, free_indices(e))

    def log_normaliser(self, e: ex.Binder) -> Closure:
        """log(sum(exp(body))) along the axes."""
        body, bound, guard = self(e.body), self.bound(e), self.guard(e.body)

        def run(env: Environment) -> Ball:
            total = balls.ZERO
            for _ in env.each(bound):
                total = env.field.add(total, env.field.exp(body(env)))
            if guard >= 0 and balls.is_exact_zero(total):
                env.note(guard, 0, singular=True)
            return env.field.log(total)

        return self.remembered(e, run, free_indices(e) - frozenset(e.indices))

    def normalised(self, e: ex.Binder) -> Closure:
        body, total, plain = self(e.body), self.log_normaliser(e), isinstance(e, ex.Softmax)

        def run(env: Environment) -> Ball:
            share = env.field.subtract(body(env), total(env))
            return env.field.exp(share) if plain else share

        return self.remembered(e, run, free_indices(e))


def _largest(env: Environment, guard: int, values: list[Ball]) -> Ball:
    if not values:
        return balls.MINUS_INF
    if any(v[0] == libmp.fnan for v in values):
        return balls.NAN
    at = max(range(len(values)), key=lambda n: _Ordered(values[n][0]))
    (best, error), others = values[at], [v for n, v in enumerate(values) if n != at]
    for other in others:
        # An other value that may be larger passes its error on; the maximum is 1-Lipschitz.
        if other[1] is not None and not balls.special(best) and not balls.special(other[0]):
            gap = env.field.subtract((best, error), other)
            if balls.magnitude(gap[0]) - 1 <= (gap[1] or 0):
                error = other[1] if error is None else max(error, other[1])
    if guard >= 0 and env.notes is not None and others:
        closest = min(
            (env.field.subtract(values[at], other) for other in others),
            key=lambda gap: _Ordered(gap[0]),
        )
        tied = env.field.compare(closest, balls.ZERO) == 0
        env.note(guard, 0 if tied else at + 1, closest)
    return (best, error)


class _Ordered:
    """Orders raw numbers."""

    def __init__(self, v: Any) -> None:
        self.v = v

    def __lt__(self, other: _Ordered) -> bool:
        return bool(libmp.mpf_lt(self.v, other.v))

    def __gt__(self, other: _Ordered) -> bool:
        return bool(libmp.mpf_lt(other.v, self.v))


def free_indices(e: sp.Basic) -> frozenset[ex.Index]:
    """The indices that the value of a node depends on."""
    if isinstance(e, ex.Index):
        return frozenset([e])
    inner = frozenset[ex.Index]().union(*(free_indices(a) for a in e.args))
    if isinstance(e, ex.Binder) and not e.keeps_axis:
        return inner - frozenset(e.indices)
    return inner


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
_NODES: tuple[tuple[Any, Callable[[_Compiler, Any], Closure]], ...] = (
    ((sp.Number, sp.NumberSymbol), _Compiler.number),
    (ex.Index, _Compiler.index_value),
    (ex.Size, _Compiler.size),
    (ex.Element, _Compiler.element),
    (ex.MaskElement, _Compiler.lookup),
    ((sp.Add, sp.Mul), _Compiler.fold),
    (sp.Pow, _Compiler.power),
    ((ex.Piecewise, sp.Piecewise), _Compiler.piecewise),
    (sp.core.relational.Relational, _Compiler.relation),
    (tuple(_CONNECTIVES), _Compiler.connective),
    ((ex.Sum, ex.Prod), _Compiler.accumulate),
    ((sp.Max, sp.Min, ex.AxisMax, ex.AxisMin), _Compiler.extreme),
    (ex.Norm, _Compiler.norm),
    (ex.LogSumExp, _Compiler.log_normaliser),
    ((ex.Softmax, ex.LogSoftmax), _Compiler.normalised),
    ((sp.Abs, sp.sign, sp.floor, sp.ceiling), _Compiler.step),
    (ex.stop_gradient, _Compiler.stopped),
    (sp.logic.boolalg.BooleanTrue, lambda compiler, e: lambda env: True),
    (sp.logic.boolalg.BooleanFalse, lambda compiler, e: lambda env: False),
    (sp.Function, _Compiler.function),
)
