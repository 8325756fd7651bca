"""Likelihoods: negative log-densities of targets, constants included, by predicted parameters."""

from losscompiler.spec import (
    Abs,
    Mask,
    Naturals0,
    Param,
    Prediction,
    Rational,
    Target,
    erf,
    exp,
    indicator,
    lgamma,
    log,
    log_ndtr,
    loss,
    oo,
    pi,
    softplus,
    sqrt,
    where,
)

LOG_ROOT_TAU = log(2 * pi) / 2


@loss
def laplace_nll(mean=Prediction(), scale=Prediction(positive=True), target=Target()):
    """Negative log-likelihood of a Laplace distribution whose location and scale are predicted.

    Use it instead of `gaussian_nll` where residuals have heavier tails: it pulls towards the
    median. Like every likelihood with a free scale it is unbounded below on perfectly fitted
    targets. The constant log 2 is included.

    References:
        P. S. Laplace, "Mémoire sur la probabilité des causes par les événements", 1774.
    """
    return log(2 * scale) + Abs(target - mean) / scale


@loss(aliases=("gaussian_nll_logvar", "heteroscedastic_gaussian"))
def gaussian_nll_log_variance(
    mean=Prediction(),
    log_variance=Prediction(interval=(-60, 60)),
    target=Target(),
):
    """Negative log-likelihood of a Gaussian whose mean and log-variance are both predicted.

    Use it instead of `gaussian_nll` with a model whose outputs are any real numbers: no floor is
    needed, and noisy targets get a small weight, `exp(-log_variance)`. The constant log(2 pi)/2 is
    left out. A log-variance of -60 is a standard deviation of 1e-13; keep it well inside.

    References:
        A. Kendall and Y. Gal, "What Uncertainties Do We Need in Bayesian Deep Learning for Computer
        Vision?", 2017.
    """
    return (log_variance + (target - mean) ** 2 * exp(-log_variance)) / 2


@loss
def student_t_nll(
    prediction=Prediction(),
    target=Target(),
    *,
    df=Param(4, positive=True, learnable=True),
    scale=Param(1, positive=True, learnable=True),
):
    """Negative log-likelihood of Student's t distribution around the prediction.

    Use it for regression with outliers: far residuals cost their logarithm only, and the degrees
    of freedom `df`, which may be learned along with the scale, say how heavy the tails are. It is
    not convex in the prediction: start from a fit by `huber`, or with a large `df`, for which it
    tends to the Gaussian likelihood.

    References:
        K. L. Lange, R. J. A. Little and J. M. G. Taylor, "Robust Statistical Modeling Using the t
        Distribution", 1989.
    """
    z = (target - prediction) / scale
    normalizer = lgamma((df + 1) / 2) - lgamma(df / 2) - log(pi * df) / 2 - log(scale)
    return (df + 1) / 2 * log(1 + z**2 / df) - normalizer


@loss(aliases=("poisson_nll_exact",))
def poisson_nll_full(log_rate=Prediction(), target=Target(domain=Naturals0)):
    """Negative log-likelihood of a Poisson count, with its normaliser log(target!).

    Use it where values are compared between models or data sets; for training `poisson_nll` has
    the same gradient. PyTorch's `full=True` adds Stirling's approximation of the normaliser, for
    targets above 1 only: at a target of 2 it is 0.6518 instead of log 2 = 0.6931.

    References:
        J. A. Nelder and R. W. M. Wedderburn, "Generalized Linear Models", 1972.
    """
    return exp(log_rate) - target * log_rate + lgamma(target + 1)


@loss
def negative_binomial_nll(
    log_mean=Prediction(),
    target=Target(domain=Naturals0),
    *,
    dispersion=Param(1, positive=True, learnable=True),
):
    """Negative log-likelihood of a negative binomial count with a predicted log-mean.

    Use it for counts whose variance exceeds their mean: the variance is
    mean + dispersion * mean**2 (NB2). The dispersion may be learned; as it goes to 0 the
    distribution tends to Poisson's, for which `poisson_nll_full` is the better formula.

    References:
        J. F. Lawless, "Negative Binomial and Mixed Poisson Regression", 1987.
    """
    r = 1 / dispersion
    log_odds = log_mean + log(dispersion)
    normalizer = lgamma(target + r) - lgamma(r) - lgamma(target + 1)
    return (target + r) * softplus(log_odds) - target * log_odds - normalizer


@loss
def gamma_nll(
    log_mean=Prediction(),
    target=Target(positive=True),
    *,
    shape=Param(1, positive=True, learnable=True),
):
    """Negative log-likelihood of a gamma distribution with a predicted log-mean.

    Use it for positive targets whose standard deviation is proportional to their mean, such as
    amounts and durations. For a fixed shape its gradient is that of the gamma deviance, times the
    shape; a learned shape needs the normaliser, which is included.

    References:
        J. A. Nelder and R. W. M. Wedderburn, "Generalized Linear Models", 1972.
    """
    kernel = shape * (log_mean + target * exp(-log_mean))
    return kernel - shape * log(shape) - (shape - 1) * log(target) + lgamma(shape)


