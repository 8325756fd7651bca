"""What the compiler knows about a loss as an objective: links, curvature, initial scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp

from losscompiler.backends.boosting import bound, express
from losscompiler.backends.boosting.bound import Bound, ClassTrials, Trials
from losscompiler.backends.boosting.runtime._links import LINKS
from losscompiler.backends.boosting.trial import (
    Array,
    callable_kernel,
    class_points,
    points,
    run,
)
from losscompiler.ir import nodes
from losscompiler.ir.program import Program
from losscompiler.passes.compiled import CompiledLoss, Variant
from losscompiler.passes.scalar import derivative, gradient
from losscompiler.spec.expressions import sigmoid, softplus

NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Derived:
    """The programs of an objective's kernels, and what is known about them.

    `link` is a key of the run-time's links; `flat`, `convex` and `averages` are as in `Task`;
    `default` is the curvature that trains best.
    """

    programs: Mapping[str, Program]
    bound: Bound
    link: str
    flat: bool
    convex: bool
    averages: bool
    default: str


def derive(compiled: CompiledLoss) -> Derived:
    """Everything about a loss that can be expressed."""
    loss = compiled.loss
    variant = compiled.variants[express.absent(loss)]
    prediction, truth = express.parts(loss)
    programs = {
        name: variant.programs[name] for name in ("value", "vjp", "hessian_diagonal", "hvp")
    }
    flat = programs["hessian_diagonal"].outputs[0].value == 0
    if loss.roles[prediction].axes:
        class_trials = _class_trials(variant, programs["hvp"], prediction, truth)
        found = bound.of_classes(variant, prediction, class_trials)
        link = "softmax" if _is_softmax(variant, prediction) else "identity"
        convex, averages = all(trial.is_convex for trial in class_trials), False
    else:
        trials = _trials(variant, programs, prediction, truth)
        ends = [e for e in _closed_ends(loss.roles[prediction].domain) if e.is_finite]
        found = bound.of_one_score(variant, prediction, trials, ends)
        affine = _is_affine(variant, prediction, truth)
        link = _link(variant, prediction, truth, trials, affine=affine)
        convex, averages = _is_convex(trials, programs["value"]), affine
    if found.program is not None:
        programs["upper_bound"] = found.program
    default = "exact" if convex else "clamp" if found.program is None else "upper_bound"
    return Derived(programs, found, link, flat, convex, averages, "clamp" if flat else default)


def _closed_ends(domain: sp.Set) -> list[sp.Expr]:
    return [end for end in (domain.inf, domain.sup) if domain.contains(end) == sp.true]


def _trials(
    variant: Variant, programs: Mapping[str, Program], prediction: str, truth: str
) -> Trials:
    loss = variant.loss
    names = [d.name for d in programs["value"].inputs]
    domains = {name: loss.roles[name].domain for name in names}
    point, second = points(domains, prediction, truth)
    value = callable_kernel(programs["value"], returns_tuple=False)
    one = np.float64(1)
    kernels = {name: callable_kernel(programs[name]) for name in ("vjp", "hessian_diagonal")}
    return Trials(
        names=names,
        point=point,
        value=run(value, names, point),
        slope=run(kernels["vjp"], names, point, one),
        curvature=run(kernels["hessian_diagonal"], names, point, one),
        second=second,
        second_value=run(value, names, {**point, prediction: second}),
        prediction=prediction,
    )


def _class_trials(
    variant: Variant, program: Program, prediction: str, truth: str
) -> list[ClassTrials]:
    """Trials for a few settings of the parameters."""
    loss = variant.loss
    kernel = callable_kernel(program)
    names = [d.name for d in program.inputs if d.name in loss.roles]
    domains = {name: loss.roles[name].domain for name in names}
    found = []
    for point in class_points(domains, prediction, truth, loss.roles[truth].kind == "label"):
        arguments = [point[name] for name in names]
        scores = point[prediction]
        with np.errstate(all="ignore"):
            rows = [
                np.broadcast_to(
                    kernel(*arguments, np.float64(1), np.broadcast_to(unit, scores.shape))[0],
                    scores.shape,
                )
                for unit in np.eye(scores.shape[1])
            ]
        found.append(ClassTrials(arguments, np.stack(rows, axis=-2)))
    return found


def _is_convex(trials: Trials, program: Program) -> bool:
    """Whether no chord was found to lie below the loss, and no curvature to be negative."""
    kernel = callable_kernel(program, returns_tuple=False)
    raw = trials.point[trials.prediction]
    between = {**trials.point, trials.prediction: (raw + trials.second) / 2}
    middle = run(kernel, trials.names, between)
    with np.errstate(all="ignore"):
        size = np.abs(trials.value) + np.abs(trials.second_value)
        above = middle - (trials.value + trials.second_value) / 2 > NEGLIGIBLE * (size + 1)
        return not bool((above | (trials.curvature < -NEGLIGIBLE)).any())


# ---- links ---------------------------------------------------------------------------------------


def _is_affine(variant: Variant, prediction: str, truth: str) -> bool:
    """Whether the slope is linear in the target, so that a constant's loss knows its mean only."""
    graph = variant.graph
    x, t = (graph.leaf(variant.inputs[name], ()) for name in (prediction, truth))
    slope = gradient(graph, variant.value, [x])[x]
    by_target = derivative(slope, t)
    return not by_target.has(t) and not sp.expand(slope - by_target * t).has(t)


