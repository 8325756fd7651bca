"""Scores of predicted probabilities, and losses of ordered classes and of unnormalised models."""

from losscompiler.spec import (
    Max,
    Norm,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    log,
    loss,
    sigmoid,
    size,
)


@loss(aliases=("brier",))
def brier_score(probability=Prediction(interval=(0, 1)), target=Target(interval=(0, 1))):
    """Squared difference of a predicted probability and what happened.

    Use it to judge or train calibrated probabilities where a sure mistake should cost no more
    than 1; `binary_cross_entropy` punishes it without limit. It is proper: the true probability is
    the best prediction.

    References:
        G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950.
    """
    return (probability - target) ** 2


@loss
def multiclass_brier_score(
    probabilities=Prediction("class", interval=(0, 1)),
    target=Target("class", interval=(0, 1)),
):
    """Sum over the classes of squared differences of predicted and true probabilities.

    Use it like `brier_score` for classes that exclude each other; the target may be one-hot. For
    two classes it is twice the binary score. With logits use `softmax_squared_error`.

    References:
        G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950.
    """
    c = index("class", "c")
    return Sum((probabilities[c] - target[c]) ** 2, c)


@loss
def spherical_score(
    probabilities=Prediction("class", interval=(0, 1)),
    target=Target("class", interval=(0, 1)),
):
    """One minus the probability of the true class relative to the length of all probabilities.

    Use it as a proper score that depends on the direction of the predicted vector alone. The
    probabilities must not all be 0.

    References:
        T. Gneiting and A. E. Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation",
        2007.
    """
    c, k = index("class", "c k")
    return 1 - Sum(target[c] * probabilities[c], c) / Norm(probabilities[k], k)


@loss
def coral(
    logits=Prediction("threshold"),
    levels=Target("threshold", interval=(0, 1)),
):
    """Sum of the binary cross-entropies of "the class is above this threshold".

    Use it for ordered classes, such as ages or grades: K classes have K - 1 thresholds, and
    `levels` is 1 for those that the true class is above. The logits should be one score plus a
    bias per threshold, which keeps them in order.

    References:
        W. Cao, V. Mirjalili and S. Raschka, "Rank Consistent Ordinal Regression for Neural Networks
        with Application to Age Estimation", 2020.
    """
    t = index("threshold", "t")
    p = sigmoid(logits[t])
    return -Sum(levels[t] * log(p) + (1 - levels[t]) * log(1 - p), t)


@loss(aliases=("nce",))
def noise_contrastive_estimation(
    score=Prediction(),
    log_noise=Target(),
    noise_scores=Prediction("noise"),
    noise_log_noise=Target("noise"),
):
    """Tells an observation from samples of a noise distribution by an unnormalised log-density.

    Use it to train models whose normaliser is out of reach, such as word embeddings: `score` is the
    log-density of the observation, `noise_scores` those of samples from the noise, and the other
    two the log-densities under the noise. The noise should be like the data.

    References:
        M. Gutmann and A. Hyvärinen, "Noise-Contrastive Estimation: A New Estimation Principle for
        Unnormalized Statistical Models", 2010.
    """
    n = index("noise", "n")
    count = log(Max(size(n), 1))
    observed = score - log_noise - count
    noise = noise_scores[n] - noise_log_noise[n] - count
    return log(1 + exp(-observed)) + Sum(log(1 + exp(noise)), n)
