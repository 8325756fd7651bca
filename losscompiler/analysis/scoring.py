"""Proper scoring rules over a class axis: proofs for any number of classes, counterexamples.

A differentiable rule is proper exactly if, whatever the distribution, the expected loss is
stationary on the simplex at the true one, and the least expected loss, as a function of the
distribution, is concave (Savage, 1971; Gneiting and Raftery, 2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from losscompiler.analysis.abstraction import reduced
from losscompiler.analysis.classes import OPEN_UNIT, Form, Roles
from losscompiler.analysis.composition import require_composed
from losscompiler.analysis.exact import add, low, multiply
from losscompiler.analysis.instance import Instance, Slot, instance
from losscompiler.analysis.ledger import Ledger
from losscompiler.analysis.sign import holds
from losscompiler.analysis.verdict import Verdict, proved
from losscompiler.analysis.walk import UndefinedError
from losscompiler.spec import expressions as ex
from losscompiler.spec.decorator import Loss
from losscompiler.spec.roles import Role
from losscompiler.spec.tensors import Index, Tensor

CLASSES = 3
GRIDS = ((3, 8, 8), (2, 16, 512))
"""Numbers of classes, and the denominators of true and of reported probabilities."""
Shares = tuple[Fraction, ...]
TRIED = 4
NO_VALUE = (UndefinedError, ZeroDivisionError, ValueError, OverflowError, TypeError)


def proper(loss: Loss, roles: Roles, form: Form) -> Verdict:
    """Whether the true distribution of the classes is a best report, and the only one."""
    sums, ledger = form.sums, Ledger()
    v = sums.v
    own = v * sp.diff(form.formula, sums.u).subs(sums.u, v)
    shared = [
        sp.diff(term, v) * sums.total(v * sp.diff(form.formula, symbol).subs(sums.u, v), v)
        for term, symbol in list(sums.symbols.items())
    ]
    balance = sp.Add(own, *shared)
    context = form.context(v)
    ledger.require("the expected loss is stationary at the true distribution",
                   sp.diff(reduced(balance), v), "==", context)  # fmt: skip
    least = sums.total(v * form.formula.subs(sums.u, v), v)
    require_composed(_entropy(loss, roles, form, -least), (roles.prediction,), ledger)
    ledger.note("the least expected loss is a concave function of the distribution")
    return proved("the expected loss is stationary at the true distribution, and its least value "
                  "is concave", (*ledger.obligations, *ledger.steps),
                  strictly=_strictly(form, -least))  # fmt: skip


def _entropy(loss: Loss, roles: Roles, form: Form, value: sp.Expr) -> Loss:
    """The sums as sums again: a loss whose convexity can be asked."""
    tensor = Role("prediction", (roles.axis,), OPEN_UNIT).tensor(roles.prediction)
    k = Index("k", roles.axis)
    swaps = {
        symbol: ex.Sum(own.subs(form.sums.v, ex.Element(tensor, k)), sp.Tuple(k))
        for own, symbol in form.sums.symbols.items()
    } | {form.sums.size: sp.Symbol(f"size_{roles.axis}")}  # fmt: skip
    kept = {str(s): Role("param", (), d) for s, d in form.parameters.items()}
    swaps |= {s: ex.Element(kept[str(s)].tensor(str(s))) for s in form.parameters}
    given = {roles.prediction: Role("prediction", (roles.axis,), OPEN_UNIT), **kept}
    return replace(loss, roles=given, expression=value.subs(swaps), variants={}, claims=())


def _strictly(form: Form, value: sp.Expr) -> bool:
    """Whether a convex function of the sums is proved to be strictly so on the simplex."""
    symbols = {s: own for own, s in form.sums.symbols.items() if value.has(s)}
    v = form.sums.v
    slopes = {s: sp.diff(value, s) for s in symbols}
    if not any(slope.has(*symbols) for slope in slopes.values()):
        body = sp.Add(*(slope * symbols[s] for s, slope in slopes.items()))
        return holds(sp.diff(body, v, 2), ">", form.context(v))
    if list(symbols.values()) != [v**2]:
        return False
    (symbol,) = symbols  # a norm is strictly convex where no vector is a multiple of another
    scale = sp.simplify(value / sp.sqrt(symbol) - value.subs(symbol, 1) / sp.sqrt(symbol))
    rate = sp.simplify((value - value.subs(symbol, 0)) / sp.sqrt(symbol))
    return not rate.has(symbol) and scale is not None and holds(rate, ">", form.context())


# ---- counterexamples ----------------------------------------------------------------------------


def simplex(count: int, steps: int) -> Iterator[Shares]:
    """Distributions over classes, each with a probability."""
    for parts in product(range(1, steps), repeat=count - 1):
        rest = steps - sum(parts)
        if rest > 0:
            yield (*(Fraction(n, steps) for n in parts), Fraction(rest, steps))


def improper(loss: Loss, roles: Roles, *, logits: bool) -> dict[str, Any] | None:
    """A distribution for which another report costs less, in exact numbers.

    The loss has no parameters.
    """
    scored = _of_probabilities(loss, roles) if logits else loss
    for count, coarse, fine in GRIDS:
        truths, reports = list(simplex(count, coarse)), list(simplex(count, fine))
        found = _better(instance(scored, count), roles, truths, reports)
        if found is not None:
            return found
    return None


def _better(
    made: Instance, roles: Roles, truths: Sequence[Shares], reports: Sequence[Shares]
) -> dict[str, Any] | None:
    """The report that gains most over the truth, among some of each."""

    def risks(points: Sequence[Shares]) -> Any:
        count = len(points[0])
        columns: dict[Slot, Any] = {
            (roles.prediction, (k,)): np.array([float(p[k]) for p in points]) for k in range(count)
        }
        costs = [
            made.evaluate({**columns, **_floats(label_at(roles, k, count))}) * np.ones(len(points))
            for k in range(count)
        ]
        return np.array([[float(x) for x in p] for p in truths]) @ np.array(costs)

    try:
        with np.errstate(all="ignore"):
            gaps = np.diag(risks(truths))[:, None] - risks(reports)
    except UndefinedError:
        return None
    gaps = np.where(np.isfinite(gaps), np.round(gaps, 9), -1.0)
    for flat in np.argsort(-gaps, axis=None, kind="stable")[:TRIED]:
        m, n = np.unravel_index(flat, gaps.shape)
        if gaps[m, n] <= 0:
            return None
        gap = _gap(made, roles, truths[int(m)], reports[int(n)])
        if gap is not None and gap > 0:
            told = {"distribution": truths[int(m)], "better report": reports[int(n)]}
            return {name: list(map(str, shares)) for name, shares in told.items()}
    return None


def _gap(made: Instance, roles: Roles, truth: Shares, report: Shares) -> Any:
    """A lower bound of what the truth costs more than a report."""

    def cost(q: Shares, sign: int) -> list[Any]:
        entries: dict[Slot, Any] = {(roles.prediction, (k,)): x for k, x in enumerate(q)}
        return [
            multiply(
                sign * p, made.evaluate({**entries, **label_at(roles, k, len(q))}, exactly=True)
            )
            for k, p in enumerate(truth)
        ]

    try:
        return low(add(*cost(truth, 1), *cost(report, -1)))
    except NO_VALUE:
        return None


def label_at(roles: Roles, k: int, count: int = CLASSES) -> dict[Slot, Any]:
    """The true class as the loss takes it."""
    if not roles.dense:
        return {(roles.target, ()): k}
    return {(roles.target, (n,)): Fraction(int(n == k)) for n in range(count)}


def _floats(entries: dict[Slot, Any]) -> dict[Slot, Any]:
    return {slot: v if isinstance(v, int) else float(v) for slot, v in entries.items()}


def _of_probabilities(loss: Loss, roles: Roles) -> Loss:
    """The loss with logarithms of probabilities in place of logits."""
    role = replace(loss.roles[roles.prediction], domain=OPEN_UNIT)
    tensor: Tensor = role.tensor(roles.prediction)
    swaps = {
        e: sp.log(ex.Element(tensor, *e.indices))
        for e in loss.expression.atoms(ex.Element)
        if e.tensor.name == roles.prediction
    }
    roles_ = {**loss.roles, roles.prediction: role}
    return replace(loss, roles=roles_, expression=loss.expression.xreplace(swaps), variants={})
