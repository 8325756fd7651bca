"""Divergences: how far a predicted distribution is from a target distribution."""

from losscompiler.spec import (
    Abs,
    Interval,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    log,
    log_softmax,
    loss,
    sqrt,
)

NEITHER_END = Interval.open(0, 1)


def relative_entropy(p, q, c):
    """Kullback-Leibler divergence of `q` from `p`: what it costs to take `q` for the true `p`."""
    return Sum(p * log(p / q), c)


@loss(aliases=("kl_div",))
def kl_divergence(
    prediction=Prediction("class", interval=(0, 1)),
    target=Target("class", interval=(0, 1)),
):
    """Kullback-Leibler divergence of a predicted distribution from the target distribution.

    Use it to match a whole distribution of probabilities; it differs from the cross-entropy by the
    entropy of the target, so it is zero at a perfect fit. A prediction of 0 where the target is
    positive costs infinity: with logits use `softmax_cross_entropy`. The sum over the classes is
    one loss; it is not averaged over them.

    References:
        S. Kullback and R. A. Leibler, "On Information and Sufficiency", 1951.
    """
    c = index("class", "c")
    return Sum(target[c] * log(target[c] / prediction[c]), c)


@loss
def reverse_kl_divergence(
    prediction=Prediction("class", interval=(0, 1)),
    target=Target("class", interval=(0, 1)),
):
    """Kullback-Leibler divergence of the target from the predicted distribution.

    Use it where the prediction should keep to what is likely under the target, and may leave out
    some of it; `kl_divergence` covers all of it instead. Where the target is 0 the prediction must
    be 0, too, or it costs infinity.

    References:
        T. Minka, "Divergence Measures and Message Passing", 2005.
    """
    c = index("class", "c")
    return relative_entropy(prediction[c], target[c], c)


@loss
def kl_divergence_with_logits(logits=Prediction("class"), target=Target("class", interval=(0, 1))):
    """Kullback-Leibler divergence of the softmax of logits from the target distribution.

    Use it for soft targets where 0 should mean a perfect fit. Its gradient is that of
    `softmax_cross_entropy`, which is larger by the entropy of the target.

    References:
        S. Kullback and R. A. Leibler, "On Information and Sufficiency", 1951.
    """
    c = index("class", "c")
    return Sum(target[c] * (log(target[c]) - log_softmax(logits[c], c)), c)


@loss
def kl_divergence_with_log_target(
    log_prediction=Prediction("class", nonpositive=True),
    log_target=Target("class", nonpositive=True),
):
    """Kullback-Leibler divergence of two distributions that are given by their logarithms.

    Use it between two log-softmaxes, where probabilities would underflow. The sum over the classes
    is one loss; it is not averaged over them. With raw logits on both sides use `distillation`.

    References:
        S. Kullback and R. A. Leibler, "On Information and Sufficiency", 1951.
    """
    c = index("class", "c")
    return Sum(exp(log_target[c]) * (log_target[c] - log_prediction[c]), c)


@loss(aliases=("js_div",))
def js_divergence(
    prediction=Prediction("class", interval=(0, 1)),
    target=Target("class", interval=(0, 1)),
):
    """Jensen-Shannon divergence: mean divergence of two distributions from their mean.

    Use it for a divergence that is symmetric and never more than log(2), also where one of them
    is 0. Its gradient fades where the two hardly overlap. The root of it is a distance.

    References:
        J. Lin, "Divergence Measures Based on the Shannon Entropy", 1991.
    """
    c = index("class", "c")
    p, q = target[c], prediction[c]
    mean = (p + q) / 2
    return (relative_entropy(p, mean, c) + relative_entropy(q, mean, c)) / 2


@loss
def total_variation_distance(
    prediction=Prediction("class", interval=(0, 1)),
    target=Target("class", interval=(0, 1)),
):
    """Half the sum of absolute differences: the largest difference of any event's probability.

    Use it to compare distributions on a scale from 0 to 1, or for robust fits. Its gradient knows
    only which classes are too likely, not by how much: `hellinger_distance` is smooth.

    References:
        D. A. Levin, Y. Peres and E. L. Wilmer, "Markov Chains and Mixing Times", 2009.
    """
    c = index("class", "c")
    return Sum(Abs(prediction[c] - target[c]), c) / 2


