"""Named densities by their surprisal: minus the logarithm of the density of a target.

Terms that depend on nothing but the target are left out. What depends on the location and on a
scale or variance is complete, so that these may be predicted, too; other parameters may not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp

from losscompiler.analysis.claims import Claim
from losscompiler.spec import expressions as ex


@dataclass(frozen=True)
class Density:
    """A distribution of the target, as far as it is to explain a loss.

    `requires` is what makes it one; `given` names its parameters, and `shape` are those of them
    that no prediction may move, because the surprisal lacks their part of the normaliser. `support`
    holds all targets that it makes possible; its `ends` may have a probability of their own.
    """

    name: str
    surprisal: sp.Expr
    given: tuple[tuple[str, sp.Expr], ...]
    requires: tuple[Claim, ...]
    shape: tuple[sp.Expr, ...] = ()
    support: sp.Set = sp.S.Reals
    ends: bool = False

    def covers(self, targets: sp.Set) -> bool:
        """Whether targets of such a domain may follow it, ends included that have a probability.

        Counts and labels may be declared as real numbers between the least and the largest.
        """
        if targets == self.support or (self.support, targets) == (HALF_LINE, sp.S.Naturals0):
            return True
        return not self.ends and bool(targets.closure == self.support)


HALF_LINE = sp.Interval(0, sp.oo)


def _positive(*values: sp.Expr) -> tuple[Claim, ...]:
    return tuple(Claim(v, ">") for v in values)


# ---- by the error, prediction minus target ------------------------------------------------------


def gaussian(e: sp.Expr, variance: sp.Expr) -> Density:
    """Gauss's."""
    surprisal = e**2 / (2 * variance) + sp.log(variance) / 2
    return Density("Gaussian", surprisal, (("variance", variance),), _positive(variance))


def laplace(e: sp.Expr, above: sp.Expr, below: sp.Expr) -> Density:
    """Laplace's, and the asymmetric one: slopes of the loss on both sides, as sizes."""
    width = 1 / above + 1 / below
    surprisal = ex.Piecewise((above * e, e >= 0), (-below * e, True)) + sp.log(width)
    if sp.simplify(above - below) == 0:
        return Density("Laplace", surprisal, (("scale", 1 / above),), _positive(above))
    given = (
        ("level", sp.simplify(below / (above + below))),
        ("scale", sp.simplify(1 / (above + below))),
    )
    return Density("asymmetric Laplace", surprisal, given, _positive(above, below))


def split_normal(e: sp.Expr, above: sp.Expr, below: sp.Expr) -> Density:
    """Two halves of Gaussians that meet at the mode: slopes of the loss per unit of the error."""
    width = 1 / sp.sqrt(above) + 1 / sp.sqrt(below)
    halves = ex.Piecewise((above * e**2 / 2, e >= 0), (below * e**2 / 2, True))
    given = (("variance below", 1 / above), ("variance above", 1 / below))
    return Density("split normal", halves + sp.log(width), given, _positive(above, below))


def student(e: sp.Expr, df: sp.Expr, width: sp.Expr) -> Density:
    """Student's, Cauchy's with one degree of freedom: a power of `1 + e**2 / width`."""
    surprisal = (df + 1) / 2 * sp.log(1 + e**2 / width) + sp.log(width) / 2
    requires = _positive(df, width)
    scale = ("scale", sp.sqrt(sp.simplify(width / df)) if df != 0 else sp.nan)
    if df == 1:
        return Density("Cauchy", surprisal, (scale,), requires)
    return Density("Student's t", surprisal, (("degrees of freedom", df), scale), requires, (df,))


def logistic(e: sp.Expr, scale: sp.Expr) -> Density:
    """The logistic distribution."""
    surprisal = e / scale + 2 * sp.log(1 + sp.exp(-e / scale)) + sp.log(scale)
    return Density("logistic", surprisal, (("scale", scale),), _positive(scale))


def hyperbolic_secant(e: sp.Expr, rate: sp.Expr) -> Density:
    """The density `rate / (pi cosh(rate e))`."""
    surprisal = sp.log(sp.exp(rate * e) + sp.exp(-rate * e)) - sp.log(rate)
    given = (("scale", sp.pi / (2 * rate)),)
    return Density("hyperbolic secant", surprisal, given, _positive(rate))


def gumbel(e: sp.Expr, rate: sp.Expr) -> Density:
    """Gumbel's, of maxima with a positive rate and of minima with a negative one."""
    surprisal = sp.exp(rate * e) - rate * e - sp.log(rate**2) / 2
    requires = () if rate.is_nonzero else (Claim(rate, "!="),)
    if rate.is_positive or rate.is_negative:
        kind = "maxima" if rate.is_positive else "minima"
        return Density(f"Gumbel of {kind}", surprisal, (("scale", 1 / sp.Abs(rate)),), requires)
    return Density("Gumbel", surprisal, (("signed scale", 1 / rate),), requires)


def power(e: sp.Expr, scale: sp.Expr, exponent: sp.Expr) -> Density:
    """The generalised normal: the density falls with a power of the error."""
    size = ex.Piecewise((e, e >= 0), (-e, True))
    given = (("exponent", exponent), ("scale", scale))
    return Density("generalised normal", (size / scale) ** exponent + sp.log(scale), given,
                   _positive(exponent, scale), (exponent,))  # fmt: skip


