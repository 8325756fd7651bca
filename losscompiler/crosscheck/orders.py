"""Nodes that order the entries of an axis, as closures: sorted entries, ranks, single positions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sympy as sp
from mpmath import libmp

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.along_axes import free_indices
from losscompiler.crosscheck.balls import Ball
from losscompiler.crosscheck.environment import Closure, Environment
from losscompiler.spec import expressions as ex

if TYPE_CHECKING:
    from losscompiler.crosscheck.evaluate import Compiler


def sorted_entries(compiler: Compiler, e: ex.Sort) -> Closure:
    """The entry of the body whose key has the index's place in the order of the keys."""
    ((slot, _),) = compiler.bound(e)
    body, own = compiler(e.body), e.keys == e.body
    order = _order(compiler, e, e.keys, falling=e.descending, frozen=not own)

    def run(env: Environment) -> Ball:
        places, place = order(env), env.index[slot]
        env.index[slot] = places[place]
        entry: Ball = body(env)
        env.index[slot] = place
        return entry

    return run


def rank(compiler: Compiler, e: ex.Rank) -> Closure:
    """How many entries come before the index's: a constant to derivatives."""
    ((slot, _),) = compiler.bound(e)
    order = _order(compiler, e, e.body, falling=False, frozen=True)
    return lambda env: balls.from_int(order(env).index(env.index[slot]))


def at(compiler: Compiler, e: ex.At) -> Closure:
    """The body at one position of an axis."""
    ((slot, axis),) = compiler.bound(e)
    body, position = compiler(e.body), compiler.position(e.position)

    def run(env: Environment) -> Ball:
        before, there = env.index[slot], position(env)
        if not 0 <= there < env.sizes[axis]:
            return balls.NAN
        env.index[slot] = there
        entry: Ball = body(env)
        env.index[slot] = before
        return entry

    return run


def _order(
    compiler: Compiler, e: ex.Binder, keys: sp.Expr, *, falling: bool, frozen: bool
) -> Closure:
    """The positions in the order of the keys; neighbours that tie are guards, unless frozen."""
    ((slot, axis),) = compiler.bound(e)
    key, guard = compiler(keys), -1 if frozen else compiler.guard(keys)

    def run(env: Environment) -> list[int]:
        if frozen:
            env = (
                replace(env, notes=None, memo={})
                if env.frozen is None
                else replace(env.frozen, index=env.index, notes=None)
            )
        entries = []
        for _ in env.each(((slot, axis),)):
            entries.append(balls.negate(key(env)) if falling else key(env))
        places = sorted(range(len(entries)), key=_ordered(env, entries))
        if guard >= 0 and env.notes is not None:
            _note(env, guard, slot, entries, places)
        return places

    return compiler.remembered(e, run, free_indices(keys) - frozenset(e.indices))


def _ordered(env: Environment, entries: Sequence[Ball]) -> Any:
    """NumPy's order: what is not a number comes last."""

    def compare(a: int, b: int) -> int:
        lost = [entries[n][0] == libmp.fnan for n in (a, b)]
        if any(lost):
            return int(lost[0]) - int(lost[1])
        return env.field.compare(entries[a], entries[b]) or 0

    return functools.cmp_to_key(compare)


def _note(
    env: Environment, guard: int, slot: int, entries: Sequence[Ball], places: Sequence[int]
) -> None:
    before = env.index[slot]
    for n in range(len(places) - 1):
        low, high = entries[places[n]], entries[places[n + 1]]
        env.index[slot] = n
        tied = env.field.compare(low, high) == 0
        token = 0 if tied else 1 + places[n] * len(places) + places[n + 1]
        env.note(guard, token, env.field.subtract(high, low))
    env.index[slot] = before
