"""Quantiles and expectiles: a part of the target's distribution, or all of it, is predicted."""

from losscompiler.spec import (
    Abs,
    Interval,
    Max,
    Mean,
    Param,
    Prediction,
    Rational,
    Target,
    exp,
    index,
    log,
    loss,
    size,
    where,
)

from .regression import huber, quantile


@loss
def expectile(
    prediction=Prediction(),
    target=Target(),
    *,
    tau=Param(Rational(1, 2), domain=Interval.open(0, 1)),
):
    """Squared error with the weight `tau` below the target and `1 - tau` above it.

    Use it for a smooth relative of `quantile`: the best constant prediction is the
    `tau`-expectile, which depends on how far all targets are, not only on how many are beyond.
    At `tau = 1/2` it is half of `squared_error`, and as sensitive to outliers.

    References:
        W. K. Newey and J. L. Powell, "Asymmetric Least Squares Estimation and Testing", 1987.
    """
    shortfall = target - prediction
    return where(shortfall > 0, tau, 1 - tau) * shortfall**2


@loss
def multi_quantile(
    prediction=Prediction("quantile"),
    target=Target(),
    tau=Target("quantile", interval=(0, 1)),
):
    """Mean pinball loss of several quantiles of one target.

    Use it to predict a distribution by its quantiles: `tau` holds their levels, between 0 and 1,
    the same for all samples or not. Nothing keeps the predicted quantiles in order: sort them, or
    predict their differences. With many levels it approximates half of the continuous ranked
    probability score.

    References:
        R. Koenker and G. Bassett, "Regression Quantiles", 1978.
    """
    q = index("quantile", "q")
    return Mean(quantile(prediction[q], target, tau=tau[q]), q)


@loss
def smooth_quantile(
    prediction=Prediction(),
    target=Target(),
    *,
    tau=Param(Rational(1, 2), domain=Interval.open(0, 1)),
    width=Param(1, positive=True),
):
    """Pinball loss with its kink rounded off within about `width` of the target.

    Use it for quantiles in boosting or with Newton's method, which need a curvature. `width` is in
    units of the target; the smaller, the closer to `quantile`, and the best constant prediction is
    biased towards the middle by about that much. It is not 0 at the target.

    References:
        S. Zheng, "Gradient Descent Algorithms for Quantile Regression with Smooth Approximation",
        2011.
    """
    shortfall = target - prediction
    return tau * shortfall + width * log(1 + exp(-shortfall / width))


@loss
def quantile_huber(
    prediction=Prediction(),
    target=Target(),
    *,
    tau=Param(Rational(1, 2), domain=Interval.open(0, 1)),
    delta=Param(1, positive=True),
):
    """Huber loss, divided by `delta`, with the weight `tau` below the target, `1 - tau` above it.

    Use it for a quantile with a gradient that fades at the target. The quadratic part, of
    half-width `delta`, biases the quantile towards the expectile. For a network of many quantiles
    use `quantile_regression`.

    References:
        W. Dabney, M. Rowland, M. G. Bellemare and R. Munos, "Distributional Reinforcement Learning
        with Quantile Regression", 2018.
    """
    return where(prediction > target, 1 - tau, tau) * huber(prediction, target, delta=delta) / delta


@loss
def quantile_regression(
    prediction=Prediction("quantile"),
    target=Target("sample"),
    *,
    delta=Param(1, positive=True),
):
    """Quantile Huber loss of N predicted quantiles against samples of the target's distribution.

    Use it for distributional reinforcement learning: quantile `i` has the level `(i + 1/2) / N`,
    the targets are those of the next state, and nothing flows back into them. It is summed over
    the quantiles and averaged over the samples.

    References:
        W. Dabney, M. Rowland, M. G. Bellemare and R. Munos, "Distributional Reinforcement Learning
        with Quantile Regression", 2018.
    """
    i, j = index("quantile", "i"), index("sample", "j")
    tau = (i + Rational(1, 2)) / size(i)
    return size(i) * Mean(quantile_huber(prediction[i], target[j], tau=tau, delta=delta), i, j)


@loss
def interval_score(
    lower=Prediction(),
    upper=Prediction(),
    target=Target(),
    *,
    alpha=Param(Rational("0.05"), domain=Interval.open(0, 1)),
):
    """Winkler score of a prediction interval: its width, and a fine for missing the target.

    Use it to predict, or to compare, intervals that hold the target with probability `1 - alpha`:
    the best ends are its quantiles at `alpha / 2` and `1 - alpha / 2`. `lower` should not exceed
    `upper`; nothing here sees to that.

    References:
        R. L. Winkler, "A Decision-Theoretic Approach to Interval Estimation", 1972.
        T. Gneiting and A. E. Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation",
        2007.
    """
    missed = Max(0, lower - target) + Max(0, target - upper)
    return upper - lower + 2 / alpha * missed


@loss
def ensemble_crps(prediction=Prediction("member"), target=Target()):
    """Continuous ranked probability score of an ensemble: its error minus half its spread.

    Use it to train models that give several equally likely predictions, as in weather forecasts:
    they should surround the target. The spread includes each member's distance 0 to itself, so a
    small ensemble is drawn to be too narrow. With one member it is `absolute_error`.

    References:
        T. Gneiting and A. E. Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation",
        2007.
    """
    m, n = index("member", "m n")
    spread = Mean(Abs(prediction[m] - prediction[n]), m, n)
    return Mean(Abs(prediction[m] - target), m) - spread / 2
