"""What an input of a loss is: prediction, target, mask, label or parameter; axes and domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec.expressions import Tensor, element

ASSUMED_SETS: dict[str, sp.Set] = {
    "positive": sp.Interval.open(0, sp.oo),
    "negative": sp.Interval.open(-sp.oo, 0),
    "nonnegative": sp.Interval(0, sp.oo),
    "nonpositive": sp.Interval(-sp.oo, 0),
    "integer": sp.S.Integers,
    "nonzero": sp.Union(sp.Interval.open(-sp.oo, 0), sp.Interval.open(0, sp.oo)),
    "real": sp.S.Reals,
}


@dataclass(frozen=True)
class Role:
    """One declared input. `domain` is the set that an entry lies in.

    `kind` is prediction, target, mask, label or param. `optional` inputs may be left out of a
    call; `default` and `learnable` belong to parameters, `label_axis` to labels.
    """

    kind: str
    axes: tuple[str, ...] = ()
    domain: sp.Set = sp.S.Reals
    optional: bool = False
    default: sp.Expr | None = None
    learnable: bool = False
    label_axis: str | None = None

    @property
    def differentiated(self) -> bool:
        """Whether the loss has a gradient by this input."""
        return self.kind == "prediction" or self.learnable

    def tensor(self, name: str) -> Tensor:
        """The tensor that stands for this input in the formula."""
        symbol = sp.Symbol(name, **assumptions_of(self.domain))
        return Tensor(name, self.kind, self.axes, symbol, self.label_axis)

    def argument(self, name: str) -> Any:
        """What the spec function receives: a scalar entry, or a tensor to be indexed."""
        tensor = self.tensor(name)
        return tensor if self.axes else element(tensor)


def _domain(
    interval: tuple[Any, Any] | None,
    domain: sp.Set | None,
    values: Any,
    assumptions: dict[str, bool],
) -> sp.Set:
    given: list[sp.Set] = []
    if interval is not None:
        low, high = (_exact(end) for end in interval)
        given.append(sp.Interval(low, high))
    if domain is not None:
        if not isinstance(domain, sp.Set):
            raise SpecError(
                "LC116",
                f"domain= must be a SymPy set, not {domain!r}",
                help="for example domain=Interval.open(0, 1), or interval=(0, 1)",
            )
        given.append(domain)
    if values is not None:
        given.append(sp.FiniteSet(*(_exact(v) for v in values)))
    for name, holds in assumptions.items():
        if name not in ASSUMED_SETS or holds is not True:
            raise SpecError(
                "LC116",
                f"unknown assumption `{name}={holds}`",
                help=f"known ones: {', '.join(f'{a}=True' for a in ASSUMED_SETS)}; or interval=, "
                "domain=, values=",
            )
        given.append(ASSUMED_SETS[name])
    result: sp.Set = sp.S.Reals
    for part in given:
        result = result.intersect(part)
    if result is sp.S.EmptySet or not result.is_subset(sp.S.Reals):
        raise SpecError("LC116", f"the domain {result} has no real number in it")
    return result


@cache
def assumptions_of(domain: sp.Set) -> Mapping[str, bool]:
    """The SymPy assumptions that hold for every number of a set."""
    others = (n for n, assumed in ASSUMED_SETS.items() if n != "real" and domain.is_subset(assumed))
    return dict.fromkeys(("real", *others), True)


def _exact(number: Any) -> sp.Expr:
    """A number as the decimal the author wrote: 0.1 is 1/10."""
    value = sp.sympify(number)
    return sp.Rational(str(number)) if isinstance(value, sp.Float) else value


def _axes(axes: tuple[str, ...]) -> tuple[str, ...]:
    for position, axis in enumerate(axes):
        name = axis.removeprefix("*") if isinstance(axis, str) else ""
        if not name.isidentifier():
            raise SpecError("LC117", f"{axis!r} is not the name of an axis", help='such as "class"')
        if axis.startswith("*") and position != len(axes) - 1:
            raise SpecError(
                "LC117",
                f'the starred axis "{axis}" is not the last one',
                help="a starred axis stands for all remaining array axes, so it comes last",
            )
    return axes


def Prediction(
    *axes: str,
    interval: tuple[Any, Any] | None = None,
    domain: sp.Set | None = None,
    values: Any = None,
    optional: bool = False,
    **assumptions: bool,
) -> Any:
    """An input that the loss is differentiated by, over the named core axes."""
    return Role("prediction", _axes(axes), _domain(interval, domain, values, assumptions), optional)


def Target(
    *axes: str,
    interval: tuple[Any, Any] | None = None,
    domain: sp.Set | None = None,
    values: Any = None,
    optional: bool = False,
    **assumptions: bool,
) -> Any:
    """Real data that the loss is not differentiated by."""
    return Role("target", _axes(axes), _domain(interval, domain, values, assumptions), optional)


def Mask(*axes: str, optional: bool = False) -> Any:
    """Boolean data: its entries are conditions."""
    return Role("mask", _axes(axes), sp.S.Reals, optional)


def Label(axis: str, *own_axes: str, optional: bool = False) -> Any:
    """Integers in `[0, size(axis))` that point into `axis`; one per entry of `own_axes`."""
    _axes((axis, *own_axes))
    return Role("label", own_axes, sp.S.Naturals0, optional, label_axis=axis.removeprefix("*"))


def Param(
    default: Any,
    *,
    learnable: bool = False,
    axes: tuple[str, ...] | str = (),
    interval: tuple[Any, Any] | None = None,
    domain: sp.Set | None = None,
    values: Any = None,
    **assumptions: bool,
) -> Any:
    """A hyperparameter with a default; `learnable` ones are differentiated by, too."""
    value = _exact(default)
    allowed = _domain(interval, domain, values, assumptions)
    if allowed.contains(value) == sp.false:
        raise SpecError(
            "LC118",
            f"the default {default} is outside the parameter's own domain {allowed}",
            help="change one of them",
        )
    named = (axes,) if isinstance(axes, str) else tuple(axes)
    return Role("param", _axes(named), allowed, default=value, learnable=learnable)
