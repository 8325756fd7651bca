"""Evidential losses: the prediction is a distribution over distributions."""

from losscompiler.spec import (
    Abs,
    Interval,
    Prediction,
    Rational,
    Sum,
    Target,
    digamma,
    index,
    lgamma,
    log,
    loss,
    oo,
    pi,
)


@loss(aliases=("deep_evidential_regression", "nig_nll"))
def evidential_regression(
    mean=Prediction(),
    evidence=Prediction(positive=True),
    shape=Prediction(domain=Interval.open(1, oo)),
    scale=Prediction(positive=True),
    target=Target(),
):
    """Negative log evidence of a target under a predicted normal-inverse-gamma prior.

    Use it to learn the noise of the data, scale / (shape - 1), and the uncertainty of the model,
    the same over the evidence, in one pass; they exist as `shape` exceeds 1. Add
    `evidential_penalty`, times about 0.01, which takes evidence away from wrong predictions.

    References:
        A. Amini et al., "Deep Evidential Regression", 2020.
    """
    error = target - mean
    omega = 2 * scale * (1 + evidence)
    return (
        log(pi / evidence) / 2
        - shape * log(omega)
        + (shape + Rational(1, 2)) * log(error**2 * evidence + omega)
        + lgamma(shape)
        - lgamma(shape + Rational(1, 2))
    )


@loss(aliases=("nig_reg",))
def evidential_penalty(
    mean=Prediction(),
    evidence=Prediction(positive=True),
    shape=Prediction(domain=Interval.open(1, oo)),
    target=Target(),
):
    """Absolute error times the total evidence that was claimed for the prediction.

    Use it as the regulariser of `evidential_regression`, with a small factor: too little of it
    lets the evidence grow without bound, too much hides real knowledge. Alone it only makes
    evidence vanish.

    References:
        A. Amini et al., "Deep Evidential Regression", 2020.
    """
    return Abs(target - mean) * (2 * evidence + shape)


@loss(aliases=("edl_digamma", "dirichlet_cross_entropy"))
def evidential_cross_entropy(
    evidence=Prediction("class", nonnegative=True), target=Target("class", interval=(0, 1))
):
    """Cross-entropy in expectation over a Dirichlet distribution with the predicted evidence.

    Use it to train classifiers that say "I do not know": the concentrations are evidence + 1, and
    little evidence overall means an uncertain prediction. Without a regulariser on the
    evidence for wrong classes it stays overconfident far from the data.

    References:
        M. Sensoy, L. Kaplan and M. Kandemir, "Evidential Deep Learning to Quantify Classification
        Uncertainty", 2018.
    """
    c, k = index("class", "c k")
    return Sum(target[c] * (digamma(Sum(evidence[k] + 1, k)) - digamma(evidence[c] + 1)), c)


@loss(aliases=("edl_log",))
def evidential_log_likelihood(
    evidence=Prediction("class", nonnegative=True), target=Target("class", interval=(0, 1))
):
    """Negative log-probability of a class under the mean of a Dirichlet distribution.

    Use it like `evidential_cross_entropy`, of which it is the variant that integrates the class
    probabilities out (type II maximum likelihood): it punishes uncertain predictions less.

    References:
        M. Sensoy, L. Kaplan and M. Kandemir, "Evidential Deep Learning to Quantify Classification
        Uncertainty", 2018.
    """
    c, k = index("class", "c k")
    return Sum(target[c] * (log(Sum(evidence[k] + 1, k)) - log(evidence[c] + 1)), c)
