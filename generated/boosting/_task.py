"""What an objective is made of: the loss's kernels, and what the compiler derived about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from ._descriptors import Parameter


@dataclass(frozen=True)
class Task:
    """One loss of a raw score and a truth.

    With `inputs` the scores, the truth (in this order, or the other if `truth_first`) and the
    parameters, and `g` the weights, the kernels are `value(*inputs)`, and `vjp(*inputs, g)`,
    `hessian_diagonal(*inputs, g)`, `hvp(*inputs, g, v)` and `upper_bound(*inputs, g)`, each a tuple
    whose first entry belongs to the scores. `without_bound` says why there is no upper bound.

    Attributes:
        name: The loss's name.
        parameters: Its parameters, in order.
        truth: Name and domain of its target or label.
        link: How a raw score becomes a prediction: a key of `_links.LINKS`.
        classes: Whether there is a raw score for each class.
        label: Whether the truth is a label, not a target.
        low: Lower end of the raw scores that the loss is defined for; `high` is the upper one.
        flat: Whether the loss has no curvature anywhere but at kinks.
        convex: Whether no negative curvature was found.
        averages: Whether a constant's loss depends on the targets through their mean alone.
    """

    name: str
    parameters: tuple[Parameter, ...]
    truth: Parameter
    link: str
    value: Callable[..., Any]
    vjp: Callable[..., Any]
    hessian_diagonal: Callable[..., Any]
    hvp: Callable[..., Any]
    upper_bound: Callable[..., Any] | None = None
    without_bound: str = ""
    classes: bool = False
    label: bool = False
    truth_first: bool = False
    low: float = -inf
    high: float = inf
    flat: bool = False
    convex: bool = True
    averages: bool = False

    def inputs(self, scores: Any, truth: Any) -> tuple[Any, Any]:
        """The two arrays in the order of the kernels."""
        return (truth, scores) if self.truth_first else (scores, truth)
