"""Families of losses with a shape parameter that contain other losses as limits."""

from losscompiler.spec import (
    Abs,
    Eq,
    Param,
    Piecewise,
    Prediction,
    Target,
    boxcox,
    exp,
    log,
    loss,
    oo,
)


@loss(aliases=("barron", "adaptive_robust"))
def barron_general(
    prediction=Prediction(),
    target=Target(),
    *,
    alpha=Param(1, interval=(-oo, oo)),
    c=Param(1, positive=True, learnable=True),
):
    """Barron's general robust loss: how much outliers pull is a parameter.

    Use it to choose, or to learn, between squared error (`alpha` = 2), Charbonnier (1), Cauchy
    (0), Geman-McClure (-2) and Welsch (`alpha` to minus infinity, for which -1e15 is exact to the
    last digit) with one formula; `c`, which may be learned, is the size of residuals where
    robustness begins. Values and derivatives by the residual are exact at and near all of these
    limits. `alpha` is not learned: without the normaliser of its distribution, an integral that
    has no closed form, it would only ever fall, and its slope is infinite at 2.

    References:
        J. T. Barron, "A General and Adaptive Robust Loss Function", 2019.
    """
    z = ((prediction - target) / c) ** 2
    b = Abs(alpha - 2)
    general = b / alpha * ((z / b + 1) ** (alpha / 2) - 1)
    return Piecewise((z / 2, Eq(alpha, 2)), (log(z / 2 + 1), Eq(alpha, 0)), (general, True))


@loss(aliases=("tweedie_unit_deviance",))
def tweedie_deviance_mean(
    mean=Prediction(positive=True),
    target=Target(nonnegative=True),
    *,
    power=Param(1.5, interval=(0, 3)),
):
    """Half the deviance of a Tweedie distribution by its mean, up to what the target fixes.

    Use it with a model whose output is positive; `tweedie_deviance` takes any real prediction.
    0 is the power of the Gaussian, 1 of Poisson's distribution, 2 of gamma; it is smooth in the
    power. The gradient is that of scikit-learn's `HalfTweedieLossIdentity`, whose value is 0 for
    a perfect prediction.

    References:
        B. Jorgensen, "Exponential Dispersion Models", 1987.
    """
    return boxcox(mean, 2 - power) - target * boxcox(mean, 1 - power)


@loss(aliases=("tweedie_nll",))
def tweedie_deviance(
    log_mean=Prediction(),
    target=Target(nonnegative=True),
    *,
    power=Param(1.5, interval=(0, 3)),
):
    """Half the deviance of a Tweedie distribution by its log-mean, up to what the target fixes.

    Use it for nonnegative targets whose variance is a power of their mean: 0 is Gaussian, 1
    Poisson, between 1 and 2 a compound Poisson with exact zeros (claims, rainfall), 2 gamma, 3
    inverse Gaussian. It is smooth in the power; scikit-learn's `HalfTweedieLoss` has the same
    gradient, and a value that differs by 1 / (2 - p) - y / (1 - p), which is infinite at 1 and 2.

    References:
        B. Jorgensen, "Exponential Dispersion Models", 1987.
    """
    return tweedie_deviance_mean(exp(log_mean), target, power=power)
