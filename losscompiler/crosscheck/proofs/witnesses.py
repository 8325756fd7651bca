"""Refutations, re-checked: the numbers of a witness, put into the loss in ball arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.crosscheck.precision import MP
from losscompiler.crosscheck.proofs.classes import CLASSES, over_classes
from losscompiler.crosscheck.proofs.target import Entries, Target
from losscompiler.spec.decorator import Loss

SLACK = MP.mpf(2) ** -80
STEP = MP.mpf(2) ** -60
NOTHING_SHOWN = "the witness does not show what it should"


def fault(loss: Loss, name: str, told: Mapping[str, Any]) -> str:
    """What is wrong with a refutation; nothing if its witness keeps what it promises."""
    kind = name.partition(":")[0].removesuffix("_at_defaults")
    check = (CLASSES if over_classes(loss) and kind in CLASSES else WITNESSES).get(kind)
    if check is None:
        return "nothing tells what refutes this property"
    try:
        shown = check(loss, told["witness"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        return f"the witness cannot be read: {error!r}"
    return "" if shown else NOTHING_SHOWN


class Witnessed:
    """A loss at the points of a witness, over axes as long as its arrays."""

    def __init__(self, loss: Loss, fixed: Mapping[str, Any]) -> None:
        """Reads the inputs that all points share."""
        self.loss, self.fixed, self.target = loss, fixed, Target(loss, 1)

    def __call__(self, **moved: Any) -> Any:
        """The value at a point; raises ValueError where there is none."""
        entries: Entries = {}
        given = {**self.fixed, **moved}.items()
        arrays = {n: np.array(_numbers(v), dtype=object) for n, v in given}
        for name, array in sorted(arrays.items(), key=lambda one: -np.ndim(one[1])):
            role = self.loss.roles[name]
            axes = [a.removeprefix("*") for a in role.axes]
            if role.kind == "param" and not array.shape:  # one number for all entries
                array = np.full([self.target.sizes[a] for a in axes], array[()], dtype=object)
            if len(array.shape) != len(axes):
                raise ValueError(f"`{name}` has other axes")
            self.target.sizes.update(zip(axes, array.shape, strict=True))
            for at in np.ndindex(*array.shape):
                if not _belongs(array[at], role):
                    raise ValueError(f"{array[at]} is no value of `{name}`")
                entries[name, at] = array[at]
        found = self.target.exact(entries)
        if MP.isnan(found):
            raise ValueError("no value")
        return found


def _numbers(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_numbers(v) for v in value]
    return value if isinstance(value, bool) else number(value)


def _belongs(x: Any, role: Any) -> bool:
    if role.kind in ("mask", "label"):
        return isinstance(x, bool) or x >= 0
    exact = sp.Rational(*libmp_ratio(x))
    return bool(role.domain.contains(exact) == sp.true)


def libmp_ratio(x: Any) -> tuple[int, int]:
    """A binary number as a fraction."""
    sign, mantissa, exponent, _ = x._mpf_
    whole = -int(mantissa) if sign else int(mantissa)
    return (whole << exponent, 1) if exponent >= 0 else (whole, 1 << -exponent)


def number(text: Any) -> Any:
    """A rational number, as text; binary ones are exact."""
    exact = Fraction(str(text))
    return MP.mpf(exact.numerator) / exact.denominator


def _middle(first: Any, second: Any) -> Any:
    if isinstance(first, list):
        return [_middle(a, b) for a, b in zip(first, second, strict=True)]
    return str((Fraction(first) + Fraction(second)) / 2)


# ---- one function for each property -------------------------------------------------------------


def _bends(loss: Loss, witness: Mapping[str, Any], *, quasi: bool = False) -> bool:
    """Whether the middle of the segment lies above the chord by the gap that is promised."""
    value = Witnessed(loss, witness["fixed"])
    first, second = witness["points"]
    a, b = value(**first), value(**second)
    inside = value(**{n: _middle(first[n], second[n]) for n in first})
    above = inside - (max(a, b) if quasi else (a + b) / 2)
    gap = number(witness["gap"])
    return bool(gap > 0 and above >= gap * (1 - SLACK))


def _no_logarithm(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether the loss is not convex, or is not positive at a point."""
    if "points" in witness:
        return _bends(loss, witness)
    return bool(Witnessed(loss, witness["fixed"])(**witness["point"]) <= SLACK)


def _quasi(loss: Loss, witness: Mapping[str, Any]) -> bool:
    return _bends(loss, witness, quasi=True)


