"""What proved properties say of single points and of means, tried in ball arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.crosscheck.precision import MP
from losscompiler.crosscheck.proofs.draws import inside
from losscompiler.crosscheck.proofs.target import Constant, Target
from losscompiler.crosscheck.proofs.vectors import NoValueError
from losscompiler.spec.decorator import Loss

POINTS = 8
BITS = 390
STEP = MP.mpf(2) ** -30
CLOSE = MP.mpf(2) ** -16
FAR = (40, 80)  # exponents of two


class Place:
    """A loss of one scalar prediction, all other inputs being drawn."""

    def __init__(self, target: Target, others: Mapping[str, Any]) -> None:
        """Holds what is drawn."""
        self.target, self.others = target, dict(others)

    def __call__(self, **moved: Any) -> Any:
        """The value at some inputs, in exact numbers; nan where there is none."""
        given = {**self.others, **moved}
        return self.target.exact({(n, ()): x for n, x in given.items()}, BITS)

    def number(self, text: str) -> Any:
        """A formula of the inputs."""
        read = Constant.read(text, self.target.loss)
        return read.exactly({n: self.others[n] for n in read.names})


def faults(loss: Loss, name: str, told: Mapping[str, Any]) -> Iterator[str]:
    """What contradicts a proved property at some points."""
    check = CHECKS.get(name)
    scalar = not any(r.axes or r.kind == "label" for r in loss.roles.values())
    one = [n for n, r in loss.inputs.items() if r.kind == "prediction"]
    if check is None or told["verdict"] != "proved" or not scalar or len(one) != 1:
        return
    target, generator = Target(loss, 1), np.random.default_rng(7)
    drawn = target.draw(tuple(loss.roles), POINTS, generator, None)
    for row in range(POINTS):
        values = {n: MP.mpf(float(x[row])) if np.ndim(x) else x for (n, _), x in drawn.items()}
        try:
            for fault in check(Place(target, values), one[0], told):
                yield f"{fault} at {', '.join(f'{n} = {v}' for n, v in values.items())}"
        except (NoValueError, ZeroDivisionError):
            continue  # what is said has no value here


def _influence(place: Place, x: str, told: Mapping[str, Any]) -> Iterator[str]:
    """Slopes far out: they fade, or do not grow."""
    for sign in (1, -1):
        near, far = (
            abs(place(**{x: sign * MP.mpf(2) ** (k + 1)}) - place(**{x: sign * MP.mpf(2) ** k}))
            / MP.mpf(2) ** k
            for k in FAR
        )
        if told["kind"] == "redescending" and far > max(near / 2, CLOSE):
            yield "the slope does not fade"
        if told["kind"] == "bounded" and far > 2 * near + CLOSE:
            yield "the slope grows"


def _kinks(place: Place, x: str, told: Mapping[str, Any]) -> Iterator[str]:
    """The derivatives on both sides of each kink are those that are told."""
    for kink in told["kinks"]:
        where, _, case = kink["where"].partition(" where ")
        variable, _, at = where.partition(" = ")
        here = Place(place.target, place.others)
        if variable != x or not all(_arranged(here, c) for c in case.split(", ") if c):
            continue
        middle = here.number(at)
        domain = place.target.loss.roles[x].domain
        point = np.array([float(middle)])
        if not np.array_equal(inside(domain, point, np.random.default_rng(0)), point):
            continue
        order = kink.get("order", 1)
        for sign, text in zip((-1, 1), kink.get("subgradient") or kink["sides"], strict=True):
            steps = [here(**{x: middle + sign * k * STEP}) for k in range(order + 1)]
            slope = (
                sum((-1) ** (order - k) * math.comb(order, k) * v for k, v in enumerate(steps))
                / (sign * STEP) ** order
            )
            said = here.number(text)
            if order and abs(slope - said) > CLOSE * (1 + abs(said)):
                yield f"the derivative beside {kink['where']} is {MP.nstr(slope, 8)}, not {text}"


def _arranged(place: Place, condition: str) -> bool:
    """Whether a condition of a case holds, once what it sets is set."""
    left, relation, right = condition.split(" ", 2) if " = " in condition else ("", "", "")
    if relation == "=":
        place.others[left] = place.number(right)
        return True
    text, relation, _ = condition.rsplit(" ", 2)  # `expression > 0`
    value = place.number(text)
    return bool(value > 0 if relation == ">" else value != 0 if relation == "!=" else value >= 0)


def _attained(place: Place, x: str, told: Mapping[str, Any]) -> Iterator[str]:
    """The minimiser costs as much as the lower bound."""
    if told.get("minimiser") is not None:
        gap = place(**{x: place.number(told["minimiser"])}) - place.number(told["bound"])
        if abs(gap) > CLOSE:
            yield "the minimiser costs something else"


def _binary(place: Place) -> tuple[str, int, int]:
    (y,) = (n for n, r in place.target.loss.inputs.items() if r.kind == "target")
    return y, 1, -1 if place.target.loss.roles[y].domain == sp.FiniteSet(-1, 1) else 0


def _proper(place: Place, x: str, told: Mapping[str, Any]) -> Iterator[str]:
    """No prediction costs less in the mean than the true probability."""
    y, one, zero = _binary(place)

    def mean(q: Any, p: Any) -> Any:
        return q * place(**{x: p, y: one}) + (1 - q) * place(**{x: p, y: zero})

    for k in range(1, 8):
        q = MP.mpf(k) / 8
        if mean(q, q) > mean(q, place.others[x]) + CLOSE**4:
            yield f"the probability {q} costs more than another prediction"


def _calibrated(place: Place, x: str, told: Mapping[str, Any]) -> Iterator[str]:
    """The margin loss has one slope at 0, and falls."""
    y, one, _ = _binary(place)
    left, at, right = (place(**{x: k * STEP, y: one}) for k in (-1, 0, 1))
    if abs(left - 2 * at + right) > STEP * CLOSE or right >= left:
        yield "the slope at margin 0 is not one negative number"


Check = Callable[[Place, str, Mapping[str, Any]], Iterator[str]]
CHECKS: dict[str, Check] = {
    "influence": _influence,
    "smoothness": _kinks,
    "lower_bound": _attained,
    "proper": _proper,
    "calibrated": _calibrated,
}
"""Properties that say something of points."""
