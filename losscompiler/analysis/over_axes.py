"""What is told of losses over axes, and of several predictions: by composition, and along lines."""

from __future__ import annotations

from contextlib import suppress

from losscompiler.analysis.constants import constants
from losscompiler.analysis.ledger import InapplicableError
from losscompiler.analysis.levels import influence, lower_bound, zero
from losscompiler.analysis.lines import drawn
from losscompiler.analysis.straight import log_convex, strictly_convex, strong_convexity
from losscompiler.analysis.verdict import Verdict
from losscompiler.spec.decorator import Loss

AXES = (
    "lipschitz", "gradient_lipschitz", "strictly_convex", "strong_convexity", "log_convex",
    "lower_bound", "influence",
)  # fmt: skip
"""The properties that are asked here."""


def over_axes(loss: Loss, smoothness: Verdict, convex: Verdict) -> dict[str, Verdict]:
    """The verdicts about `AXES` of a loss that is no formula of one prediction."""
    known = drawn(loss)
    point = zero(loss)
    slope, bend = constants(loss, smoothness, known)
    strictly = strictly_convex(loss, convex)
    found = {
        "lipschitz": slope,
        "gradient_lipschitz": bend,
        "strictly_convex": strictly,
        "strong_convexity": strong_convexity(loss, strictly, convex),
        "log_convex": log_convex(convex, point),
        "lower_bound": lower_bound(loss, known, point),
    }
    with suppress(InapplicableError):
        found["influence"] = influence(loss, slope)
    return found