@loss
def log_normal_nll(
    prediction=Prediction(),
    target=Target(positive=True),
    *,
    scale=Param(1, positive=True, learnable=True),
):
    """Negative log-likelihood of a log-normal target: its logarithm is Gaussian.

    Use it for positive targets with multiplicative errors. The prediction is the mean of
    log(target), so exp(prediction) is the median of the target, not its mean.

    References:
        J. Aitchison and J. A. C. Brown, "The Lognormal Distribution", 1957.
    """
    z = (log(target) - prediction) / scale
    return z**2 / 2 + log(scale) + log(target) + LOG_ROOT_TAU


@loss(aliases=("probit_loss",))
def probit(score=Prediction(), target=Target(values={-1, 1})):
    """Negative log-probability of a binary label under the normal distribution function.

    Use it where a Gaussian latent variable crosses a threshold, or to compare with a logit model.
    It grows quadratically for confident mistakes where `logistic` grows linearly: mislabelled
    samples weigh more. Labels are -1 and 1.

    References:
        C. I. Bliss, "The Method of Probits", 1934.
    """
    return -log_ndtr(target * score)


@loss(aliases=("censored_gaussian_nll",))
def tobit(
    prediction=Prediction(),
    target=Target(),
    censored=Mask(),
    *,
    scale=Param(1, positive=True, learnable=True),
):
    """Negative log-likelihood of a Gaussian target that may be censored from below.

    Use it where measurements below a limit are only known to lie below it: there `censored` is
    true and the target is the limit. Uncensored targets have the Gaussian density, scale and
    constant included. For censoring from above, negate prediction and target.

    References:
        J. Tobin, "Estimation of Relationships for Limited Dependent Variables", 1958.
    """
    z = (target - prediction) / scale
    return where(censored, -log_ndtr(z), z**2 / 2 + log(scale) + LOG_ROOT_TAU)


@loss(aliases=("weibull_nll", "weibull_aft"))
def weibull_survival(
    log_scale=Prediction(),
    time=Target(positive=True),
    event=Mask(),
    *,
    shape=Param(1, positive=True, learnable=True),
):
    """Negative log-likelihood of a Weibull time to an event, possibly censored from the right.

    Use it for survival times with a hazard that rises (`shape` > 1) or falls (< 1) with time:
    `event` is true where the event was seen, and false where observation ended before it. The
    predicted log-scale is the logarithm of the time that 37 percent survive. Unlike
    `cox_partial_likelihood` it predicts times, and assumes how the hazard evolves.

    References:
        J. D. Kalbfleisch and R. L. Prentice, "The Statistical Analysis of Failure Time Data", 1980.
    """
    z = shape * (log(time) - log_scale)
    return exp(z) - indicator(event) * (log(shape) + z - log(time))


@loss(aliases=("log_normal_aft",))
def log_normal_survival(
    prediction=Prediction(),
    time=Target(positive=True),
    event=Mask(),
    *,
    scale=Param(1, positive=True, learnable=True),
):
    """Negative log-likelihood of a log-normal time to an event, possibly censored from the right.

    Use it as an accelerated failure time model: the prediction is the mean of log(time), and
    every unit of it multiplies times by e. Its hazard first rises and then falls.

    References:
        J. D. Kalbfleisch and R. L. Prentice, "The Statistical Analysis of Failure Time Data", 1980.
    """
    z = (log(time) - prediction) / scale
    density = z**2 / 2 + log(scale) + log(time) + LOG_ROOT_TAU
    return where(event, density, -log_ndtr(-z))


@loss(aliases=("gaussian_crps",))
def crps_gaussian(
    mean=Prediction(), scale=Prediction(interval=(Rational(1, 10**6), oo)), target=Target()
):
    """Continuous ranked probability score of a Gaussian forecast.

    Use it as a proper score in units of the target that punishes outliers linearly, where
    `gaussian_nll` punishes them quadratically. It tends to the absolute error as the scale goes to
    0, so it is bounded below and does not collapse. Scales below 1e-6 may overflow in single
    precision.

    References:
        T. Gneiting et al., "Calibrated Probabilistic Forecasting Using Ensemble Model Output
        Statistics and Minimum CRPS Estimation", 2005.
    """
    z = (target - mean) / scale
    density = exp(-(z**2) / 2) / sqrt(2 * pi)
    return scale * (z * erf(z / sqrt(2)) + 2 * density - 1 / sqrt(pi))
