"""A loss over small axes, to be evaluated at many points in floats, and at one point exactly."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from mpmath import libmp

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.along_axes import free_indices
from losscompiler.crosscheck.oracle import Oracle
from losscompiler.crosscheck.precision import ACCURACY, MP
from losscompiler.crosscheck.proofs.draws import Generator, draw
from losscompiler.crosscheck.proofs.obligations import NUMBERS, named
from losscompiler.crosscheck.proofs.vectors import NoValueError, Points, Slot
from losscompiler.spec import expressions as ex
from losscompiler.spec.decorator import Loss

Entries = dict[Slot, Any]


class Target:
    """A loss over axes of a given size, at its first entries; `formula` may be a part of it."""

    def __init__(self, loss: Loss, size: int, formula: sp.Expr | None = None) -> None:
        """Compiles the formula."""
        self.loss = loss
        self.formula = loss.expression if formula is None else formula
        self.sizes = _sizes(loss, size)
        free = free_indices(self.formula) | free_indices(loss.expression)
        self.free = tuple(sorted(free, key=str))

    @cached_property
    def oracle(self) -> Oracle:
        """The formula in ball arithmetic."""
        return Oracle(self.formula, self.loss.differentiated, self.free, coupled=True)

    def slots(self, names: tuple[str, ...]) -> list[Slot]:
        """The entries of some inputs and parameters."""
        found: list[Slot] = []
        for name in names:
            axes = (a.removeprefix("*") for a in self.loss.roles[name].axes)
            ranges = (range(self.sizes[a]) for a in axes)
            found += [(name, at) for at in itertools.product(*ranges)]
        return found

    def draw(self, names: tuple[str, ...], count: int, generator: Generator, scale: Any) -> Entries:
        """Numbers for some inputs, one per point; labels and masks are the same for all points."""
        found: Entries = {}
        for slot in self.slots(names):
            role = self.loss.roles[slot[0]]
            if role.kind == "mask":
                found[slot] = bool(generator.random() < 0.6)
            elif role.kind == "label":
                found[slot] = int(generator.integers(self.sizes[str(role.label_axis)]))
            else:
                found[slot] = draw(role.domain, count, generator, scale)
                if role.default is not None and role.domain.contains(role.default) == sp.true:
                    usual = generator.random(count) < 0.3
                    found[slot] = np.where(usual, float(role.default), found[slot])
        return found

    def floats(
        self,
        entries: Mapping[Slot, Any],
        wrt: frozenset[str] = frozenset(),
        still: dict[Any, Any] | None = None,
        *,
        dtype: Any = np.float64,
        guards: list[Any] | None = None,
    ) -> Any:
        """The values at many points; nan where there is none."""
        points = Points(self.sizes, entries, wrt, still, dtype=dtype, guards=guards)
        return points.value(self.formula, self.free)

    def exact(self, entries: Mapping[Slot, Any], bits: int = ACCURACY + 40) -> Any:
        """The value at one point, to so many bits, by ball arithmetic; nan where there is none."""
        values: dict[str, dict[tuple[int, ...], Any]] = {n: {} for n in self.loss.roles}
        for (name, at), x in entries.items():
            values[name][at] = _ball(x, self.loss.roles[name].kind)
        return self.oracle.value(values, self.sizes, (0,) * len(self.free), bits)


def _ball(x: Any, kind: str) -> Any:
    if kind in ("mask", "label"):
        return bool(x) if kind == "mask" else int(x)
    if isinstance(x, MP.mpf):
        return (libmp.mpf_pos(x._mpf_), None)
    return balls.from_float(float(x))


def _sizes(loss: Loss, size: int) -> dict[str, int]:
    axes = {a.removeprefix("*") for r in loss.roles.values() for a in r.axes}
    axes |= {r.label_axis for r in loss.roles.values() if r.label_axis}
    axes |= {i.axis for i in loss.expression.atoms(ex.Index, ex.Size)}
    sizes = dict.fromkeys(sorted(axes), size)
    for entry in loss.expression.atoms(ex.Element, ex.MaskElement):
        for axis, at in zip(entry.tensor.axes, entry.indices, strict=False):
            if at.is_Integer:
                name = axis.removeprefix("*")
                sizes[name] = max(sizes[name], int(at) + 1)
    return sizes


@dataclass(frozen=True)
class Constant:
    """A formula in scalar inputs and parameters, read from text."""

    formula: sp.Expr
    names: tuple[str, ...]

    @staticmethod
    def read(text: str, loss: Loss) -> Constant:
        """Reads it; raises NoValueError if it speaks of something that is no input."""
        try:
            formula = sp.sympify(text, locals=named(loss.roles))
        except (TypeError, ValueError, AttributeError) as error:  # entries along an axis
            raise NoValueError(f"`{text}` is no formula in scalar inputs") from error
        names = tuple(sorted(str(s) for s in formula.free_symbols))
        if any(n not in loss.roles or loss.roles[n].axes for n in names):
            raise NoValueError(f"`{text}` is no formula in scalar inputs")
        return Constant(formula, names)

    def at(self, entries: Mapping[Slot, Any]) -> Any:
        """Its value, in floats or exactly, as the entries are."""
        given: Entries = {(n, ()): entries[n, ()] for n in self.names}
        if any(getattr(x, "dtype", None) == np.dtype(object) for x in entries.values()):
            return np.array([self.exactly({n: given[n, ()] for n in self.names})], dtype=object)
        dtypes = [x.dtype.type for x in entries.values() if hasattr(x, "dtype")]
        return Points({}, given, dtype=max(dtypes, key=_bits, default=np.float64)).value(
            self.formula
        )

    def exactly(self, given: Mapping[str, Any]) -> Any:
        """Its value in 400 bits."""
        if not self.names:
            return _real(sp.N(self.formula, 130))
        numbers = [MP.mpf(x[0] if getattr(x, "shape", ()) else x) for x in given.values()]
        found = sp.lambdify(list(given), self.formula, [{**NUMBERS, **_ours()}, "mpmath"])(*numbers)
        return MP.mpf(found)


def _bits(kind: Any) -> int:
    return int(np.finfo(kind).nmant) if np.issubdtype(kind, np.floating) else 0


def _real(x: Any) -> Any:
    return MP.mpf(str(x).replace("oo", "inf"))


def _ours() -> dict[str, Any]:
    """The functions of mpmath in our precision."""
    names = ("exp", "log", "sqrt", "sin", "cos", "tan", "atan", "erf", "erfc", "pi", "e", "mpf",
             "tanh", "cosh", "sinh", "fabs")  # fmt: skip
    return {n: getattr(MP, n) for n in names} | {"Abs": abs, "Max": max, "Min": min}