@loss
def squared_hellinger_distance(
    prediction=Prediction("class", interval=(0, 1)),
    target=Target("class", interval=(0, 1)),
):
    """Half the squared distance of the roots of two distributions; between 0 and 1.

    Use it for a bounded, symmetric divergence that is smooth inside. The gradient is infinite at
    a prediction of 0 whose target is not.

    References:
        E. Hellinger, "Neue Begründung der Theorie quadratischer Formen von unendlichvielen
        Veränderlichen", 1909.
    """
    c = index("class", "c")
    return Sum((sqrt(prediction[c]) - sqrt(target[c])) ** 2, c) / 2


@loss
def bhattacharyya_distance(
    prediction=Prediction("class", interval=(0, 1)),
    target=Target("class", interval=(0, 1)),
):
    """Minus the logarithm of the overlap of two distributions, the sum of their geometric means.

    Use it for a symmetric divergence that punishes distributions apart more and more: without
    overlap it is infinite. Half of it bounds the error of telling the two apart.

    References:
        A. Bhattacharyya, "On a Measure of Divergence between Two Statistical Populations Defined by
        Their Probability Distributions", 1943.
    """
    c = index("class", "c")
    return -log(Sum(sqrt(prediction[c] * target[c]), c))


@loss
def chi_squared_divergence(
    prediction=Prediction("class", positive=True),
    target=Target("class", nonnegative=True),
):
    """Sum of squared differences relative to the prediction: Pearson's statistic per observation.

    Use it to fit frequencies where the prediction sets the scale of each error. Predictions must be
    positive; near 0 they dominate.

    References:
        K. Pearson, "On the Criterion that a Given System of Deviations from the Probable in the
        Case of a Correlated System of Variables is such that it can be Reasonably Supposed to have
        Arisen from Random Sampling", 1900.
    """
    c = index("class", "c")
    return Sum((prediction[c] - target[c]) ** 2 / prediction[c], c)


@loss
def alpha_divergence(
    prediction=Prediction("class", interval=(0, 1)),
    target=Target("class", interval=(0, 1)),
    *,
    alpha=Param(Rational(1, 2), domain=NEITHER_END),
):
    """A family of divergences between the two directions of the Kullback-Leibler divergence.

    Use it to choose between covering all of the target (`alpha` near 1, `kl_divergence`) and
    keeping to its likely part (near 0, `reverse_kl_divergence`); at 1/2 it is four times
    `squared_hellinger_distance`. Distributions should sum to 1.

    References:
        S. Amari, "Differential-Geometrical Methods in Statistics", 1985.
    """
    c = index("class", "c")
    overlap = Sum(target[c] ** alpha * prediction[c] ** (1 - alpha), c)
    return (1 - overlap) / (alpha * (1 - alpha))


@loss
def renyi_divergence(
    prediction=Prediction("class", interval=(0, 1)),
    target=Target("class", interval=(0, 1)),
    *,
    alpha=Param(Rational(1, 2), domain=NEITHER_END),
):
    """Rényi divergence of order `alpha` of a predicted distribution from the target distribution.

    Use it as a divergence that stays finite wherever the two overlap; near `alpha = 1` it is
    `kl_divergence`, at 1/2 twice `bhattacharyya_distance`.

    References:
        A. Rényi, "On Measures of Entropy and Information", 1961.
    """
    c = index("class", "c")
    return log(Sum(target[c] ** alpha * prediction[c] ** (1 - alpha), c)) / (alpha - 1)


@loss
def generalized_kl_divergence(
    prediction=Prediction("class", positive=True),
    target=Target("class", nonnegative=True),
):
    """Kullback-Leibler divergence of positive numbers that need not sum to 1.

    Use it for counts, histograms and spectra, as in nonnegative factorisation. It is half the
    Poisson deviance, and 0 at a perfect fit.

    References:
        I. Csiszár, "Why Least Squares and Maximum Entropy?", 1991.
    """
    c = index("class", "c")
    p, q = target[c], prediction[c]
    return Sum(p * log(p / q) - p + q, c)


@loss
def itakura_saito_divergence(
    prediction=Prediction("frequency", positive=True),
    target=Target("frequency", positive=True),
):
    """Sum of the target's ratio to the prediction, minus its logarithm, minus 1.

    Use it for power spectra: only ratios count, so quiet parts matter as much as loud ones, and a
    prediction that is too low costs more than one that is too high. It is half a gamma deviance.

    References:
        F. Itakura and S. Saito, "Analysis Synthesis Telephony Based on the Maximum Likelihood
        Method", 1968.
    """
    f = index("frequency", "f")
    ratio = target[f] / prediction[f]
    return Sum(ratio - log(ratio) - 1, f)
