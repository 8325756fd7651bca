"""Upper bounds of curvature: derived as formulas, then checked at sample points as printed code.

For one score: the supremum of the second derivative over the prediction, plus for every kink the
curvature of the narrowest parabola that touches the loss from above. With a score per class: the
sums of absolute values over the rows of the Hessian, which by Gershgorin bound the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from losscompiler.backends.boosting.candidates import kinks, suprema
from losscompiler.backends.boosting.trial import Array, callable_kernel, finished, run
from losscompiler.ir.dependence import depends_on
from losscompiler.ir.operators import Magnitude, Maximum, Minimum, Sign
from losscompiler.ir.program import Output, Program
from losscompiler.passes.compiled import Variant
from losscompiler.passes.differentiate import vjp
from losscompiler.passes.tangent import Forward

TOLERANCE = 1e-9
FEW = 3  # formulas of which a bound may be the largest


@dataclass(frozen=True)
class Bound:
    """A bound as a program, and in words; without a program `words` say why there is none."""

    program: Program | None
    words: str
    formula: sp.Expr | None = None


@dataclass(frozen=True)
class Trials:
    """Sample points of an elementwise loss and what its kernels give there."""

    names: Sequence[str]
    point: Mapping[str, Array]
    value: Array
    slope: Array
    curvature: Array
    second: Array
    second_value: Array
    prediction: str

    def exceeds(self, bound: Array) -> bool:
        """Whether a curvature is too small somewhere, or a parabola with it is not above."""
        step = self.second - self.point[self.prediction]
        with np.errstate(all="ignore"):
            above = self.value + self.slope * step + bound * step**2 / 2
            terms = np.abs(self.value) + np.abs(self.slope * step) + np.abs(self.second_value)
            low = self.second_value - above > TOLERANCE * (1 + terms + bound * step**2)
            small = self.curvature > bound * (1 + TOLERANCE) + TOLERANCE
        return not np.isfinite(bound).all() or bool((low | small).any())


@dataclass(frozen=True)
class ClassTrials:
    """Sample points of a loss of several classes, and the Hessian between these there."""

    arguments: Sequence[Array]
    hessian: Array

    @property
    def between(self) -> Array:
        """The Hessian between different classes."""
        return np.where(np.eye(self.hessian.shape[-1]) == 1, 0.0, self.hessian)

    @property
    def is_convex(self) -> bool:
        """Whether no curvature along a score is negative."""
        diagonal = np.diagonal(self.hessian, axis1=-2, axis2=-1)
        return not bool((diagonal < -TOLERANCE).any())

    def exceeds(self, program: Program) -> bool:
        """Whether a row of the Hessian has a larger sum of absolute values than a bound."""
        with np.errstate(all="ignore"):
            (bound,) = callable_kernel(program)(*self.arguments, np.float64(1))
        rows = np.abs(self.hessian).sum(axis=-1)
        bound = np.broadcast_to(bound, rows.shape)
        return not np.isfinite(bound).all() or bool((rows > bound + TOLERANCE).any())


def of_one_score(
    variant: Variant, prediction: str, trials: Trials, ends: Sequence[sp.Expr]
) -> Bound:
    """The bound of an elementwise loss."""
    graph = variant.graph
    x = graph.leaf(variant.inputs[prediction], ())
    jumps = kinks(variant.value, x)
    if jumps is None:
        return Bound(None, "a kink of the loss lies where no formula says")
    rest = sp.Add(*(kink.majoriser for kink in jumps))
    inputs = variant.programs["hessian_diagonal"].inputs

    def program(formula: sp.Expr) -> Program:
        made = _lowered(formula) * graph.leaf(inputs[-1], ())
        return finished(Program(graph, inputs, (Output(made, ()),)))

    def holds(formula: sp.Expr) -> bool:
        kernel = callable_kernel(program(formula))
        return not trials.exceeds(run(kernel, trials.names, trials.point, np.float64(1)))

    found = _least(suprema(variant.value, x, ends), lambda formula: holds(formula + rest))
    if found is None:
        return Bound(None, _reason(trials))
    formula = found + rest
    if formula == 0:
        return Bound(None, "the loss has no curvature")
    kind = "supremum over the prediction" if not jumps else "parabola above the kinks"
    return Bound(program(formula), kind, formula)


def _least(candidates: Sequence[sp.Expr], holds: Callable[[sp.Expr], bool]) -> sp.Expr | None:
    """A candidate that bounds, or the largest of several."""
    found = [c for c in sorted(candidates, key=sp.count_ops) if holds(c)]
    if found:
        return min(found, key=lambda c: (not c.is_number, float(c) if c.is_number else 0.0))
    several = candidates[:FEW]
    if len(several) < 2:
        return None
    largest = several[0]
    for other in several[1:]:
        largest = Maximum(largest, other)
    return largest if holds(largest) else None


def _reason(trials: Trials) -> str:
    finite = trials.curvature[np.isfinite(trials.curvature)]
    grows = finite.size == 0 or not np.isfinite(trials.curvature).all() or finite.max() > 1e8
    return (
        "the second derivative grows without bound in the prediction"
        if grows
        else "no formula is found that bounds the second derivative"
    )


def _lowered(e: sp.Expr) -> sp.Expr:
    """SymPy's own kinks as the graph's."""
    swaps = {sp.Abs: Magnitude, sp.sign: Sign, sp.Max: Maximum, sp.Min: Minimum}
    for theirs, ours in swaps.items():
        e = e.replace(theirs, ours)
    return e


# ---- a score for each class ----------------------------------------------------------------------


def of_classes(variant: Variant, prediction: str, trials: Sequence[ClassTrials]) -> Bound:
    """The row sums of the absolute Hessian over the classes."""
    graph, by = variant.graph, variant.inputs[prediction]
    (axis,) = by.free
    (slope,) = vjp(graph, variant.value, sp.S.One, (), [by])
    seed = graph.fresh(axis.extent)
    sweep = Forward(graph, depends_on(graph, [slope], [by]), share_ties=False)
    sweep.known[by] = {frozenset({(axis, seed)}): sp.S.One}
    terms = sweep.by_seeds(slope)
    crossed = terms.pop(frozenset(), sp.S.Zero)  # between two classes, or a class and itself
    alone = sp.Add(*(graph.rename(value, {seed: axis}) for value in terms.values()))
    own = graph.rename(crossed, {seed: axis})
    if alone == crossed == 0:
        return Bound(None, "the loss has no curvature")
    if any((trial.between > TOLERANCE).any() for trial in trials):
        return Bound(None, "the Hessian between classes has entries of either sign")
    row = graph.sum(-crossed, [seed]) + own + Magnitude(alone + own)
    inputs = variant.programs["hessian_diagonal"].inputs
    made = row * graph.leaf(inputs[-1], ())
    program = finished(Program(graph, inputs, (Output(made, (axis,)),)))
    if any(trial.exceeds(program) for trial in trials):
        return Bound(None, "no formula is found that bounds the Hessian between classes")
    return Bound(program, "sums of absolute values over the rows of the Hessian between classes")