def hyperbolic(e: sp.Expr, slope: sp.Expr, width: sp.Expr) -> Density:
    """The symmetric hyperbolic distribution: Gaussian in the middle, exponential tails."""
    given = (("rate", slope), ("width", sp.sqrt(width)))
    return Density("hyperbolic", slope * sp.sqrt(width + e**2), given, _positive(slope, width),
                   (slope, width))  # fmt: skip


def huber(e: sp.Expr, curvature: sp.Expr, end: sp.Expr) -> Density:
    """Huber's least favourable density: Gaussian up to an end, Laplace beyond it."""
    size = ex.Piecewise((e, e >= 0), (-e, True))
    surprisal = curvature * ex.Piecewise((e**2 / 2, size <= end), (end * size - end**2 / 2, True))
    given = (("variance in the middle", 1 / curvature), ("tails from", end))
    return Density("Huber's", surprisal, given, _positive(curvature, end), (curvature, end))


# ---- by the mean --------------------------------------------------------------------------------


def of_mean(
    y: sp.Symbol, statistic: sp.Expr, mean: sp.Expr, variance: sp.Expr, x: sp.Symbol
) -> Iterator[Density]:
    """The exponential families of a statistic of the target, by how variance depends on mean.

    That dependence tells families apart (Morris, 1982; Jorgensen, 1987).
    """

    def ratio(divisor: sp.Expr) -> sp.Expr | None:
        value = sp.simplify(variance / divisor)
        return None if value.has(x) else value

    spread = ratio(sp.S.One)
    if spread is not None:
        yield _transformed_gaussian(y, statistic, mean, spread)
    if statistic != y:
        return
    inside, given = _positive(mean), (("mean", mean),)
    for name, divisor, surprisal, requires, support in (
        ("Poisson", mean, mean - y * sp.log(mean), inside, HALF_LINE),
        ("Bernoulli", mean * (1 - mean), -y * sp.log(mean) - (1 - y) * sp.log(1 - mean),
         _positive(mean, 1 - mean), sp.Interval(0, 1)),
    ):  # fmt: skip
        if (spread := ratio(divisor)) is not None:
            # A multiple of the surprisal, as deviances and weighted losses are.
            times = () if spread == 1 else (("times", 1 / spread),)
            yield Density(name, surprisal / spread, given + times, requires + _positive(spread),
                          (spread,), support, ends=True)  # fmt: skip
    if (spread := ratio(mean**2)) is not None:
        name = "exponential" if spread == 1 else "gamma"
        shape = () if spread == 1 else (("shape", 1 / spread),)
        surprisal = (y / mean + sp.log(mean)) / spread
        requires = inside + _positive(spread)
        yield Density(name, surprisal, given + shape, requires, (spread,), HALF_LINE)
    if (spread := ratio(mean**3)) is not None:
        surprisal = (y / (2 * mean**2) - 1 / mean) / spread
        requires = inside + _positive(spread)
        named = (*given, ("shape", 1 / spread))
        yield Density("inverse Gaussian", surprisal, named, requires, (spread,), HALF_LINE)
    excess = sp.simplify((variance - mean) / mean**2)
    if not excess.has(x) and excess != 0:
        surprisal = (y + 1 / excess) * sp.log(1 + excess * mean) - y * sp.log(mean)
        requires = inside + _positive(excess)
        named = (*given, ("dispersion", excess))
        yield Density("negative binomial", surprisal, named, requires, (excess,), HALF_LINE, True)
    yield from _tweedie(y, mean, variance, x)


def _transformed_gaussian(
    y: sp.Symbol, statistic: sp.Expr, mean: sp.Expr, variance: sp.Expr
) -> Density:
    surprisal = (statistic - mean) ** 2 / (2 * variance) + sp.log(variance) / 2
    if statistic == y:
        given = (("mean", mean), ("variance", variance))
        return Density("Gaussian", surprisal, given, _positive(variance))
    name = "log-normal" if statistic == sp.log(y) else f"Gaussian of {statistic}"
    given = (("mean of the logarithm", mean), ("variance of the logarithm", variance))
    start = sp.S.Zero if statistic == sp.log(y) else -sp.S.One
    return Density(name, surprisal, given, _positive(variance), (), sp.Interval(start, sp.oo))


def _tweedie(y: sp.Symbol, mean: sp.Expr, variance: sp.Expr, x: sp.Symbol) -> Iterator[Density]:
    """The variance is a power of the mean between those of Poisson and gamma."""
    exponent = sp.simplify(mean * sp.diff(variance, x) / (variance * sp.diff(mean, x)))
    if exponent.has(x) or exponent in (0, 1, 2, 3):
        return
    spread = sp.simplify(sp.powsimp(variance / mean**exponent))
    if spread.has(x):
        return
    cumulant = mean ** (2 - exponent) / (2 - exponent)
    surprisal = (cumulant - y * mean ** (1 - exponent) / (1 - exponent)) / spread
    given = (("mean", mean), ("power", exponent), ("dispersion", spread))
    requires = _positive(mean, spread, exponent - 1, 2 - exponent)
    yield Density("Tweedie", surprisal, given, requires, (exponent, spread), HALF_LINE, True)
