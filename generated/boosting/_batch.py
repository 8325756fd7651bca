"""From what a booster passes to arrays that the kernels take; checks, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._checks import real_array
from ._options import Array, ArrayLike
from ._task import Task


@dataclass(frozen=True)
class Batch:
    """Scores `(n,)` or `(n, classes)`, the truth beside them and weights `(n,)`, all checked.

    `restore` gives a result that is shaped like the scores the shape in which they were passed.
    """

    scores: Array
    truth: Array
    weight: Array
    restore: Callable[[Array], Array]


def laid_out(task: Task, first: Any, second: Any, weight: Any = None) -> Batch:
    """The arrays of a call `(y_true, y_pred, weight)` or `(y_pred, data set)`.

    Native training functions pass a LightGBM `Dataset` or an XGBoost `DMatrix` second.
    """
    if hasattr(second, "get_label"):
        first, second, weight = second.get_label(), first, second.get_weight()
        weight = None if weight is None or len(weight) == 0 else weight
    given = real_array(task.name, "y_pred", second).astype(np.float64)
    truth = real_array(task.name, "y_true", first)
    scores, truth = _by_class(task, given, truth) if task.classes else _paired(task, given, truth)
    weights = weighted(task, weight, scores.shape[0] if scores.ndim else 1)
    if not task.classes and scores.ndim > 1:
        weights = np.repeat(weights, scores.size // max(len(weights), 1))
        scores, truth = scores.reshape(-1), truth.reshape(-1)
    # Scores of several classes may come as one vector, class after class.
    order: Any = "F" if task.classes else "C"
    shape = given.shape
    return Batch(scores, truth, weights, lambda array: array.reshape(shape, order=order))


def _paired(task: Task, scores: Array, truth: Array) -> tuple[Array, Array]:
    columns = scores.shape in ((*truth.shape, 1), truth.shape[:-1])
    if scores.shape != truth.shape and not (columns and scores.size == truth.size):
        raise _shapes(task, scores, truth, "one raw score for each target")
    return scores, targets(task, truth).reshape(scores.shape)


def _by_class(task: Task, scores: Array, truth: Array) -> tuple[Array, Array]:
    count = len(truth) if truth.ndim else 0
    if scores.ndim == 1 and count and scores.size % count == 0:
        scores = scores.reshape((count, -1), order="F")
    if scores.ndim != 2 or len(scores) != count:
        raise _shapes(task, scores, truth, "raw scores of shape (samples, classes)")
    return scores, classes(task, truth, scores.shape[1])


def _shapes(task: Task, scores: Array, truth: Array, wanted: str) -> ValueError:
    return ValueError(
        f"{task.name}(): `y_true` has shape {truth.shape} and `y_pred` has shape {scores.shape}, "
        f"but there must be {wanted}"
    )


def targets(task: Task, truth: Array) -> Array:
    """Targets as floats in their domain."""
    found = truth.astype(np.float64)
    allowed = task.truth
    if allowed.values:
        wrong = ~np.isin(found, allowed.values)
    else:
        above = found > allowed.low if allowed.low_open else found >= allowed.low
        below = found < allowed.high if allowed.high_open else found <= allowed.high
        wrong = ~(above & below)
    if wrong.any():
        at = tuple(int(n) for n in np.argwhere(wrong)[0])
        wanted = allowed.domain or f"that {allowed.name} is a number"
        raise ValueError(
            f"{task.name}(): `y_true` holds {found[at]} at {at}, but the loss asks for {wanted}"
        )
    return found


def classes(task: Task, truth: Array, count: int) -> Array:
    """Labels as integers, or targets of shape (samples, classes); labels become one-hot targets."""
    if not task.label and truth.ndim == 2:
        if truth.shape[1] != count:
            raise ValueError(
                f"{task.name}(): `y_true` has shape {truth.shape}, but there are {count} classes"
            )
        return targets(task, truth)
    labels = truth.astype(np.int64)
    wrong = (labels != truth) | (labels < 0) | (labels >= count)
    if truth.ndim != 1 or wrong.any():
        raise ValueError(
            f"{task.name}(): `y_true` of shape {truth.shape} must hold one label for each sample, "
            f"between 0 and {count - 1}"
        )
    return labels if task.label else np.eye(count)[labels]


def weighted(task: Task, weight: ArrayLike | None, count: int) -> Array:
    """The weights of the samples: 1 if there are none."""
    if weight is None:
        return np.ones(count)
    found = real_array(task.name, "sample_weight", weight).astype(np.float64)
    if found.shape != (count,) or not (found >= 0).all():
        raise ValueError(
            f"{task.name}(): `sample_weight` has shape {found.shape}, but must hold one number "
            f">= 0 for each of the {count} samples"
        )
    return found
