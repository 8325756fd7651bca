"""All properties of a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from losscompiler.analysis import effort, multiclass
from losscompiler.analysis.conditions import candidates, convex_if
from losscompiler.analysis.curvature import convexity, predictions
from losscompiler.analysis.differentiability import differentiability
from losscompiler.analysis.effort import SpentError, limited
from losscompiler.analysis.invariance import homogeneous, translation_invariant
from losscompiler.analysis.ledger import InapplicableError, Ledger, OpenError
from losscompiler.analysis.likelihood import likelihood
from losscompiler.analysis.narrowed import at_defaults, defaults_of
from losscompiler.analysis.over_axes import AXES, over_axes
from losscompiler.analysis.problem import NotScalarError, Problem, problem
from losscompiler.analysis.scalar import Scalar, scalar
from losscompiler.analysis.shape import (
    log_convex,
    quasi_convex,
    self_concordant,
    strictly_convex,
)
from losscompiler.analysis.smoothness import Kink, smoothness
from losscompiler.analysis.statistics import calibrated, elicits, proper, symmetric
from losscompiler.analysis.steepness import influence, lipschitz, lower_bound, strong_convexity
from losscompiler.analysis.verdict import PROVED, Verdict, proved, unknown
from losscompiler.spec.decorator import Loss

SHARE = 12_000
"""Steps that one property beside convexity may take."""
READ_OFF_PIECES = ("lower_bound", "elicits")
"""What holds in each piece says nothing about the whole where that may jump."""
MEANINGS = ("likelihood", "proper", "elicits", "calibrated")
"""What is asked again at the defaults of parameters, if it does not hold for all values."""
USED_UP = "the work for one property is used up"


def analyse(loss: Loss) -> dict[str, Verdict]:
    """Every property of a loss by name.

    `convex_in:x` is convexity in the prediction x alone, `convex_if:p` tells for which values of
    the parameter p it holds, and `convex_at_defaults` what holds if parameters have their defaults.
    """
    effort.forget()
    names = predictions(loss)
    found: dict[str, Verdict] = {"convex": convexity(loss)}
    convex = found["convex"]
    alone = {n: convex if len(names) == 1 else _convex_in(loss, n, convex) for n in names}
    found |= {f"convex_in:{name}": verdict for name, verdict in alone.items()}
    found |= _by_parameters(loss, convex)
    whole = _scalar(loss)
    found["smoothness"] = class_of(loss)
    smooth = _class_throughout(loss, found["smoothness"])
    continuous = smooth not in ("", "discontinuous")
    exact = bool(found["smoothness"].details.get("exact", False))
    pieces = whole if continuous and isinstance(whole, Scalar) else None
    found["quasi_convex"] = _asked(lambda: quasi_convex(loss, names, convex, pieces))
    questions: dict[str, Callable[[Scalar], Verdict]] = {
        "strictly_convex": lambda s: strictly_convex(s, convex),
        "strong_convexity": lambda s: strong_convexity(s, convex),
        "log_convex": lambda s: log_convex(s, convex),
        "self_concordant": lambda s: self_concordant(s, convex),
        "lipschitz": lambda s: lipschitz(s, smooth, 1, exact=exact),
        "gradient_lipschitz": lambda s: lipschitz(s, smooth, 2, exact=exact),
        "influence": influence,
        "lower_bound": lower_bound,
        "elicits": lambda s: elicits(loss, s),
        "proper": lambda s: proper(loss, s),
        "calibrated": lambda s: calibrated(loss, s, convex, smooth),
        "symmetric": lambda s: symmetric(loss, s),
        "translation_invariant": lambda s: translation_invariant(loss, s),
        "homogeneous": lambda s: homogeneous(loss, s),
    }
    for name, question in questions.items():
        if isinstance(whole, Scalar) and name in READ_OFF_PIECES and not continuous:
            found[name] = unknown("the loss is not proved to be continuous")
        elif isinstance(whole, Scalar):
            try:
                found[name] = _asked(partial(question, whole))
            except InapplicableError:
                continue  # a property of other losses
        elif name not in AXES:
            found[name] = unknown(whole)
    if not isinstance(whole, Scalar):
        found |= over_axes(loss, found["smoothness"], convex)
    found |= _meanings(loss)
    return found | _usually(loss, found)


def _by_parameters(loss: Loss, convex: Verdict) -> dict[str, Verdict]:
    """What is convex for some values of the parameters, if it is not proved for all."""
    usual = at_defaults(loss) if convex.verdict != PROVED else None
    if usual is None:
        return {}
    found = {"convex_at_defaults": _with_defaults(loss, convexity(usual))}
    for name in candidates(loss):
        try:
            verdict = _asked(partial(convex_if, loss, name))
        except InapplicableError:
            continue
        if verdict.verdict == PROVED:
            found[f"convex_if:{name}"] = verdict
    return found


def _usually(loss: Loss, found: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """What the loss means if its parameters have their defaults, where that is more than proved."""
    open_ = [n for n in MEANINGS if n in found and found[n].verdict != PROVED]
    usual = at_defaults(loss) if open_ else None
    if usual is None:
        return {}
    meant = _meanings(usual)
    one = _scalar(usual) if "likelihood" in meant else None
    if isinstance(one, Scalar):
        for name, question in (("elicits", elicits), ("proper", proper)):
            with suppress(InapplicableError):
                meant.setdefault(name, _asked(partial(question, usual, one)))
    return {f"{n}_at_defaults": _with_defaults(loss, meant[n]) for n in open_ if n in meant}


def _meanings(loss: Loss) -> dict[str, Verdict]:
    """What is asked of losses over a class axis, and the likelihood of others."""
    try:
        questions = multiclass.questions(loss)
    except InapplicableError:
        questions = {"likelihood": partial(likelihood, loss)}
    found = {}
    for name, question in questions.items():
        with suppress(InapplicableError):
            found[name] = _asked(question)
    return found


def _with_defaults(loss: Loss, verdict: Verdict) -> Verdict:
    """A verdict about a loss at its defaults: they become part of what a witness fixes."""
    values = {n: str(v) for n, v in defaults_of(loss).items()}
    witness = verdict.witness
    if witness is not None:
        witness = {**witness, "fixed": {**witness.get("fixed", {}), **values}}
    return replace(verdict, witness=witness, details={**verdict.details, "defaults": values})


def _asked(question: Callable[[], Verdict]) -> Verdict:
    try:
        with limited(SHARE):
            return question()
    except OpenError as open_:
        return unknown(str(open_))
    except SpentError:
        return unknown(USED_UP)


def _scalar(loss: Loss) -> Scalar | str:
    try:
        with limited(SHARE):
            return scalar(loss)
    except OpenError as open_:
        return str(open_)
    except SpentError:
        return USED_UP


def _convex_in(loss: Loss, name: str, joint: Verdict) -> Verdict:
    """A loss that is convex jointly is so in each prediction."""
    if joint.verdict == "proved":
        return proved("it is convex jointly", wrt=[name])
    return convexity(loss, (name,))


def class_of(loss: Loss) -> Verdict:
    """The class of smoothness: by the pieces of a scalar formula, else by composition."""
    try:
        with limited(SHARE):
            return _of_pieces(problem(loss))
    except (NotScalarError, OpenError, SpentError):
        return differentiability(loss)


def _class_throughout(loss: Loss, found: Verdict) -> str:
    """The class of smoothness, if the loss has a value everywhere inside its domains."""
    if found.details.get("undefined"):
        try:
            question = problem(loss)
            inside = question.context.inside(question.variables)
            with limited(SHARE):
                _of_pieces(replace(question, context=inside))
        except (NotScalarError, OpenError, SpentError):
            return ""
    return str(found.details.get("class", ""))


def _of_pieces(question: Problem) -> Verdict:
    ledger = Ledger()
    found = smoothness(question, question.variables, ledger)

    def told(kink: Kink) -> dict[str, object]:
        variable, at = kink.variable, kink.at
        if variable == question.error:
            variable, at = question.prediction, at + question.target
        where = f"{variable} = {at}" + (f" where {kink.case}" if kink.case else "")
        ends = [str(kink.left), str(kink.right)]
        slopes = {"subgradient": ends} if kink.order == 1 else {"order": kink.order, "sides": ends}
        return {"where": where, **slopes}

    kinks = [told(k) for k in found.kinks]
    reason = "derivatives on both sides of each facet" if kinks else "one smooth formula"
    details = {"class": found.name, "kinks": kinks, "undefined": [], "exact": True}
    return proved(reason, tuple(ledger.obligations), **details)