def _link(variant: Variant, prediction: str, truth: str, trials: Trials, *, affine: bool) -> str:
    """The link in which the loss takes its raw score.

    A loss that elicits the mean takes it through the link at whose prediction the slope vanishes;
    else a logistic function of the score, or an exponential one, says what the score stands for.
    """
    loss = variant.loss
    if loss.roles[prediction].domain != sp.S.Reals:
        return "identity"
    if affine:
        for name in ("identity", "log", "logit", "softplus"):
            if _vanishes(variant, trials, truth, LINKS[name].mean):
                return name
    domain = loss.roles[truth].domain
    x = variant.graph.leaf(variant.inputs[prediction], ())
    t = variant.graph.leaf(variant.inputs[truth], ())
    if domain.inf >= -1 and domain.sup == 1 and _only_inside(variant.value, x, t):
        return "logit"
    exponents = [e.args[0] for e in variant.value.atoms(sp.exp) if e.has(x)]
    free = all(not sp.diff(e, x).has(t, x) for e in exponents)
    return "log" if exponents and free and domain.inf >= 0 else "identity"


def _vanishes(variant: Variant, trials: Trials, truth: str, mean: Callable[[Array], Array]) -> bool:
    """Whether the slope is 0 where the target is the mean that the prediction stands for."""
    kernel = callable_kernel(variant.programs["vjp"])
    raw = np.clip(trials.point[trials.prediction], -8, 8)
    at = {**trials.point, trials.prediction: raw, truth: mean(raw)}
    off = {**at, truth: mean(raw) + 1}
    one = np.float64(1)
    slope, scale = (run(kernel, trials.names, p, one) for p in (at, off))
    return bool((np.abs(slope) <= 1e-8 * np.abs(scale)).all())


def _only_inside(e: sp.Expr, x: sp.Symbol, t: sp.Symbol) -> bool:
    """Whether an expression has a logistic function of the score, and exponentials nowhere else."""
    logistic = [f for f in e.atoms(sigmoid, softplus) if f.has(x)]
    return bool(logistic) and all(
        sp.expand(f.args[0] ** 2) in (x**2, sp.expand(x**2 * t**2)) for f in logistic
    )


def _is_softmax(variant: Variant, prediction: str) -> bool:
    """Whether the loss sums exponentials of the scores over the classes."""
    graph = variant.graph
    return any(
        isinstance(d, nodes.LogSumExp) and _reads(variant, d, prediction)
        for d in graph.topological([variant.value])
    )


def _reads(variant: Variant, definition: nodes.LogSumExp, prediction: str) -> bool:
    graph = variant.graph
    return any(
        getattr(graph.definition(leaf), "name", "") == prediction
        for leaf in graph.leaves(definition.body)
    )
