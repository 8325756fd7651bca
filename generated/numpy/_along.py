"""Functions that look along an axis that their result keeps: orders, ties, cumulated sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._options import Array


def order(x: Array, axis: int) -> Array:
    """Positions in the order of the entries along an axis; equal ones stay as they are."""
    return np.argsort(x, axis=axis, kind="stable")


def rank(x: Array, axis: int) -> Array:
    """How many entries come before each one in that order."""
    return order(order(x, axis), axis)


def tie_mean(x: Array, keys: Array, order: Array, axis: int) -> Array:
    """The mean of x over the entries of an axis whose key is the same; `order` sorts the keys."""
    x, keys, order = (np.moveaxis(a, axis, -1) for a in np.broadcast_arrays(x, keys, order))
    ordered = np.take_along_axis(keys, order, -1)
    new = ordered[..., 1:] != ordered[..., :-1]
    if new.all():
        return np.moveaxis(x, -1, axis)
    first = np.ones_like(new, shape=(*new.shape[:-1], 1))
    group = np.cumsum(np.concatenate([first, new], -1)) - 1  # of all rows together
    terms = np.take_along_axis(x, order, -1).ravel()
    mean = (np.bincount(group, terms) / np.bincount(group))[group].astype(x.dtype)
    result = np.empty_like(x)
    np.put_along_axis(result, order, mean.reshape(x.shape), -1)
    return np.moveaxis(result, -1, axis)


def cumsum(x: Array, axis: int, *, reverse: bool = False) -> Array:
    """The sum up to and including each entry of an axis; reversed, from there on."""
    return _turned(np.cumsum(_turned(x, axis, reverse), axis), axis, reverse)


def logcumsumexp(x: Array, axis: int, *, reverse: bool = False) -> Array:
    """log(cumsum(exp(x))): of each sum one maximum is taken out, `peak + log1p(rest)`."""
    x = np.moveaxis(_turned(x, axis, reverse), axis, -1)
    peak, rest = _scanned(_joined, x, np.zeros_like(x))
    result: Array = np.moveaxis(peak + np.log1p(rest), -1, axis)
    return _turned(result, axis, reverse)


def cumulate(x: Any, log_in: Array, log_out: Array, axis: int, *, reverse: bool = False) -> Array:
    """The sums over s <= t of `x[s] * exp(log_in[s] - log_out[t])`, terms scaled by the largest."""
    x = np.asarray(x, np.result_type(log_in, log_out))
    given = np.broadcast_arrays(x, log_in, log_out)
    x, log_in, log_out = (np.moveaxis(_turned(a, axis, reverse), axis, -1) for a in given)
    peak, total = _scanned(_added, log_in, x)
    dead = (peak == -np.inf) | (log_out == np.inf)
    result = np.where(dead, 0, total * np.exp(np.where(dead, 0, peak - log_out)))
    return _turned(np.moveaxis(result, -1, axis), axis, reverse)


def _turned(x: Array, axis: int, reverse: bool) -> Array:
    return np.flip(x, axis) if reverse else x


def _scanned(join: Any, peak: Array, part: Array) -> tuple[Array, Array]:
    """All sums along the last axis, twice as long ones in every step."""
    step = 1
    while step < peak.shape[-1]:
        new = join(peak[..., :-step], part[..., :-step], peak[..., step:], part[..., step:])
        peak, part = (
            np.concatenate([old[..., :step], longer], -1)
            for old, longer in zip((peak, part), new, strict=True)
        )
        step *= 2
    return peak, part


def _gap(peak: Array, other: Array) -> Array:
    same = peak == other
    result: Array = np.exp(-np.abs(np.where(same, 0, peak - other)))
    return result


def _joined(peak: Array, rest: Array, other: Array, others: Array) -> tuple[Array, Array]:
    """Of two sums `exp(peak) * (1 + rest)` the sum in that form."""
    gap = _gap(peak, other)
    whole = np.where(peak >= other, rest + (1 + others) * gap, others + (1 + rest) * gap)
    return np.maximum(peak, other), whole


def _added(peak: Array, total: Array, other: Array, others: Array) -> tuple[Array, Array]:
    """Of two sums `exp(peak) * total` the sum in that form."""
    gap = _gap(peak, other)
    whole = np.where(peak >= other, total + others * gap, others + total * gap)
    return np.maximum(peak, other), whole


def correlate(x: Array, taps: Sequence[Any], axis: int, first: int) -> Array:
    """The sum of `taps[n] * x` at the place `first + n` further on, 0 outside the axis."""
    before, after = max(-first, 0), max(first + len(taps) - 1, 0)
    moved = np.moveaxis(x, axis, 0)
    padded = np.pad(moved, [(before, after), *[(0, 0)] * (x.ndim - 1)])
    total = np.zeros_like(moved)
    for n, tap in enumerate(taps):
        start = before + first + n
        total += tap * padded[start : start + len(moved)]
    return np.moveaxis(total, 0, axis)
