"""How much work one loss may cost, in steps of ours: the same on every machine and in every run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

LIMIT = 60_000


class SpentError(Exception):
    """The work that a question may cost is done, and it is still open."""


F = TypeVar("F")


class _Meter:
    left: float = float("inf")


_meter = _Meter()
_caches: list[Any] = []


def remembered(function: F) -> F:
    """Marks a cache that is emptied before each limited piece of work."""
    _caches.append(function)
    return function


def spend(steps: float) -> None:
    """Counts steps; raises SpentError when none are left."""
    _meter.left -= steps
    if _meter.left < 0:
        raise SpentError


def forget() -> None:
    """Empties the caches, so that what follows costs the same whatever went before."""
    for cache in _caches:
        cache.cache_clear()


@contextmanager
def limited(steps: float = LIMIT) -> Iterator[None]:
    """Work inside may take so many steps; an outer limit holds, too."""
    outer = _meter.left
    _meter.left = min(steps, outer)
    given = _meter.left
    try:
        yield
    finally:
        _meter.left = outer - (given - max(_meter.left, 0))
