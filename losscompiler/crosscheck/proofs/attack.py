"""Attacks on what is proved, by many random trials in floats; exact arithmetic has the last word.

A trial in floats that contradicts a promise by more than rounding explains is an alarm. Alarms are
looked at in longer floats, where rounding errors fade and violations do not, and the worst of those
that are left exactly. Only what is certified there counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.crosscheck.environment import UnknownNode
from losscompiler.crosscheck.precision import ACCURACY, MP
from losscompiler.crosscheck.proofs.draws import Generator, draw, inside, scales
from losscompiler.crosscheck.proofs.questions import QUESTIONS, Drawn, Question
from losscompiler.crosscheck.proofs.target import Entries, Target
from losscompiler.crosscheck.proofs.vectors import NoValueError
from losscompiler.spec.decorator import Loss

CHUNK = 1 << 14
SIZES = (2, 2, 3, 2)  # of axes, chunk by chunk
EXAMINED = 24  # alarms of a chunk that are looked at exactly, and four times as many in all
ROUNDING = 2.0**-46  # of the values: more in floats is an alarm
SLACK = MP.mpf(2) ** -80
EXACTLY, EQUAL = 390, MP.mpf(2) ** -360  # where nothing but equality counts
NOTHING = MP.mpf(2) ** -400  # what exact cancellation leaves
MOST_GUARDS = 48


@dataclass
class Attacked:
    """What came of the attack on one property."""

    trials: int = 0
    alarms: int = 0
    examined: int = 0
    broken: str = ""
    untried: str = ""


def question_about(loss: Loss, name: str, told: Mapping[str, Any]) -> Question | None:
    """The promise of a property that is proved; None where it promises nothing about values."""
    kind = name.partition(":")[0]
    endless = any(told.get(key) in ("oo", "-oo") for key in ("constant", "bound"))
    if told["verdict"] != "proved" or kind not in QUESTIONS or endless:
        return None
    wrt = tuple(told.get("wrt") or (n for n, r in loss.inputs.items() if r.kind == "prediction"))
    return QUESTIONS[kind](loss, told, wrt)


def attack(
    loss: Loss, properties: Mapping[str, Mapping[str, Any]], count: int
) -> dict[str, Attacked]:
    """Tries each property that is proved `count` times, if it promises anything about values.

    Questions about values at the same places are asked of the same segments.
    """
    groups: dict[Any, dict[str, Question]] = {}
    found: dict[str, Attacked] = {}
    for name, told in properties.items():
        try:
            asked = question_about(loss, name, told)
        except NoValueError as error:
            found[name] = Attacked(untried=str(error))
            continue
        if asked is not None:
            part = told.get("defaults") or told.get("holds")
            key = (asked.wrt, asked.places, asked.strict, str(part))
            groups.setdefault(key, {})[name] = asked
    for group in groups.values():
        told = properties[next(iter(group))]
        found |= attacked(narrowed(loss, told), group, count)
    return found


def narrowed(loss: Loss, told: Mapping[str, Any]) -> Loss:
    """The loss with parameters in the part of their domains that a property speaks of."""
    domains = {n: sp.FiniteSet(sp.Rational(v)) for n, v in told.get("defaults", {}).items()}
    if "holds" in told:
        name = told["parameter"]
        domains[name] = loss.roles[name].domain.intersect(_part(told["holds"], name))
    roles = {n: replace(r, domain=domains.get(n, r.domain)) for n, r in loss.roles.items()}
    return replace(loss, roles=roles)


def _part(text: str, name: str) -> sp.Set:
    """`a < name <= b` as a set; `name >= a` as well."""
    words = text.split()
    at = words.index(name)
    part: sp.Set = sp.S.Reals
    if at:
        part = part.intersect(sp.Interval(sp.Rational(words[0]), sp.oo, words[1] == "<"))
    if at + 1 < len(words):
        end, relation = sp.Rational(words[at + 2]), words[at + 1]
        open_ = relation in ("<", ">")
        up = relation in (">", ">=")
        part = part.intersect(
            sp.Interval(end, sp.oo, open_) if up else sp.Interval(-sp.oo, end, True, open_)
        )
    return part


def attacked(
    loss: Loss, group: Mapping[str, Question], count: int, formula: sp.Expr | None = None
) -> dict[str, Attacked]:
    """Asks questions about values at the same places, of a loss or of a part of its formula."""
    found = {name: Attacked() for name in group}
    targets = {size: Target(loss, size, formula) for size in set(SIZES)}
    if not targets[SIZES[0]].sizes:
        targets = dict.fromkeys(targets, targets[SIZES[0]])
    asked = next(iter(group.values()))
    seed = zlib.crc32(f"{loss.name} {sorted(group)}".encode())
    for chunk, start in enumerate(range(0, count, CHUNK)):
        target = targets[SIZES[chunk % len(SIZES)]]
        generator = np.random.default_rng([seed, chunk])
        size = min(CHUNK, count - start)
        drawn = trials(target, asked, generator, size, near_guards=chunk % 3 == 2)
        values = values_of(target, asked, drawn)
        for name, question in group.items():
            if not found[name].broken:
                found[name].trials += size
                _judge(target, question, drawn, values, found[name])
    return found


def _judge(target: Target, asked: Question, drawn: Drawn, values: Any, found: Attacked) -> None:
    worst, sizes = contradiction(asked, drawn, values)
    bar = -ROUNDING * sizes if asked.strict else np.maximum(ROUNDING * sizes, 1e-300)
    (rows,) = np.nonzero((worst >= bar) & np.isfinite(worst))
    found.alarms += len(rows)
    if not len(rows) or found.examined >= 4 * EXAMINED:
        return
    with np.errstate(all="ignore"):
        rows = rows[np.argsort(-(worst / (sizes + 1e-300))[rows], kind="stable")]
    for row in _lasting(target, asked, drawn, worst, rows):
        found.examined += 1
        here = at_row(drawn, row)
        if certified(target, asked, here):
            found.broken = _told(here)
            return


def _lasting(target: Target, asked: Question, drawn: Drawn, worst: Any, rows: Any) -> Iterator[int]:
    """The alarms that stay what they are in longer floats."""
    if asked.strict:
        yield from rows[:EXAMINED]
        return
    rows = rows[:256]
    longer = _mapped(drawn, lambda x: np.asarray(x[rows], np.longdouble))
    values = values_of(target, asked, longer, np.longdouble)
    gaps, sizes = contradiction(asked, longer, values)
    lasts = gaps > np.maximum(worst[rows] / 2, ROUNDING / 2048 * sizes)
    yield from rows[lasts][:EXAMINED]


def values_of(target: Target, asked: Question, drawn: Drawn, dtype: Any = np.float64) -> list[Any]:
    """The values at the places of each trial."""
    still: dict[Any, Any] = {}
    places = asked.places(drawn)
    shared = all(p[s] is x for p in places for s, x in drawn.rest.items())
    return [
        np.broadcast_to(
            target.floats(p, frozenset(asked.wrt), still if shared else {}, dtype=dtype),
            drawn.step.shape,
        )
        for p in places
    ]


def contradiction(asked: Question, drawn: Drawn, values: list[Any]) -> tuple[Any, Any]:
    """By how much each trial contradicts the promise, and the sizes that rounding is part of."""
    with np.errstate(all="ignore"):
        excess = np.broadcast_to(asked.excess(drawn, values), drawn.step.shape)
        size = np.add.reduce([np.abs(v) for v in values]) ** asked.power
        known = np.isfinite(size) & np.isfinite(excess)
    return np.where(known, excess, -np.inf), np.where(known, size, 0.0)


def certified(target: Target, asked: Question, drawn: Drawn) -> bool:
    """Whether one trial, of exact numbers, contradicts the promise beyond doubt."""
    try:
        bits = EXACTLY if asked.strict else ACCURACY + 40
        exact = [target.exact(_plain(p), bits) for p in asked.places(drawn)]
        values = [np.array([x], dtype=object) for x in exact]
        if any(MP.isnan(v[0]) for v in values):
            return False
        excess = np.atleast_1d(asked.excess(drawn, values))[0]
        size = sum(abs(v[0]) for v in values) ** asked.power
    except (NoValueError, UnknownNode, ZeroDivisionError, ValueError, OverflowError):
        return False
    if MP.isnan(excess):
        return False
    if asked.strict:
        return bool(excess >= -EQUAL * size)
    return bool(excess > SLACK * size + NOTHING)


def at_row(drawn: Drawn, row: int) -> Drawn:
    """One trial in exact numbers."""
    return _mapped(drawn, lambda x: np.array([MP.mpf(float(x[row]))], dtype=object))


def _mapped(drawn: Drawn, change: Any) -> Drawn:
    def of(entries: Entries) -> Entries:
        return {s: change(x) if np.ndim(x) else x for s, x in entries.items()}

    return Drawn(of(drawn.first), of(drawn.second), of(drawn.rest), change(drawn.step))


def _plain(entries: Entries) -> Entries:
    return {s: x[0] if np.ndim(x) else x for s, x in entries.items()}


def _told(drawn: Drawn) -> str:
    def of(entries: Entries) -> str:
        parts = [f"{n}{list(at) or ''} = {x}" for (n, at), x in _plain(entries).items()]
        return ", ".join(p if len(p) < 60 else f"{p[:57]}..." for p in parts)

    return f"fails between {of(drawn.first)} and {of(drawn.second)}" + (
        f" at {of(drawn.rest)}" if drawn.rest else ""
    )


# ---- trials -------------------------------------------------------------------------------------


def trials(
    target: Target, asked: Question, generator: Generator, count: int, *, near_guards: bool = False
) -> Drawn:
    """Segments of all kinds: wide, short, along an axis, where entries coincide, across kinks."""
    size = None if asked.strict else scales(count, generator)
    rest = target.draw(
        tuple(n for n in target.loss.roles if n not in asked.wrt), count, generator, size
    )
    step = np.exp2(generator.integers(-4, 2, count).astype(float))
    drawn = _segments(target, asked, rest, step, generator, size)
    if near_guards and not asked.strict:
        return _across(target, asked, drawn, generator)
    return drawn


def _segments(
    target: Target, asked: Question, rest: Entries, step: Any, generator: Generator, size: Any
) -> Drawn:
    count = len(step)
    first: Entries = {}
    second: Entries = {}
    slots = target.slots(asked.wrt)
    kind = generator.random(count)
    one = generator.integers(len(slots), size=count)
    width = np.exp2(-generator.integers(0, 26, count).astype(float))
    alike = [x for (name, _), x in rest.items() if np.ndim(x)]
    for n, slot in enumerate(slots):
        domain = target.loss.roles[slot[0]].domain
        a, b = draw(domain, count, generator, size), draw(domain, count, generator, size)
        if alike:
            same = alike[int(generator.integers(len(alike)))]
            a = np.where((kind > 0.75) & (kind < 0.85), same, a)
        if n:
            a = np.where((kind > 0.85) & (kind < 0.95), first[slots[0]], a)
        direction = np.where(generator.random(count) < 0.5, b - a, 1.0 if size is None else size)
        direction = np.where((kind > 0.5) | (one == n) | (kind < 0.25), direction, 0.0)
        short = kind > 0.25
        half = direction * width
        first[slot] = np.where(short, inside(domain, a - half, generator), a)
        second[slot] = np.where(short, inside(domain, a + half, generator), b)
    if asked.strict:
        apart = sum(abs(first[s] - second[s]) for s in slots) > 0.25
        for slot in slots:
            first[slot] = np.where(apart, first[slot], np.nan)
    return Drawn(first, second, rest, step)


def _across(target: Target, asked: Question, drawn: Drawn, generator: Generator) -> Drawn:
    """The same segments, moved and shortened to where one of their pieces ends."""
    count = len(drawn.step)
    still: dict[Any, Any] = {}
    sides: list[list[Any]] = []
    for place in (drawn.first, drawn.second):
        guards: list[Any] = []
        target.floats({**drawn.rest, **place}, frozenset(asked.wrt), still, guards=guards)
        sides.append(guards)
    pairs = [(a, b) for a, b in zip(*sides, strict=False) if np.ndim(a) or np.ndim(b)]
    if not pairs:
        return drawn
    chosen = generator.permutation(len(pairs))[:MOST_GUARDS]
    with np.errstate(all="ignore"):
        at = np.full(count, np.nan)
        best = np.zeros(count)
        for n in chosen:
            a, b = np.broadcast_arrays(*pairs[n])
            score = np.where(a * b < 0, generator.random(count), 0.0)
            at = np.where(score > best, a / (a - b), at)
            best = np.maximum(score, best)
    crossing = np.isfinite(at)
    at = np.where(crossing, at, 0.5)
    width = np.exp2(-generator.integers(0, 30, count).astype(float))
    width = np.where(crossing, width, 1.0) / 2
    offset = generator.choice([0.0, 0.0, 0.5, -0.5, 0.9, -0.9], count) * width
    first, second = {}, {}
    for slot, a in drawn.first.items():
        domain = target.loss.roles[slot[0]].domain
        line = drawn.second[slot] - a
        middle = a + line * at
        ends = (middle + line * (offset - width), middle + line * (offset + width))
        first[slot], second[slot] = (inside(domain, x, generator) for x in ends)
    return replace(drawn, first=first, second=second)
