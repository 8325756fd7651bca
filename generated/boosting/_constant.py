"""The constant raw score of least weighted loss: in closed form, by bisection, or by Newton."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._batch import classes, targets, weighted
from ._checks import real_array
from ._links import LINKS, TINY
from ._options import Array, ArrayLike
from ._task import Task

_STEPS = 200  # halvings of an interval: more than any two floats need
_GRID = 257
_GOLDEN = 0.6180339887498949


def best_constant(
    task: Task, numbers: Sequence[Array], y_true: ArrayLike, sample_weight: ArrayLike | None
) -> float | Array:
    """The best constant score, or the best constant scores of the classes."""
    truth = real_array(task.name, "y_true", y_true)
    if truth.ndim == 2 and truth.shape[1] == 1 and not task.classes:
        truth = truth[:, 0]
    if truth.ndim not in ((1, 2) if task.classes else (1,)):
        raise ValueError(f"{task.name}(): `y_true` has shape {truth.shape}, but must be a vector")
    weight = weighted(task, sample_weight, len(truth))
    if not (weight > 0).any():
        raise ValueError(
            f"{task.name}(): no constant is best for `y_true` of shape {truth.shape}: there is no "
            "sample of positive weight"
        )
    truth, weight = truth[weight > 0], weight[weight > 0]
    with np.errstate(all="ignore"):
        if task.classes:
            return _scores(task, numbers, truth, weight)
        return _score(task, numbers, targets(task, truth), weight)


# ---- one score -----------------------------------------------------------------------------------


def _score(task: Task, numbers: Sequence[Array], truth: Array, weight: Array) -> float:
    link = LINKS[task.link]
    truth, place = np.unique(truth, return_inverse=True)
    weight = np.bincount(place.reshape(-1), weights=weight)
    weight = weight / weight.sum()
    if task.averages:
        truth, weight = np.array([weight @ truth]), np.ones(1)

    def total(kernel: Callable[..., Any], score: float, *more: Array) -> float:
        scores = np.full(truth.shape, score)
        found = kernel(*task.inputs(scores, truth), *numbers, *more)
        result = found[0] if isinstance(found, tuple) else found * weight
        return float(np.sum(np.broadcast_to(result, truth.shape)))

    def slope(score: float) -> float:
        return total(task.vjp, score, weight)

    low, high = _limits(task, truth)
    if task.averages:  # the mean itself, through the link, if that is where the slope vanishes
        least, most = (float(link.mean(np.asarray(end))) for end in (link.low, link.high))
        guess = link.raw(min(max(float(truth[0]), least), most))
        around = max(abs(guess), 1.0) * 1e-12
        if low <= guess <= high and slope(guess - around) <= 0 <= slope(guess + around):
            return guess
    if task.convex:
        return _crossing(slope, low, high, truth)
    return _least(lambda score: total(task.value, score), low, high, truth)


def _limits(task: Task, truth: Array) -> tuple[float, float]:
    """Where a score is looked for."""
    link = LINKS[task.link]
    far = max(-np.log(TINY), 16 * (1 + float(np.max(np.abs(truth)))))
    low = max(-far, link.low, task.low + TINY)
    high = min(far, link.high, task.high - TINY)
    return float(low), float(high)


def _crossing(slope: Callable[[float], float], low: float, high: float, truth: Array) -> float:
    """The middle of the scores where an increasing slope vanishes; an end if it never does."""
    if slope(low) > 0:
        return low
    if slope(high) < 0:
        return high
    first = _border(lambda score: slope(score) < 0, low, high)
    last = _border(lambda score: slope(score) <= 0, low, high)
    if slope(low) == 0 or slope(high) == 0:  # flat up to an end: its other end is as good
        ends = [end for _, end in (first, last) if low < end < high]
        return ends[0] if ends else min(max(0.0, low), high)
    kinks = [kink for kink in truth if first[0] <= kink <= last[1] and first == last]
    return float(kinks[0]) if kinks else (first[1] + last[0]) / 2


def _border(before: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    """The neighbours between which a condition that holds at first begins to fail."""
    for _ in range(_STEPS):
        middle = low + (high - low) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if before(middle) else (low, middle)
    return low, high


def _least(value: Callable[[float], float], low: float, high: float, truth: Array) -> float:
    """The least of a function of one number: the best point of a grid, refined around it."""
    near = np.clip([np.min(truth) - 1, np.max(truth) + 1, -8.0, 8.0], low, high)
    points = np.unique(
        np.concatenate(
            [
                np.linspace(near.min(), near.max(), _GRID),
                np.clip(np.quantile(truth, np.linspace(0, 1, _GRID)), low, high),
                np.linspace(low, high, _GRID),
            ]
        )
    )
    values = np.array([value(float(point)) for point in points])
    best = int(np.nanargmin(values))
    a = float(points[max(best - 1, 0)])
    b = float(points[min(best + 1, len(points) - 1)])
    for _ in range(_STEPS):
        c, d = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
        if not a < c < d < b:
            break
        a, b = (a, d) if value(c) <= value(d) else (c, b)
    middle = (a + b) / 2
    return middle if value(middle) <= values[best] else float(points[best])


# ---- a score for each class ----------------------------------------------------------------------


def _scores(task: Task, numbers: Sequence[Array], truth: Array, weight: Array) -> Array:
    """Newton's method from the logarithms of the classes' frequencies."""
    count = truth.shape[1] if truth.ndim == 2 else int(np.max(truth)) + 1
    truth = classes(task, truth, count)
    if task.label:
        weight = np.bincount(truth, weights=weight, minlength=count)
        truth = np.arange(count)[weight > 0]
        weight = weight[weight > 0]
        frequency = np.zeros(count)
        frequency[truth] = weight / weight.sum()
    else:
        frequency = weight @ truth / weight.sum()
    weight = weight / weight.sum()

    def rows(scores: Array) -> tuple[Any, Any]:
        return task.inputs(np.broadcast_to(scores, (len(weight), count)), truth)

    def value(scores: Array) -> float:
        return float(np.sum(weight * task.value(*rows(scores), *numbers)))

    def summed(entries: Any) -> Array:
        return np.asarray(np.broadcast_to(entries, (len(weight), count)).sum(axis=0))

    def gradient(scores: Array) -> Array:
        found = task.vjp(*rows(scores), *numbers, weight)[0]
        return summed(found)

    def hessian(scores: Array) -> Array:
        def column(direction: Array) -> Array:
            along = np.broadcast_to(direction, (len(weight), count))
            found = task.hvp(*rows(scores), *numbers, weight, along)[0]
            return summed(found)

        return np.stack([column(direction) for direction in np.eye(count)])

    start = np.log(np.maximum(frequency, TINY))
    if np.abs(gradient(start)).max() < 1e-12:
        return start
    return _newton(value, gradient, hessian, np.log(np.maximum(frequency, 1e-3)))


def _newton(
    value: Callable[[Array], float],
    gradient: Callable[[Array], Array],
    hessian: Callable[[Array], Array],
    scores: Array,
) -> Array:
    """A minimum near a start: Newton steps with curvatures made positive, halved as needed."""
    best = value(scores)
    for _ in range(_STEPS):
        slope = gradient(scores)
        sizes, directions = np.linalg.eigh(hessian(scores))
        # What no score changes (the same added to all) has neither slope nor curvature.
        curved = np.maximum(np.abs(sizes), 1e-8)
        step = -directions @ ((directions.T @ slope) / curved)
        step *= min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-300))
        for _ in range(60):
            if value(scores + step) < best:
                break
            step /= 2
        else:
            return scores
        scores = scores + step
        best = value(scores)
    return scores
