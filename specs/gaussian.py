"""Divergences of Gaussians, as they regularise variational autoencoders."""

from losscompiler.spec import Prediction, Sum, Target, exp, index, log, loss


@loss(aliases=("gaussian_kl_std",))
def standard_gaussian_kl(mean=Prediction("feature"), log_variance=Prediction("feature")):
    """Kullback-Leibler divergence of a diagonal Gaussian from the standard one.

    Use it as the regulariser of a variational autoencoder, beside a reconstruction loss that is
    summed over its entries, not averaged; a factor below 1 trades off the two. The predictions are
    the mean and the logarithm of the variance. It is summed over the features.

    References:
        D. P. Kingma and M. Welling, "Auto-Encoding Variational Bayes", 2014.
    """
    d = index("feature", "d")
    return Sum(mean[d] ** 2 + exp(log_variance[d]) - 1 - log_variance[d], d) / 2


@loss
def gaussian_kl(
    mean=Prediction(),
    deviation=Prediction(positive=True),
    target_mean=Target(),
    target_deviation=Target(positive=True),
):
    """Kullback-Leibler divergence of a predicted Gaussian from a given one, both by deviation.

    Use it to keep a predicted distribution close to a known one, such as a prior or a former
    policy. One loss per pair: sum over the entries for diagonal Gaussians. It is the divergence in
    the direction that covers no more than the given one.

    References:
        S. Kullback, "Information Theory and Statistics", 1959.
    """
    ratio = (deviation / target_deviation) ** 2
    return (ratio - 1 - log(ratio) + ((mean - target_mean) / target_deviation) ** 2) / 2
