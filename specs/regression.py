"""Regression losses: how far a prediction is from a real-valued target."""

from losscompiler.spec import (
    Abs,
    Interval,
    Max,
    Param,
    Piecewise,
    Prediction,
    Rational,
    Target,
    cosh,
    exp,
    log,
    loss,
    where,
)


@loss(aliases=("mse", "mean_squared_error"))
def squared_error(prediction=Prediction(), target=Target()):
    """Squared difference, whose best constant prediction is the mean.

    Use it when errors are about Gaussian and the mean is wanted. One wild target moves the fit
    far: prefer `huber` or `absolute_error` where outliers occur. There is no factor 1/2.

    References:
        A.-M. Legendre, "Nouvelles méthodes pour la détermination des orbites des comètes", 1805.
    """
    return (prediction - target) ** 2


@loss(aliases=("mae", "l1", "mean_absolute_error"))
def absolute_error(prediction=Prediction(), target=Target()):
    """Absolute difference, whose best constant prediction is the median.

    Use it when the median is wanted, or when outliers must not matter more than their count. The
    gradient does not shrink near the target, so a fixed step size keeps oscillating: prefer
    `huber`, `smooth_l1` or `log_cosh` for smooth convergence.

    References:
        P. S. Laplace, "Théorie analytique des probabilités", deuxième supplément, 1818.
    """
    return Abs(prediction - target)


@loss
def huber(prediction=Prediction(), target=Target(), *, delta=Param(1, positive=True)):
    """Quadratic near zero, linear in the tails, so that outliers pull less.

    Use it for regression with some outliers; `delta` is the error, in units of the target, above
    which an observation counts as one. The tail's slope is `delta`: for a slope of 1 whatever the
    width of the quadratic part, use `smooth_l1`. The curvature jumps at `delta`: use `log_cosh`
    where a continuous second derivative matters.

    References:
        P. J. Huber, "Robust Estimation of a Location Parameter", 1964.
    """
    r = prediction - target
    return Piecewise((r**2 / 2, Abs(r) <= delta), (delta * (Abs(r) - delta / 2), True))


@loss
def smooth_l1(prediction=Prediction(), target=Target(), *, beta=Param(1, positive=True)):
    """Absolute error with its kink rounded off within `beta` of the target.

    Use it where `absolute_error` is wanted with a gradient that fades at the target, as for the
    coordinates of boxes. It is `huber(delta=beta) / beta`: the slope of the tails stays 1 and a
    smaller `beta` makes it steeper near the target.

    References:
        R. Girshick, "Fast R-CNN", 2015.
    """
    return huber(prediction, target, delta=beta) / beta


@loss
def log_cosh(prediction=Prediction(), target=Target()):
    """Logarithm of the hyperbolic cosine of the error: a smooth absolute error.

    Use it for a robust regression with derivatives of every order and nothing to tune. It is about
    half the squared error below 1 and the absolute error minus log(2) above, so the unit of the
    target decides what an outlier is: rescale the target, or use `huber`, to choose.

    References:
        P. Green, "Bayesian Reconstructions from Emission Tomography Data Using a Modified EM
        Algorithm", 1990.
    """
    return log(cosh(prediction - target))


@loss(aliases=("pinball",))
def quantile(
    prediction=Prediction(),
    target=Target(),
    *,
    tau=Param(Rational(1, 2), domain=Interval.open(0, 1)),
):
    """Pinball loss, whose best constant prediction is the `tau`-quantile of the target.

    Use it to predict a quantile, or an interval from two of them. Quantiles fitted one by one may
    cross. At `tau = 1/2` it is half of `absolute_error`.

    References:
        R. Koenker and G. Bassett, "Regression Quantiles", 1978.
    """
    shortfall = target - prediction
    return Max(tau * shortfall, (tau - 1) * shortfall)


@loss
def tukey_biweight(
    prediction=Prediction(),
    target=Target(),
    *,
    c=Param(Rational("4.685"), positive=True),
):
    """Squared error that levels off: an error beyond `c` costs a constant and pulls no more.

    Use it when some targets are plainly wrong and should be forgotten; the default has 95 %
    efficiency for Gaussian errors of unit scale, so divide errors by a robust scale first. It is
    not convex and its gradient is zero beyond `c`: start from a `huber` fit.

    References:
        A. E. Beaton and J. W. Tukey, "The Fitting of Power Series, Meaning Polynomials,
        Illustrated on Band-Spectroscopic Data", 1974.
    """
    r = prediction - target
    return Piecewise((c**2 / 6 * (1 - (1 - (r / c) ** 2) ** 3), Abs(r) <= c), (c**2 / 6, True))


