"""Refutations about losses over a class axis, re-checked in ball arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.crosscheck.precision import MP
from losscompiler.crosscheck.proofs.target import Entries, Target
from losscompiler.spec.decorator import Loss

SLACK = MP.mpf(2) ** -80
TRIES = 60


class Scored:
    """What each class costs, were it the true one, at a prediction."""

    def __init__(self, loss: Loss, witness: Mapping[str, Any], count: int) -> None:
        """Finds the roles, and reads the parameters."""
        self.loss, self.count = loss, count
        ((self.prediction, role),) = ((n, r) for n, r in loss.inputs.items()
                                      if r.kind == "prediction")  # fmt: skip
        (self.label,) = (n for n in loss.inputs if n != self.prediction)
        self.logits = role.domain == sp.S.Reals
        self.target = Target(loss, count)
        fixed = {n: str(r.default) for n, r in loss.params.items()} | dict(witness["fixed"])
        self.fixed: Entries = {(n, ()): number(v) for n, v in fixed.items()}

    def __call__(self, scores: Sequence[Any]) -> list[Any]:
        """The costs; raises ValueError where there is no value."""
        shown: Entries = {(self.prediction, (k,)): x for k, x in enumerate(scores)}
        found = [self.target.exact({**self.fixed, **shown, **self._true(k)}) for k in
                 range(self.count)]  # fmt: skip
        if any(MP.isnan(c) for c in found):
            raise ValueError("no value")
        return found

    def _true(self, k: int) -> Entries:
        if self.loss.roles[self.label].kind == "label":
            return {(self.label, ()): k}
        return {(self.label, (n,)): MP.mpf(int(n == k)) for n in range(self.count)}

    def risk(self, truth: Sequence[Any], scores: Sequence[Any]) -> Any:
        """The expected cost."""
        return MP.fsum(p * c for p, c in zip(truth, self(scores), strict=True))


def number(text: Any) -> Any:
    """A rational number, as text."""
    exact = Fraction(str(text))
    return MP.mpf(exact.numerator) / exact.denominator


def _shares(texts: Sequence[str]) -> list[Any]:
    """A distribution; raises ValueError if it is none."""
    exact = [Fraction(t) for t in texts]
    if min(exact) <= 0 or sum(exact) != 1:
        raise ValueError("no distribution")
    return [number(x) for x in exact]


def improper(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether a report of another than the true distribution costs less; logits by logarithms."""
    truth, report = (_shares(witness[key]) for key in ("distribution", "better report"))
    scored = Scored(loss, witness, len(truth))
    told = [list(map(MP.log, q)) if scored.logits else q for q in (truth, report)]
    mine, other = (scored.risk(truth, q) for q in told)
    return bool(mine - other > SLACK * (abs(mine) + abs(other)))


def uneven(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether the costs of all classes add up to different numbers at two predictions."""
    points = [list(map(number, p)) for p in witness["predictions"]]
    scored = Scored(loss, witness, len(points[0]))
    sums = [MP.fsum(scored(p)) for p in points]
    return bool(abs(sums[0] - sums[1]) > SLACK * sum(map(abs, sums)))


def unnormalised(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether exp(-cost) of two classes has no combination that is constant."""
    points = [list(map(number, p)) for p in witness["predictions"]]
    scored = Scored(loss, witness, 2)
    rows = [[MP.exp(-c) for c in scored(p)] for p in points]
    first, second = ([r[k] - rows[0][k] for k in (0, 1)] for r in rows[1:])
    size = sum(abs(v) for row in rows for v in row) ** 2
    return bool(abs(first[0] * second[1] - first[1] * second[0]) > SLACK * size)


def uncalibrated(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether another class ties with the most probable one, and nothing tried costs less."""
    truth, least = _shares(witness["distribution"]), list(map(number, witness["minimiser"]))
    scored = Scored(loss, witness, len(truth))
    best = max(range(len(truth)), key=lambda k: truth[k])
    others = [k for k in range(len(truth)) if k != best]
    tied = max(least[k] for k in others) >= least[best]
    here = scored.risk(truth, least)
    promised = abs(here - number(witness["expected loss"])) <= SLACK * (1 + abs(here))
    generator = np.random.default_rng(5)
    steps = generator.integers(-8, 9, (TRIES, len(truth))) * 2.0 ** generator.integers(
        -12, 3, (TRIES, 1)
    )
    lower = any(
        scored.risk(truth, [z + MP.mpf(float(d)) for z, d in zip(least, step, strict=True)])
        < here - SLACK * (1 + abs(here))
        for step in steps
    )
    alone = all(truth[k] < truth[best] for k in others)
    return bool(tied and alone and promised and not lower)


CLASSES: dict[str, Callable[[Loss, Mapping[str, Any]], bool]] = {
    "proper": improper,
    "symmetric": uneven,
    "likelihood": unnormalised,
    "calibrated": uncalibrated,
}


def over_classes(loss: Loss) -> bool:
    """Whether the one prediction of a loss has an entry per class."""
    axes = [r.axes for r in loss.inputs.values() if r.kind == "prediction"]
    return len(axes) == 1 and len(axes[0]) == 1
