"""Robust regression losses: large errors count for less than their square."""

from losscompiler.spec import (
    Abs,
    Min,
    Param,
    Piecewise,
    Prediction,
    Rational,
    Target,
    cos,
    exp,
    log,
    loss,
    pi,
    sqrt,
)


@loss(aliases=("pseudo_huber_charbonnier",))
def pseudo_huber(prediction=Prediction(), target=Target(), *, delta=Param(1, positive=True)):
    """Quadratic near the target and linear far from it, with derivatives of every order.

    Use it like `huber` where second derivatives are used, as in boosting or Newton's method.
    `delta` is the error, in units of the target, around which one turns into the other, and the
    slope of the tails. For a slope of 1 whatever the width, use `charbonnier`.

    References:
        R. Hartley and A. Zisserman, "Multiple View Geometry in Computer Vision", 2003.
    """
    r = prediction - target
    return delta**2 * (sqrt(1 + (r / delta) ** 2) - 1)


@loss
def charbonnier(
    prediction=Prediction(), target=Target(), *, epsilon=Param(Rational("0.001"), positive=True)
):
    """Absolute error with its kink rounded off within `epsilon` of the target.

    Use it for images and optical flow, where edges should stay sharp. At the target it costs
    `epsilon`, not 0; `pseudo_huber` subtracts that, and multiplies the rest by its `delta`. The
    curvature at the target is `1 / epsilon`: a very small one brings the kink back.

    References:
        P. Charbonnier, L. Blanc-Feraud, G. Aubert and M. Barlaud, "Two Deterministic Half-Quadratic
        Regularization Algorithms for Computed Imaging", 1994.
    """
    return sqrt((prediction - target) ** 2 + epsilon**2)


@loss
def cauchy(prediction=Prediction(), target=Target(), *, c=Param(1, positive=True)):
    """Logarithm of a squared error: the likelihood of heavy, Cauchy-like tails.

    Use it where outliers are many and large, but should keep a little influence. `c` is the scale
    of ordinary errors. It is not convex, and far from the target the gradient fades like 1/error:
    start from a `huber` fit. Books often multiply it by `c**2`.

    References:
        M. J. Black and P. Anandan, "The Robust Estimation of Multiple Motions", 1996.
    """
    r = prediction - target
    return log(1 + (r / c) ** 2 / 2)


@loss
def welsch(prediction=Prediction(), target=Target(), *, c=Param(1, positive=True)):
    """One minus a Gaussian bump of the error: costs at most 1, and forgets outliers smoothly.

    Use it like `tukey_biweight` where every derivative should be smooth; `c` is the scale of
    ordinary errors. It is not convex, and beyond a few `c` the gradient is practically zero: start
    from a good fit. Also known as the correntropy or Leclerc loss; books often multiply it by
    `c**2`.

    References:
        J. E. Dennis and R. E. Welsch, "Techniques for Nonlinear Least Squares and Robust
        Regression", 1978.
    """
    r = prediction - target
    return 1 - exp(-((r / c) ** 2) / 2)


@loss
def geman_mcclure(prediction=Prediction(), target=Target(), *, c=Param(1, positive=True)):
    """A ratio of squares that levels off at 2: outliers pull less the farther they are.

    Use it for registration and motion with many false matches; `c` is the scale of ordinary errors.
    Its influence fades more slowly than that of `welsch`. It is not convex: start from a good fit.
    The form is the one with curvature `1 / c**2` at the target; others scale it differently.

    References:
        S. Geman and D. E. McClure, "Bayesian Image Analysis: An Application to Single Photon
        Emission Tomography", 1985.
        J. T. Barron, "A General and Adaptive Robust Loss Function", 2019 (this scaling).
    """
    ratio = ((prediction - target) / c) ** 2
    return 2 * ratio / (ratio + 4)


@loss
def fair(prediction=Prediction(), target=Target(), *, c=Param(1, positive=True)):
    """About half the squared error near the target and `c` times the absolute error far from it.

    Use it as a smoother `huber`: convex, with a curvature that is positive everywhere, which suits
    boosting. Its tails grow by a logarithm less than linearly, so `c` must be chosen in units of
    the target.

    References:
        R. C. Fair, "On the Robust Estimation of Econometric Models", 1974.
    """
    ratio = Abs(prediction - target) / c
    return c**2 * (ratio - log(1 + ratio))


@loss
def andrews_wave(
    prediction=Prediction(), target=Target(), *, c=Param(Rational("1.339"), positive=True)
):
    """A cosine of the error that levels off after half a wave, at `pi * c`.

    Use it, like `tukey_biweight`, when some targets are plainly wrong and should be forgotten; the
    default has 95 % efficiency for Gaussian errors of unit scale, so divide errors by a robust
    scale first. It is not convex and its gradient is zero beyond `pi * c`: start from a `huber`
    fit.

    References:
        D. F. Andrews, "A Robust Method for Multiple Linear Regression", 1974.
    """
    r = prediction - target
    return Piecewise((c**2 * (1 - cos(r / c)), Abs(r) <= pi * c), (2 * c**2, True))


@loss
def truncated_squared_error(
    prediction=Prediction(), target=Target(), *, c=Param(Rational("2.795"), positive=True)
):
    """Half the squared error up to an error of `c`, constant beyond: outliers are left out.

    Use it when errors are either Gaussian or worthless; the default has 95 % efficiency for
    Gaussian errors of unit scale, so divide errors by a robust scale first. The gradient jumps to
    zero at `c`, so a fit may hang between two sets of outliers: `tukey_biweight` lets go gradually.

    References:
        M. J. Hinich and P. P. Talwar, "A Simple Method for Robust Regression", 1975.
    """
    return Min((prediction - target) ** 2, c**2) / 2