@loss
def linex(prediction=Prediction(), target=Target(), *, a=Param(1, nonzero=True)):
    """Exponential on one side of the target, about linear on the other.

    Use it when too high and too low predictions have different costs: `a > 0` punishes too high
    ones, `a < 0` too low ones. The exponential side overflows for large `a` times the error, and
    outliers there dominate everything; for a mild asymmetry use `quantile`.

    References:
        H. R. Varian, "A Bayesian Approach to Real Estate Assessment", 1975.
    """
    r = prediction - target
    return exp(a * r) - a * r - 1


@loss
def gaussian_nll(mean=Prediction(), variance=Prediction(positive=True), target=Target()):
    """Negative log-likelihood of a Gaussian whose mean and variance are both predicted.

    Use it to learn the noise level along with the mean. It is unbounded below as the variance
    goes to zero on a perfectly fitted target: keep the variance away from zero, for instance by
    `softplus` plus a floor. The constant log(2 pi)/2 is left out.

    References:
        D. A. Nix and A. S. Weigend, "Estimating the Mean and Variance of the Target Probability
        Distribution", 1994.
    """
    return (log(variance) + (target - mean) ** 2 / variance) / 2


@loss
def poisson_nll(log_rate=Prediction(), target=Target(nonnegative=True)):
    """Negative log-likelihood of a Poisson count whose log-rate is predicted.

    Use it for counts and other nonnegative targets with a log link, where any real prediction is
    allowed. The variance is taken to equal the mean: overdispersed counts get overconfident. The
    term log(target!), which no prediction changes, is left out.

    References:
        J. A. Nelder and R. W. M. Wedderburn, "Generalized Linear Models", 1972.
    """
    return exp(log_rate) - target * log_rate


@loss
def poisson_nll_rate(rate=Prediction(positive=True), target=Target(nonnegative=True)):
    """Negative log-likelihood of a Poisson count whose rate is predicted.

    Use it when the model ends in something positive, such as `softplus`. With a log link
    `poisson_nll` is exact and cannot leave its domain. The term log(target!) is left out, and no
    epsilon is added to the rate.

    References:
        J. A. Nelder and R. W. M. Wedderburn, "Generalized Linear Models", 1972.
    """
    return poisson_nll(log(rate), target)


@loss
def epsilon_insensitive(
    prediction=Prediction(),
    target=Target(),
    *,
    epsilon=Param(Rational("0.1"), nonnegative=True),
):
    """Absolute error beyond a tube of half-width `epsilon`; errors within cost nothing.

    Use it where small errors do not matter, or for sparse solutions of support vector machines.
    `epsilon` is in units of the target: scale the target first. The slope does not fade towards
    the tube; for a smooth entry use `squared_epsilon_insensitive`.

    References:
        V. Vapnik, "The Nature of Statistical Learning Theory", 1995.
    """
    return Max(0, Abs(prediction - target) - epsilon)


@loss
def squared_epsilon_insensitive(
    prediction=Prediction(),
    target=Target(),
    *,
    epsilon=Param(Rational("0.1"), nonnegative=True),
):
    """Squared error beyond a tube of half-width `epsilon`; errors within cost nothing.

    Use it like `epsilon_insensitive` where a continuous gradient is wanted. Outliers pull as hard
    as with `squared_error`.

    References:
        V. Vapnik, "The Nature of Statistical Learning Theory", 1995.
    """
    return epsilon_insensitive(prediction, target, epsilon=epsilon) ** 2


@loss
def asymmetric_squared_error(
    prediction=Prediction(),
    target=Target(),
    *,
    over=Param(1, positive=True),
    under=Param(1, positive=True),
):
    """Squared error with separate prices of too high and of too low predictions.

    Use it where the domain says that one side costs more, as stocking too little or predicting a
    remaining life too long: `over` multiplies errors above the target, `under` those below. Only
    their ratio moves the optimum; it is an `expectile` times `over + under`. For prices per unit of
    error use `asymmetric_absolute_error`.

    References:
        W. K. Newey and J. L. Powell, "Asymmetric Least Squares Estimation and Testing", 1987.
    """
    r = prediction - target
    return where(r > 0, over, under) * r**2


@loss
def asymmetric_absolute_error(
    prediction=Prediction(),
    target=Target(),
    *,
    over=Param(1, positive=True),
    under=Param(1, positive=True),
):
    """Absolute error with separate prices per unit of too high and of too low predictions.

    Use it where each unit too much costs `over` and each unit too few `under`, as a newsvendor
    does. The best constant prediction is the quantile at `under / (over + under)` of the target;
    `quantile` takes that level itself.

    References:
        K. J. Arrow, T. Harris and J. Marschak, "Optimal Inventory Policy", 1951.
    """
    r = prediction - target
    return Max(over * r, -under * r)