def _straight(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether the middle of the segment lies on the chord, or above it."""
    if Fraction(witness["gap"]) > 0:
        return _bends(loss, witness)
    value = Witnessed(loss, witness["fixed"])
    first, second = witness["points"]
    a, b = value(**first), value(**second)
    inside = value(**{n: _middle(first[n], second[n]) for n in first})
    apart = any(str(first[n]) != str(second[n]) for n in first)
    return apart and bool(abs(inside - (a + b) / 2) <= SLACK * (abs(a) + abs(b)))


def _shifted(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether a shift of predictions and targets changes the value."""
    shift = Fraction(witness["shift"])
    data = {n for n, r in loss.inputs.items() if r.kind in ("prediction", "target")}

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(v) for v in value]
        return str(Fraction(value) + shift)

    value = Witnessed(loss, {})
    point = witness["point"]
    before = value(**point)
    after = value(**{n: moved(v) if n in data else v for n, v in point.items()})
    return shift != 0 and bool(abs(after - before) > SLACK * (abs(before) + abs(after)))


def _labels(loss: Loss) -> tuple[str, str, str]:
    """The binary target, and its values for the positive and the negative class."""
    (name,) = (n for n, r in loss.inputs.items() if r.kind == "target")
    return name, "1", "-1" if loss.roles[name].domain == sp.FiniteSet(-1, 1) else "0"


def _prediction(loss: Loss) -> str:
    (name,) = (n for n, r in loss.inputs.items() if r.kind == "prediction")
    return name


def _uneven(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether the losses of both labels add up to different numbers at two predictions."""
    target, one, zero = _labels(loss)
    value = Witnessed(loss, witness["fixed"])
    sums = [value(**{**p, target: one}) + value(**{**p, target: zero}) for p in witness["points"]]
    return bool(abs(sums[0] - sums[1]) > SLACK * sum(map(abs, sums)))


def _improper(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether another prediction than the true probability costs less in the mean."""
    target, one, zero = _labels(loss)
    x, value = _prediction(loss), Witnessed(loss, witness["fixed"])
    q = number(witness["probability"])
    if not 0 <= q <= 1:
        return False

    def mean(p: str) -> Any:
        return q * value(**{x: p, target: one}) + (1 - q) * value(**{x: p, target: zero})

    gap = number(witness["gap"])
    better = mean(witness["probability"]) - mean(witness["better"])
    return bool(gap > 0 and better >= gap * (1 - SLACK))


def _uncalibrated(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether the margin loss has a kink at 0, or does not fall there."""
    target, one, _ = _labels(loss)
    x, value = _prediction(loss), Witnessed(loss, witness["fixed"])
    left, at, right = (value(**{x: str(t), target: one}) for t in _around(0))
    slopes = [(at - left) / STEP, (right - at) / STEP]
    kinked = abs(slopes[1] - slopes[0]) > MP.mpf(2) ** -20
    return bool(kinked or min(slopes) > -(MP.mpf(2) ** -20))


def _around(x: int) -> tuple[Fraction, Fraction, Fraction]:
    step = Fraction(1, 2**60)
    return x - step, Fraction(x), x + step


def _no_density(loss: Loss, witness: Mapping[str, Any]) -> bool:
    """Whether exp(-loss) of the labels adds up to no constant, or has no finite integral."""
    target, one, zero = _labels(loss)
    x = _prediction(loss)
    fixed = {n: str(r.default) for n, r in loss.params.items()} | witness.get("fixed", {})
    value = Witnessed(loss, fixed)
    if "predictions" in witness:
        rows = [
            [MP.exp(-value(**{x: p, target: label})) for label in (one, zero)]
            for p in witness["predictions"]
        ]
        first, second = ([r[k] - rows[0][k] for k in (0, 1)] for r in rows[1:])
        size = sum(abs(v) for row in rows for v in row) ** 2
        return bool(abs(first[0] * second[1] - first[1] * second[0]) > SLACK * size)
    signs = (-1,) if witness.get("error") == "-oo" else (1,)
    near, far = (value(**{x: str(s * 2**k), target: "0"}) for s in signs for k in (40, 80))
    # exp(-loss) falls like 1 / |error| at most: by log(2**40) as the error grows by 2**40
    return bool(far - near <= MP.log(2) * 40 * (1 + MP.mpf(2) ** -20))


WITNESSES: dict[str, Callable[[Loss, Mapping[str, Any]], bool]] = {
    "convex": _bends,
    "convex_in": _bends,
    "log_convex": _no_logarithm,
    "quasi_convex": _quasi,
    "strictly_convex": _straight,
    "translation_invariant": _shifted,
    "symmetric": _uneven,
    "proper": _improper,
    "calibrated": _uncalibrated,
    "likelihood": _no_density,
}
"""How each refutation is re-checked. A loss that is not convex is not log-convex either."""
