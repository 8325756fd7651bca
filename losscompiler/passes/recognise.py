"""Recognises smooth named functions in a naive formula: each an exact identity, bottom up.

`log(1 + exp(x))` is softplus, `log(Sum(exp(x)))` is log-sum-exp: operators that know their own
derivative, sign and stable arithmetic. Nothing here introduces `Abs`, `Max` or a condition.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from losscompiler.ir.operators import Log1mExp, LogAddExp, LogCosh, XLogY
from losscompiler.spec import expressions as ex
from losscompiler.spec.expressions import sigmoid, softplus
from losscompiler.spec.special import ExpMoment, log_ndtr, ndtr

Rule = Callable[[sp.Expr], sp.Expr]


def recognise(e: sp.Basic) -> sp.Basic:
    """The same formula in terms of the named operators."""
    return _rebuild(e, {})


def _rebuild(e: sp.Basic, known: dict[sp.Basic, sp.Basic]) -> sp.Basic:
    if not e.args or isinstance(e, ex.Element | ex.MaskElement):
        return e
    if e not in known:
        args = [_rebuild(a, known) for a in e.args]
        rebuilt = e if list(e.args) == args else e.func(*args)
        known[e] = _apply(rebuilt)
    return known[e]


def _apply(e: sp.Basic) -> sp.Basic:
    """Applies the rules of the head until none changes the expression (each shrinks it)."""
    for _ in range(8):
        rule = RULES.get(type(e))
        changed = rule(e) if rule else e
        if changed == e:
            return e
        e = changed
    return e


# ---- sums of exponentials -----------------------------------------------------------------


def split_exponential(e: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Basic] | None:
    """(weight, exponent, condition) if `e` is `weight * exp(exponent)` where a condition holds."""
    if isinstance(e, ex.Piecewise):
        if len(e.pairs) != 2:
            return None
        (value, condition), (other, _) = e.pairs
        if value == 0:
            value, condition, other = other, sp.Not(condition), value
        split = split_exponential(value) if other == 0 else None
        return None if split is None else (split[0], split[1], sp.And(condition, split[2]))
    holds: sp.Basic = sp.true
    weight, exponents = [], []
    for factor in sp.Mul.make_args(e):
        if isinstance(factor, sp.exp):
            exponents.append(factor.args[0])
        elif isinstance(factor, ex.Piecewise) and _is_indicator(factor):
            holds = sp.And(holds, factor.pairs[0][1])
        elif isinstance(factor, ex.Piecewise) and split_exponential(factor) is not None:
            inner = split_exponential(factor)
            assert inner is not None
            weight.append(inner[0])
            exponents.append(inner[1])
            holds = sp.And(holds, inner[2])
        else:
            weight.append(factor)
    return (sp.Mul(*weight), sp.Add(*exponents), holds) if exponents else None


def _is_indicator(e: ex.Piecewise) -> bool:
    values = [value for value, _ in e.pairs]
    return len(values) == 2 and values == [1, 0]


def log_of_sum(e: sp.Expr) -> sp.Expr | None:
    """log(e), if `e` is a sum over an axis of exponentials, masked or weighted by what is >= 0."""
    if not isinstance(e, ex.Sum):
        return None
    split = split_exponential(e.body)
    if split is None or not split[0].is_nonnegative:
        return None
    weight, exponent, condition = split
    return ex.LogSumExp(exponent, e.args[1], weight, condition)


def log_of_cumulated(e: sp.Expr) -> sp.Expr | None:
    """log(e), if `e` is a cumulated sum of exponentials, masked or weighted by what is > 0."""
    if not isinstance(e, ex.CumSum):
        return None
    split = split_exponential(e.body)
    if split is None or not split[0].is_positive:
        return None
    weight, exponent, condition = split
    kept = ex.Piecewise((exponent + sp.log(weight), condition), (-sp.oo, sp.true))
    return ex.LogCumSumExp(kept, *e.args[1:])


def log_of_mixed_sum(e: sp.Expr) -> sp.Expr | None:
    """log(e) for weights of either sign: only the exponentials are scaled, by their sum."""
    split = split_exponential(e.body) if isinstance(e, ex.Sum) else None
    if split is None:
        return None
    weight, exponent, condition = split
    scale = ex.LogSumExp(exponent, e.args[1], sp.S.One, condition)
    share = weight * sp.exp(exponent - scale)
    body = share if condition == sp.true else ex.Piecewise((share, condition), (0, True))
    return scale + sp.log(ex.Sum(body, e.args[1]))


# ---- rules by head ------------------------------------------------------------------------


def _log(e: sp.Expr) -> sp.Expr:
    (x,) = e.args
    summed = log_of_sum(x) or log_of_cumulated(x) or log_of_mixed_sum(x)
    if summed is not None:
        return summed
    if isinstance(x, sp.exp):
        return x.args[0]
    if isinstance(x, sigmoid):
        return -softplus(-x.args[0])
    named = LOGARITHMS.get(type(x))
    if named is not None:
        return named(x.args[0])
    if x.is_Add:
        return _log_of_addition(e, x)
    if x.is_Mul:
        return _log_of_product(e, x)
    if x.is_Pow and _nonnegative(x.base):
        return x.exp * _apply(sp.log(x.base))
    return e


def _exponential(x: sp.Expr) -> bool:
    known = log_of_sum(x) or log_of_cumulated(x)
    return known is not None or isinstance(x, sp.exp | sigmoid)


def _log_of_addition(e: sp.Expr, x: sp.Add) -> sp.Expr:
    """log(a + b + ...) of terms whose logarithms are known."""
    if len(x.args) == 2 and sp.S.One in x.args:
        other = x - 1
        if isinstance(-other, sp.exp):
            return Log1mExp((-other).args[0])
    constants = [t for t in x.args if t.is_number]
    terms = [t for t in x.args if not t.is_number]
    logs = [log for t in terms if (log := _log_of_term(t)) is not None]
    if len(logs) < len(terms) - 1 or not all(c.is_positive for c in constants):
        return e
    *others, total = sorted(logs, key=sp.default_sort_key) or [-sp.oo]
    for log in reversed(others):
        total = LogAddExp(log, total)
    low = sp.log(sp.Add(*constants)) if constants else -sp.oo
    if len(logs) < len(terms):
        weighted = next(t for t in terms if _log_of_term(t) is None)
        return _log_of_weighted(e, weighted, _logaddexp(low, total))
    return _logaddexp(low, total)


def _logaddexp(low: sp.Expr, total: sp.Expr) -> sp.Expr:
    """log(exp(low) + exp(total)), the first of which is a constant."""
    if -sp.oo in (low, total):
        return total if low == -sp.oo else low
    return low + softplus(total - low)


def _log_of_weighted(e: sp.Expr, t: sp.Expr, rest: sp.Expr) -> sp.Expr:
    """log(exp(rest) + w * exp(x)), where only a call can tell the sign of w."""
    weight, logs = [], []
    for factor in sp.Mul.make_args(t):
        log = _log_of_term(factor)
        if log is not None:
            logs.append(log)
        elif _constant(factor):
            weight.append(factor)
        else:
            return e
    w = sp.Mul(*weight)
    if not logs or rest == -sp.oo or w.is_nonnegative or w.is_nonpositive:
        return e
    x = sp.Add(sp.log(sp.Abs(w)), *logs)
    added = rest + softplus(x - rest) if rest.is_number else LogAddExp(rest, x)
    return ex.Piecewise((added, w >= 0), (rest + Log1mExp(x - rest), True))


def _log_of_term(t: sp.Expr) -> sp.Expr | None:
    if t.is_number:
        return sp.log(t) if t.is_positive else None
    split = split_exponential(t)
    if split is not None and split[0].is_positive:
        log = sp.log(split[0]) + split[1]
        return log if split[2] == sp.true else ex.Piecewise((log, split[2]), (-sp.oo, True))
    if t.is_Mul:
        logs = [_log_of_term(f) for f in t.args]
        return None if None in logs else sp.Add(*logs)
    return log_of_sum(t) or log_of_cumulated(t)


def _log_of_product(e: sp.Expr, x: sp.Mul) -> sp.Expr:
    """Splits a product of positive factors; a quotient of probabilities is such a product."""
    share = _log_of_share(x)
    if share is not None:
        return share
    if not all(_nonnegative(f.base if f.is_Pow else f) for f in x.args):
        return e
    return sp.Add(*(_apply(sp.log(f)) for f in x.args))


def _log_of_share(x: sp.Mul) -> sp.Expr | None:
    """log(a / (a + b)) is -log(1 + b / a), in which nothing cancels where b is small."""
    for f in x.args:
        if not (f.is_Pow and f.exp == -1 and f.base.is_Add):
            continue
        for own in f.base.args:
            factors = sp.Mul.make_args(own)
            rest = [g for g in x.args if g != f and g not in factors]
            if len(rest) + len(factors) + 1 == len(x.args) and _log_of_term(own) is not None:
                whole = sp.log(sp.Add(1, *(_apply(t / own) for t in f.base.args if t != own)))
                log = _apply(whole)
                if log != whole and all(map(_nonnegative, rest)):
                    return sp.Add(*(_apply(sp.log(g)) for g in rest)) - log
    return None


def _power(e: sp.Expr) -> sp.Expr:
    base, exponent = e.args
    if base.is_Add and exponent.is_negative and len(base.args) == 2 and sp.S.One in base.args:
        other = next(t for t in base.args if t != 1)
        if isinstance(other, sp.exp):
            return sigmoid(-other.args[0]) ** (-exponent)
    if exponent.is_negative:
        summed = log_of_sum(base) or log_of_cumulated(base)
        if summed is not None:
            return sp.exp(exponent * summed)
    if exponent == sp.S.Half and isinstance(base, ex.Sum):
        root = _root_of_body(base.body)
        if root is not None:
            return ex.Norm(root, base.args[1], sp.Integer(2))
    return e


def _root_of_body(body: sp.Expr) -> sp.Expr | None:
    if body.is_Pow and body.exp == 2:
        return body.base
    return None


def _product(e: sp.Expr) -> sp.Expr:
    """exp(x) * exp(y) is one exponential, exp(x) * sigmoid(-x) is sigmoid(x), 0 * log(0) is 0."""
    power = _boxcox(e)
    if power is not None:
        return power
    exponentials = [f for f in e.args if isinstance(f, sp.exp)]
    if len(exponentials) > 1:
        others = [f for f in e.args if f not in exponentials]
        return sp.Mul(*others, sp.exp(sp.Add(*(f.args[0] for f in exponentials))))
    for f in e.args:
        if isinstance(f, sigmoid):
            partner = sp.exp(-f.args[0])
            if partner in e.args:
                return e / f / partner * sigmoid(-f.args[0])
    logs = [f for f in e.args if _has_log(f)]
    if len(logs) == 1 and not exponentials:
        constant, rest = (e / logs[0]).as_independent(ex.Element, as_Add=False)
        if not rest.is_number and not _constant(rest):
            terms = [_absorbed(rest, t) for t in sp.Add.make_args(logs[0])]
            return sp.Add(*(constant * t for t in terms))
    return e


def _boxcox(e: sp.Mul) -> sp.Expr | None:
    """(u**a - 1) / a and (exp(a * x) - 1) / a, which are smooth where a is 0."""
    rates = [1 / f for f in e.args if f.is_Pow and f.exp == -1 and not f.is_number]
    for f in e.args:
        if not (f.is_Add and len(f.args) == 2) or not {sp.S.One, sp.S.NegativeOne} & set(f.args):
            continue
        one = next(t for t in f.args if t in (1, -1))
        factor, power = (f - one).as_coeff_Mul()
        if factor != -one or not isinstance(power, sp.exp | sp.Pow):
            continue
        for rate in rates:
            found = _rated(power, rate)
            if found is not None:
                x, exact = found
                return e / f * exact * factor * ExpMoment(sp.S.Zero, x, exact)
    return None


def _rated(power: sp.Expr, rate: sp.Expr) -> tuple[sp.Expr, sp.Expr] | None:
    """(x, rate), up to a number, if a power is exp(rate * x)."""
    ratio = power.exp / rate
    if isinstance(power, sp.exp):
        return None if ratio.has(rate) else (ratio, rate)
    if not ratio.is_number or not _nonnegative(power.base):
        return None
    return _apply(sp.log(power.base)), power.exp


def _nonnegative(e: sp.Expr) -> bool:
    """Whether SymPy knows an expression to be nonnegative, or all its parts are."""
    if e.is_Add or e.is_Mul:
        return all(map(_nonnegative, e.args))
    if e.is_Pow and e.exp.is_integer:
        return bool(e.exp.is_even) or _nonnegative(e.base)
    return bool(e.is_nonnegative) or _exponential(e)


def _has_log(e: sp.Expr) -> bool:
    """A logarithm that may be infinite, or a sum with one."""
    if e.is_Add:
        return any(_has_log(t) for t in e.args)
    return isinstance(e.as_coeff_Mul()[1], sp.log) and not e.as_coeff_Mul()[1].args[0].is_positive


def _absorbed(factor: sp.Expr, term: sp.Expr) -> sp.Expr:
    coefficient, rest = term.as_coeff_Mul()
    if isinstance(rest, sp.log):
        return coefficient * XLogY(factor, rest.args[0])
    return factor * term


def _constant(e: sp.Expr) -> bool:
    return all(t.tensor.role == "param" for t in e.atoms(ex.Element))


def _addition(e: sp.Expr) -> sp.Expr:
    """1 - sigmoid(x) is sigmoid(-x), and 1 + erf(x) twice a normal probability."""
    for t in e.args:
        factor, f = t.as_coeff_Mul()
        whole, complement = COMPLEMENTS.get((type(f), bool(factor > 0)), (sp.nan, _apply))
        if abs(factor) * whole in e.args:
            return e - t - abs(factor) * whole + abs(factor) * complement(f.args[0])
    return e


LOGARITHMS: dict[type[sp.Basic], Rule] = {
    sp.cosh: LogCosh,
    sp.gamma: sp.loggamma,
    sp.erfc: lambda x: log_ndtr(-sp.sqrt(2) * x) + sp.log(2),
    ndtr: log_ndtr,
}
COMPLEMENTS: dict[tuple[type[sp.Basic], bool], tuple[int, Rule]] = {  # by sign of the factor
    (sigmoid, False): (1, lambda x: sigmoid(-x)),
    (ndtr, False): (1, lambda x: ndtr(-x)),
    (sp.erf, False): (1, sp.erfc),
    (sp.erf, True): (1, lambda x: 2 * ndtr(sp.sqrt(2) * x)),
    (sp.erfc, False): (2, lambda x: 2 * ndtr(sp.sqrt(2) * x)),
}


RULES: dict[type[sp.Basic], Rule] = {
    sp.log: _log,
    sp.Pow: _power,
    sp.Mul: _product,
    sp.Add: _addition,
}
