"""Deviances of generalised linear models: how far a predicted mean is from a positive target."""

from losscompiler.spec import Prediction, Target, exp, log, loss


@loss
def gamma_deviance(log_mean=Prediction(), target=Target(positive=True)):
    """Half the deviance of a gamma distribution whose log-mean is predicted.

    Use it for positive, skewed amounts whose standard deviation grows with their mean, such as
    claims or durations. Targets of 0 have no gamma density: use a Tweedie deviance. The terms
    that no prediction changes are left out; `gamma_unit_deviance` is 0 at a perfect fit.

    References:
        P. McCullagh and J. A. Nelder, "Generalized Linear Models", 1989.
    """
    return log_mean + target * exp(-log_mean)


@loss
def inverse_gaussian_deviance(log_mean=Prediction(), target=Target(positive=True)):
    """Half the deviance of an inverse Gaussian distribution whose log-mean is predicted.

    Use it for positive amounts with heavier tails than a gamma's: the variance grows with the cube
    of the mean. It is not convex in the log-mean: start near the mean of the target. The terms that
    no prediction changes are left out.

    References:
        P. McCullagh and J. A. Nelder, "Generalized Linear Models", 1989.
    """
    return target * exp(-2 * log_mean) / 2 - exp(-log_mean)


@loss
def poisson_unit_deviance(mean=Prediction(positive=True), target=Target(nonnegative=True)):
    """Deviance of a Poisson distribution from a perfect fit, for a predicted mean.

    Use it to report, or to train a model that ends in something positive; with a log link
    `poisson_nll` has half its gradient and no domain to leave. It is 0 where mean and target are
    equal.

    References:
        P. McCullagh and J. A. Nelder, "Generalized Linear Models", 1989.
    """
    return 2 * (target * log(target / mean) - target + mean)


@loss
def gamma_unit_deviance(mean=Prediction(positive=True), target=Target(positive=True)):
    """Deviance of a gamma distribution from a perfect fit, for a predicted mean.

    Use it to report, or to train a model that ends in something positive; with a log link
    `gamma_deviance` has half its gradient. It depends on the ratio of target and mean alone.

    References:
        P. McCullagh and J. A. Nelder, "Generalized Linear Models", 1989.
    """
    return 2 * (log(mean / target) + target / mean - 1)
