"""Recurrences, as closures: a carry at a position is its step, given the carries before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.along_axes import free_indices
from losscompiler.crosscheck.balls import Ball
from losscompiler.crosscheck.environment import Closure, Environment, Position
from losscompiler.spec.recurrence import Carry, Scan

if TYPE_CHECKING:
    from losscompiler.crosscheck.evaluate import Compiler

Entry = Any  # from a carry's number, a position and an environment to a ball


def scanned(compiler: Compiler, e: Scan) -> Closure:
    """One carry of a recurrence at its positions."""
    entry = _entry(compiler, e)
    positions = [compiler.position(p) for p in e.positions]

    def run(env: Environment) -> Ball:
        result: Ball = entry(e.which, tuple(p(env) for p in positions), env)
        return result

    return run


def former(compiler: Compiler, e: Carry) -> Closure:
    """A carry before the step at a position."""
    positions = [compiler.position(p) for p in e.indices]

    def run(env: Environment) -> Ball:
        entry, backwards, which = compiler.carries[e.tensor]
        at, *others = (p(env) for p in positions)
        result: Ball = entry(which, (at + 1 if backwards else at - 1, *others), env)
        return result

    return run


def _entry(compiler: Compiler, e: Scan) -> Entry:
    """The entries of all carries; each is computed once per value of what is free in them."""
    key = tuple(c.tensor for c in e.carries)
    if key in compiler.scans:
        return compiler.scans[key]
    slots = [tuple(compiler.slot(i) for i in c.indices) for c in e.carries]
    axes = [tuple(i.axis for i in c.indices) for c in e.carries]
    around = (free_indices(e) | compiler.through_carries(e)) - set(e.indices)
    compiler.around |= dict.fromkeys(key, around)
    outside = [compiler.slot(i) for i in sorted(around, key=str)]

    def entry(which: int, at: Position, env: Environment) -> Ball:
        place = (key, which, at, *(env.index[slot] for slot in outside))
        if place not in env.memo:
            env.memo[place] = compute(which, at, env)
        found: Ball = env.memo[place]
        return found

    compiler.scans[key] = entry
    for which, carry in enumerate(e.carries):
        compiler.carries[carry.tensor] = (entry, e.reverse, which)
    steps, inits = [compiler(s) for s in e.steps], [compiler(i) for i in e.inits]

    def compute(which: int, at: Position, env: Environment) -> Ball:
        length, *others = (env.sizes[axis] for axis in axes[which])
        if not all(0 <= n < size for n, size in zip(at[1:], others, strict=True)):
            return balls.NAN
        before = [env.index[slot] for slot in slots[which]]
        for slot, value in zip(slots[which], at, strict=True):
            env.index[slot] = value
        found: Ball = (steps if 0 <= at[0] < length else inits)[which](env)
        for slot, value in zip(slots[which], before, strict=True):
            env.index[slot] = value
        return found

    return entry
