"""What each property promises about values of the loss: an inequality without derivatives.

The places are computed from what is drawn, and the excess from the values there, by arithmetic that
works for arrays of floats and for exact numbers alike. A positive excess contradicts the property.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscompiler.crosscheck.precision import MP
from losscompiler.crosscheck.proofs.target import Constant, Entries
from losscompiler.crosscheck.proofs.vectors import Slot
from losscompiler.spec.decorator import Loss

Values = list[Any]


@dataclass(frozen=True)
class Drawn:
    """Two values of what moves, one of all else, and a positive number that is a power of two."""

    first: Entries
    second: Entries
    rest: Entries
    step: Any

    @property
    def middle(self) -> Entries:
        """Half-way between the two."""
        return {s: (self.first[s] + self.second[s]) / 2 for s in self.first}

    @property
    def square(self) -> Any:
        """The squared distance of the two."""
        return sum((self.first[s] - self.second[s]) ** 2 for s in self.first)

    @property
    def distance(self) -> Any:
        """The distance of the two."""
        gaps = [abs(self.first[s] - self.second[s]) for s in self.first]
        return gaps[0] if len(gaps) == 1 else self.square**0.5


@dataclass(frozen=True)
class Question:
    """One promise; `strict` if equality contradicts it, which is tried at moderate points only.

    The excess is of the size of the values to the `power`.
    """

    wrt: tuple[str, ...]
    places: Callable[[Drawn], list[Entries]]
    excess: Callable[[Drawn, Values], Any]
    strict: bool = False
    power: int = 1


def _exp(x: Any) -> Any:
    return np.frompyfunc(MP.exp, 1, 1)(x) if x.dtype == np.dtype(object) else np.exp(x)


def _segment(d: Drawn) -> list[Entries]:
    return [{**d.rest, **p} for p in (d.first, d.middle, d.second)]


def _ends(d: Drawn) -> list[Entries]:
    return [{**d.rest, **p} for p in (d.first, d.second)]


def _bend(d: Drawn, v: Values) -> Any:
    return v[1] - (v[0] + v[2]) / 2


# ---- one function for each property -------------------------------------------------------------


def _convex(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    return Question(wrt, _segment, _bend)


def curved(wrt: tuple[str, ...], sign: int) -> Question:
    """That a part of a formula is convex, or with the sign -1 concave."""
    return Question(wrt, _segment, lambda d, v: sign * _bend(d, v))


def _quasi_convex(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    return Question(wrt, _segment, lambda d, v: v[1] - np.maximum(v[0], v[2]))


def _strictly_convex(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    return Question(wrt, _segment, _bend, strict=True)


def _strongly_convex(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    modulus = Constant.read(told["modulus"], loss)
    return Question(wrt, _segment, lambda d, v: _bend(d, v) + modulus.at(d.rest) * d.square / 8)


def _log_convex(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    def excess(d: Drawn, v: Values) -> Any:
        low = np.minimum(v[0], v[2])
        return np.where(low >= 0, v[1] * v[1] - v[0] * v[2], -low)

    return Question(wrt, _segment, excess, power=2)


def _lipschitz(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    constant = Constant.read(told["constant"], loss)
    return Question(wrt, _ends, lambda d, v: abs(v[0] - v[1]) - constant.at(d.rest) * d.distance)


def _gradient_lipschitz(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    """A gradient with this constant bends the loss by no more than a parabola."""
    constant = Constant.read(told["constant"], loss)
    return Question(
        wrt, _segment, lambda d, v: abs(2 * _bend(d, v)) - constant.at(d.rest) * d.square / 4
    )


def _self_concordant(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    """If |f'''| <= R f'', second differences grow by no more than exp(R distance)."""
    constant = Constant.read(told["constant"], loss)

    def places(d: Drawn) -> list[Entries]:
        return [
            {**d.rest, **{s: x + k * d.step for s, x in p.items()}}
            for p in (d.first, d.second)
            for k in (-1, 0, 1)
        ]

    def excess(d: Drawn, v: Values) -> Any:
        near, far = v[0] - 2 * v[1] + v[2], v[3] - 2 * v[4] + v[5]
        growth = constant.at(d.rest) * d.distance  # beyond, rounding errors would grow as well
        return np.where(growth < 3, far - _exp(np.minimum(growth, 3)) * near, 0 * near)

    return Question(wrt, places, excess)


def _bounded(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    bound = Constant.read(told["bound"], loss)
    return Question(wrt, _ends, lambda d, v: bound.at(d.rest) - np.minimum(v[0], v[1]))


def _data(loss: Loss) -> set[str]:
    return {n for n, r in loss.inputs.items() if r.kind in ("prediction", "target")}


def _changed(loss: Loss, change: Callable[[Drawn, Any], Any]) -> Callable[[Drawn], list[Entries]]:
    data = _data(loss)

    def places(d: Drawn) -> list[Entries]:
        before: dict[Slot, Any] = {**d.rest, **d.first}
        return [before, {s: change(d, x) if s[0] in data else x for s, x in before.items()}]

    return places


def _translated(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    return Question(wrt, _changed(loss, lambda d, x: x + d.step), lambda d, v: abs(v[0] - v[1]))


def _homogeneous(loss: Loss, told: Mapping[str, Any], wrt: tuple[str, ...]) -> Question:
    degree = Constant.read(told["degree"], loss)
    return Question(
        wrt,
        _changed(loss, lambda d, x: x * d.step),
        lambda d, v: abs(v[1] - d.step ** degree.at(d.rest) * v[0]),
    )


Make = Callable[[Loss, Mapping[str, Any], tuple[str, ...]], Question]
QUESTIONS: dict[str, Make] = {
    "convex": _convex,
    "convex_in": _convex,
    "convex_if": _convex,
    "convex_at_defaults": _convex,
    "quasi_convex": _quasi_convex,
    "strictly_convex": _strictly_convex,
    "strong_convexity": _strongly_convex,
    "log_convex": _log_convex,
    "lipschitz": _lipschitz,
    "gradient_lipschitz": _gradient_lipschitz,
    "self_concordant": _self_concordant,
    "lower_bound": _bounded,
    "translation_invariant": _translated,
    "homogeneous": _homogeneous,
}
"""How the values of a loss with a property are bound to each other."""
