"""Nodes that look along axes, as closures: sums, products, maxima, norms and softmaxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy as sp
from mpmath import libmp

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.balls import Ball
from losscompiler.crosscheck.environment import Closure, Environment
from losscompiler.spec import expressions as ex
from losscompiler.spec.recurrence import Scan

if TYPE_CHECKING:
    from losscompiler.crosscheck.evaluate import Compiler


def free_indices(e: sp.Basic) -> frozenset[ex.Index]:
    """The indices that the value of a node depends on."""
    if isinstance(e, ex.Index):
        return frozenset([e])
    if isinstance(e, ex.At):
        return free_indices(e.body) - frozenset(e.indices) | free_indices(e.position)
    if isinstance(e, Scan):
        return frozenset(e.free_indices(free_indices))
    inner = frozenset[ex.Index]().union(*(free_indices(a) for a in e.args))
    if isinstance(e, ex.Binder) and not e.keeps_axis:
        return inner - frozenset(e.indices)
    return inner


def accumulate(compiler: Compiler, e: ex.Binder) -> Closure:
    """Sum or product of the body."""
    body, bound, product = compiler(e.body), compiler.bound(e), isinstance(e, ex.Prod)

    def run(env: Environment) -> Ball:
        total = balls.ONE if product else balls.ZERO
        combine = env.field.multiply if product else env.field.add
        for _ in env.each(bound):
            total = combine(total, body(env))
        return total

    return compiler.remembered(e, run, free_indices(e))


def cumulated(compiler: Compiler, e: ex.CumSum | ex.LogCumSumExp) -> Closure:
    """The sum of the body up to the index, or from there on; or the logarithm of one."""
    ((slot, axis),) = compiler.bound(e)
    body, reverse, logarithm = compiler(e.body), e.reverse, isinstance(e, ex.LogCumSumExp)
    guard = compiler.guard(e.body) if logarithm else -1

    def run(env: Environment) -> Ball:
        total, here = balls.ZERO, env.index[slot]
        for _ in env.each(((slot, axis),)):
            if env.index[slot] >= here if reverse else env.index[slot] <= here:
                term = body(env)
                total = env.field.add(total, env.field.exp(term) if logarithm else term)
        if not logarithm:
            return total
        if guard >= 0 and balls.is_exact_zero(total):
            env.note(guard, 0, singular=True)
        return env.field.log(total)

    return compiler.remembered(e, run, free_indices(e))


def correlated(compiler: Compiler, e: ex.Correlate) -> Closure:
    """The weighted sum of the body over the neighbours of the index inside its axis."""
    ((slot, axis),) = compiler.bound(e)
    body, taps = compiler(e.body), [compiler(tap) for tap in e.taps]

    def run(env: Environment) -> Ball:
        total, here = balls.ZERO, env.index[slot]
        for n, tap in enumerate(taps):
            there = here + n - len(taps) // 2
            if 0 <= there < env.sizes[axis]:
                env.index[slot] = there
                total = env.field.add(total, env.field.multiply(tap(env), body(env)))
        env.index[slot] = here
        return total

    return compiler.remembered(e, run, free_indices(e))


def extreme(compiler: Compiler, e: sp.Basic) -> Closure:
    """The largest or smallest of the arguments, or of a body along axes."""
    guard, smallest = compiler.guard(e), isinstance(e, sp.Min | ex.AxisMin)
    if isinstance(e, ex.Binder):
        body, bound = compiler(e.body), compiler.bound(e)

        def gather(env: Environment) -> list[Ball]:
            return [body(env) for _ in env.each(bound)]

    else:
        parts = [compiler(a) for a in e.args]

        def gather(env: Environment) -> list[Ball]:
            return [part(env) for part in parts]

    def run(env: Environment) -> Ball:
        values = gather(env)
        if smallest:
            values = [balls.negate(v) for v in values]
        best = _largest(env, guard, values)
        return balls.negate(best) if smallest else best

    return compiler.remembered(e, run, free_indices(e))


def norm(compiler: Compiler, e: ex.Norm) -> Closure:
    """The p-norm of the body."""
    body, bound, guard = compiler(e.body), compiler.bound(e), compiler.guard(e)
    p, order = e.p, compiler(e.p)

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

    return compiler.remembered(e, run, free_indices(e))


def log_normaliser(compiler: Compiler, e: ex.Binder) -> Closure:
    """log(sum(exp(body))) along the axes."""
    body, bound, guard = compiler(e.body), compiler.bound(e), compiler.guard(e.body)

    def run(env: Environment) -> Ball:
        total = balls.ZERO
        for _ in env.each(bound):
            total = env.field.add(total, env.field.exp(body(env)))
        if guard >= 0 and balls.is_exact_zero(total):
            env.note(guard, 0, singular=True)
        return env.field.log(total)

    return compiler.remembered(e, run, free_indices(e) - frozenset(e.indices))


def normalised(compiler: Compiler, e: ex.Binder) -> Closure:
    """Softmax or log-softmax: keeps the axis."""
    body, total, plain = compiler(e.body), log_normaliser(compiler, e), isinstance(e, ex.Softmax)

    def run(env: Environment) -> Ball:
        share = env.field.subtract(body(env), total(env))
        return env.field.exp(share) if plain else share

    return compiler.remembered(e, run, free_indices(e))


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
