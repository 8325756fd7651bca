"""How far a result is from the exact one, in units that tell a bad algorithm from a hard problem.

One ULP is the spacing of the format at the exact value, but at least the smallest normal number:
XLA flushes what is below it to 0. A *conditioned* ULP is larger by what half a rounding error of
each input does to the exact result, u * sum |x_i df/dx_i|: cancellation that the inputs force on
every algorithm is not held against the code, cancellation that it brings upon itself is. Losses
over axes subtract sums of terms of ordinary size (a softmax and a label, similarities of a batch):
their results are held to the rounding of such terms, `slack`, where they nearly vanish.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from losscompiler.crosscheck.expected import Expected

Array = np.ndarray[Any, Any]

# Conditioned ULP. Measured on code known to be good, a value or gradient stays below 8: two or
# three correctly conditioned functions of 1 to 3 ULP each and a short sum. A wrong coefficient, a
# wrong tie or a cancellation costs thousands at the least, so the limits need not be tight; second
# derivatives pass through about four times as many operations.
LIMITS = {"value": 32.0, "gradient": 32.0, "hvp": 128.0, "hessian_diagonal": 128.0}
# What automatic differentiation of the emitted function may add: it calls the same kernels and sums
# in another order.
AUTODIFF_LIMIT = 32.0
# From here on a result is wrong, not merely inaccurate: half of the digits of ordinary terms are.
WRONG = {"float64": 1e-7, "float32": 1e-3}
HEADROOM = 64.0  # results this close to overflow are not asked for: a partial sum may overflow
# Rounding errors of ordinary results that losses over axes are forgiven, per conditioned ULP.
SLACK = {"value": 1.0, "gradient": 1.0, "hvp": 4.0, "hessian_diagonal": 4.0}
EASY = 8.0  # below so many ULP nobody asks how hard the problem was: that takes time


@dataclass(frozen=True)
class Measure:
    """The largest errors of one array, and where the conditioned one is."""

    ulp: float = 0.0
    conditioned: float = 0.0
    nonfinite: int = 0
    compared: int = 0
    at: tuple[int, ...] = ()
    expected: float = 0.0
    got: float = 0.0
    relative: float = 0.0  # that error, in sizes of ordinary results

    def joined(self, other: Measure) -> Measure:
        """The worse of two, with counts added."""
        worse = max(self, other, key=lambda m: (m.nonfinite > 0, m.conditioned))
        return Measure(
            max(self.ulp, other.ulp),
            max(self.conditioned, other.conditioned),
            self.nonfinite + other.nonfinite,
            self.compared + other.compared,
            worse.at,
            worse.expected,
            worse.got,
            worse.relative,
        )


def spacing(exact: Array, dtype: str) -> Array:
    """One ULP at every exact value."""
    info = np.finfo(dtype)
    inside = np.clip(np.abs(np.nan_to_num(exact, nan=0.0)), info.tiny, info.max)
    unit = np.spacing(inside.astype(dtype)).astype(np.float64)
    return np.asarray(np.maximum(unit, float(info.tiny)))


def measure(
    expected: Expected,
    got: Array,
    dtype: str,
    response: Callable[[], Array] | None = None,
    slack: Array | float = 0.0,
    size: float = 1.0,
) -> Measure:
    """Compares one array with what it should be.

    `response` gives sum |x_i df/dx_i| per entry; it is called only if there is an error to explain.
    `slack` are sizes: their rounding error is forgiven once per conditioned ULP. `size` is that of
    an ordinary result.
    """
    info = np.finfo(dtype)
    exact = expected.choices[0][0]
    comparable = np.isfinite(exact) & (np.abs(exact) <= float(info.max) / HEADROOM)
    finite = np.isfinite(got)
    bad = comparable & ~finite
    look = comparable & finite
    if not look.any():
        return _only_bad(bad, exact, got)
    with np.errstate(invalid="ignore", over="ignore"):
        error = _error(expected, got)
        unit = spacing(exact, dtype)
        ulp = np.where(look, error / unit, 0.0)
        easy = unit + float(info.eps) * np.where(np.isfinite(expected.scale), expected.scale, 0.0)
        easy = easy + float(info.eps) * slack
        conditioned = np.where(look, error / easy, 0.0)
        if response is not None and conditioned.max() > EASY:
            slopes = response()
            slopes = np.where(np.isfinite(slopes), slopes, 0.0)
            conditioned = np.where(look, error / (easy + float(info.eps) * slopes), 0.0)
    at = np.unravel_index(int(np.argmax(conditioned)), conditioned.shape)
    worst = Measure(
        float(ulp.max()),
        float(conditioned.max()),
        0,
        int(look.sum()),
        tuple(int(i) for i in at),
        float(exact[at]),
        float(got[at]),
        float(error[at]) / max(size, abs(float(exact[at]))),
    )
    return _only_bad(bad, exact, got).joined(worst)


def _error(expected: Expected, got: Array) -> Array:
    """Distance to the nearest acceptable result."""
    distances = [np.abs((got - high) - low) for high, low in expected.choices]
    distances = [np.where(np.isnan(d), np.inf, d) for d in distances]
    nearest = np.minimum.reduce(distances)
    if expected.between:
        (low, _), (high, _) = expected.choices
        nearest = np.where((low < got) & (got < high), 0.0, nearest)
    return np.asarray(nearest)


def _only_bad(bad: Array, exact: Array, got: Array) -> Measure:
    if not bad.any():
        return Measure()
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    return Measure(0.0, 0.0, int(bad.sum()), 0, at, float(exact[at]), float(got[at]))


def against(
    emitted: Array, other: Array, dtype: str, scale: Array, slack: Array | float, size: float
) -> Measure:
    """Compares automatic differentiation with the emitted gradient."""
    expected = Expected(((emitted, np.zeros(emitted.shape)),), scale)
    return measure(expected, other, dtype, slack=slack, size=size)
