"""Divergences: how far a predicted distribution is from a target distribution."""

from losscompiler.spec import Prediction, Sum, Target, index, log, loss


@loss
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
