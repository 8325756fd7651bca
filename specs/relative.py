"""Relative errors: the size of the target, or its spread, decides how much an error counts."""

from losscompiler.spec import (
    Abs,
    Interval,
    Max,
    Mean,
    Norm,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    index,
    log,
    loss,
    oo,
    size,
    sqrt,
)

ABOVE_MINUS_ONE = Interval.open(-1, oo)


@loss(aliases=("mape", "mean_absolute_percentage_error"))
def absolute_percentage_error(
    prediction=Prediction(),
    target=Target(),
    *,
    epsilon=Param(Rational("1e-7"), positive=True),
):
    """Absolute error relative to the target, as a fraction: 0.1 is ten per cent.

    Use it for targets of one sign whose relative error counts. It prefers predictions that are too
    low, and small targets dominate: below `epsilon` in size a target counts as `epsilon`, which
    should be the smallest size that matters. For positive targets `squared_logarithmic_error`
    treats too high and too low alike.

    References:
        S. Makridakis, "Accuracy Measures: Theoretical and Practical Concerns", 1993.
    """
    return Abs(prediction - target) / Max(Abs(target), epsilon)


@loss(aliases=("msle", "mean_squared_logarithmic_error"))
def squared_logarithmic_error(
    prediction=Prediction(domain=ABOVE_MINUS_ONE), target=Target(domain=ABOVE_MINUS_ONE)
):
    """Squared difference of log(1 + value): about the squared relative error of large values.

    Use it for counts and amounts of very different size. Predictions and targets must exceed -1;
    nothing is clipped. A prediction that is too low costs more than one that is too high by as
    much. With a model of log(1 + value) itself use `squared_error`.

    References:
        G. Tofallis, "A Better Measure of Relative Prediction Accuracy for Model Selection and Model
        Estimation", 2015 (the logarithm of the ratio).
    """
    return (log(1 + prediction) - log(1 + target)) ** 2


@loss(aliases=("rmse",))
def root_mean_squared_error(prediction=Prediction("batch"), target=Target("batch")):
    """Root of the mean squared difference over the batch, or over each of several series.

    Use it where the loss should have the unit of the target. Its minimum is that of
    `squared_error`, but the mean of it over several batches is not the error of all of them. The
    gradient has the same size near the target as far from it. There is one loss per batch.

    References:
        C. F. Gauss, "Theoria combinationis observationum erroribus minimis obnoxiae", 1823.
    """
    i = index("batch")
    return Norm(prediction[i] - target[i], i) / sqrt(size(i))


@loss
def relative_squared_error(prediction=Prediction("batch"), target=Target("batch")):
    """Squared error over the batch, relative to that of predicting its mean: one minus R squared.

    Use it to compare fits of targets of different spread: 0 is perfect, 1 no better than the mean.
    Targets must not all be equal. In small batches the mean of the batch is a rough yardstick.
    There is one loss per batch, or per series.

    References:
        S. Wright, "Correlation and Causation", 1921 (the coefficient of determination).
    """
    i, j = index("batch", "i j")
    spread = Sum((target[i] - Mean(target[j], j)) ** 2, i)
    return Sum((prediction[i] - target[i]) ** 2, i) / spread
