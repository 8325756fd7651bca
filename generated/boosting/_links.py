"""From raw scores to predictions, and back from a mean to the raw score that stands for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._functions import sigmoid, softplus
from ._options import Array

# Probabilities and rates of an initial score stay this far from the ends of their range.
TINY = 1e-15


@dataclass(frozen=True)
class Link:
    """`mean(raw)` is the prediction, `raw(mean)` the score; scores end at `low` and `high`."""

    mean: Callable[[Array], Array]
    raw: Callable[[float], float]
    low: float = -np.inf
    high: float = np.inf


def softmax(scores: Array) -> Array:
    """Probabilities of the classes, which lie along the last axis."""
    shares = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return np.asarray(shares / np.sum(shares, axis=-1, keepdims=True))


def _logit(mean: float) -> float:
    return float(np.log(mean) - np.log1p(-mean))


def _inverse_softplus(mean: float) -> float:
    return float(mean + np.log(-np.expm1(-mean)))


_FAR = -float(np.log(TINY))
LINKS: dict[str, Link] = {
    "identity": Link(lambda raw: raw, float),
    "log": Link(np.exp, lambda mean: float(np.log(mean)), low=-_FAR),
    "logit": Link(sigmoid, _logit, -_FAR, _FAR),
    "softplus": Link(softplus, _inverse_softplus, low=-_FAR),
    "softmax": Link(softmax, lambda mean: float(np.log(mean)), low=-_FAR),
}
