"""Raises the working precision until a result is known well enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpmath import MPContext, libmp

from losscompiler.crosscheck import balls
from losscompiler.crosscheck.balls import Ball, Undecided

MP = MPContext()
MP.prec = 400

ACCURACY = 110  # bits that every result is known to, so that sums of results round correctly too
FLOOR = 1200  # nothing below 2**-FLOOR is told from 0: it underflows in every format
CAP = 24_000  # bits; log(1 - sigmoid(1e4)) as written needs 14,800
RUNGS = (1_700, 5_000, 16_000)  # tried in turn where nothing tells how many bits are missing


def settle(
    compute: Callable[[int], list[Ball]], start: int, accuracy: int = ACCURACY
) -> list[Ball] | None:
    """Raises the precision until every ball is known to so many bits; None beyond the cap."""
    bits = start
    while True:
        try:
            found = compute(bits)
        except Undecided:
            missing = next((b for b in RUNGS if b > bits), CAP) - bits
        else:
            missing = max((_missing(b, accuracy) for b in found), default=0)
            if missing <= 0:
                return found
        if bits >= CAP:
            return None
        bits = min(CAP, bits + missing + 16)


def _missing(b: Ball, accuracy: int) -> int:
    v, e = b
    if e is None or balls.special(v):
        return 0
    return e - max(balls.magnitude(v) - accuracy, -FLOOR)


def number(b: Ball) -> Any:
    """A ball's value as an mpf."""
    return MP.make_mpf(libmp.mpf_pos(b[0], MP.prec, "n"))
