"""Evidential losses: the prediction is a distribution over distributions."""

from losscompiler.spec import (
    Prediction,
    Sum,
    Target,
    digamma,
    index,
    log,
    loss,
)


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
