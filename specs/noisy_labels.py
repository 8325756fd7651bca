"""Classification losses that wrong labels mislead less, or that keep models from being too sure."""

from losscompiler.spec import (
    Interval,
    Label,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    log_softmax,
    loss,
    oo,
    softmax,
)

from ._options import one_hot, surprisal

ABOVE_ZERO = Interval.Lopen(0, 1)


@loss(aliases=("generalized_ce",))
def generalized_cross_entropy(
    probabilities=Prediction("class", interval=(0, 1)),
    label=Label("class"),
    *,
    q=Param(Rational(1, 2), domain=ABOVE_ZERO),
):
    """Between the cross-entropy and the absolute error of the label's probability.

    Use it when labels are noisy and the model gives probabilities; with logits use
    `generalized_cross_entropy_with_logits`. `q` near 0 is the cross-entropy, `q = 1` one minus the
    probability, which noise hardly moves but which learns slowly. The authors use 0.7.

    References:
        Z. Zhang and M. R. Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural
        Networks with Noisy Labels", 2018.
    """
    return (1 - probabilities[label] ** q) / q


@loss
def generalized_cross_entropy_with_logits(
    logits=Prediction("class"),
    label=Label("class"),
    *,
    q=Param(Rational(1, 2), domain=ABOVE_ZERO),
):
    """Between the cross-entropy and the absolute error of the label's softmax probability.

    Use it when labels are noisy: samples that the model disbelieves pull less. `q` near 0 is the
    cross-entropy, `q = 1` one minus the probability, which learns slowly. The authors use 0.7. It
    is not convex: with many classes start from a cross-entropy fit.

    References:
        Z. Zhang and M. R. Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural
        Networks with Noisy Labels", 2018.
    """
    return (1 - exp(-q * surprisal(logits, label))) / q


@loss
def symmetric_cross_entropy(
    logits=Prediction("class"),
    label=Label("class"),
    *,
    alpha=Param(Rational("0.1"), nonnegative=True),
    beta=Param(1, nonnegative=True),
    log_zero=Param(-4, negative=True),
):
    """Cross-entropy plus the reverse one, in which prediction and label change places.

    Use it when labels are noisy: `alpha` weighs the cross-entropy, which learns fast, `beta` the
    reverse one, which noise hardly moves. The logarithm of a label's zero is taken to be
    `log_zero`. Many classes want a larger `alpha`.

    References:
        Y. Wang et al., "Symmetric Cross Entropy for Robust Learning with Noisy Labels", 2019.
    """
    wrong = 1 - exp(-surprisal(logits, label))
    return alpha * surprisal(logits, label) - beta * log_zero * wrong


@loss(aliases=("poly1_ce",))
def poly1_cross_entropy(
    logits=Prediction("class"),
    target=Target("class", interval=(0, 1)),
    *,
    epsilon=Param(2, interval=(-1, oo)),
):
    """Softmax cross-entropy of a distribution with the first term of its series reweighed.

    Use it in the place of `softmax_cross_entropy` where one more parameter can be tuned: a positive
    `epsilon` stresses samples that are not yet sure, a negative one soft targets. At 0 it is the
    cross-entropy. The target should sum to 1.

    References:
        Z. Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss
        Functions", 2022.
    """
    c = index("class", "c")
    return Sum(target[c] * (surprisal(logits, c) + epsilon * (1 - exp(-surprisal(logits, c)))), c)


@loss
def sparse_poly1_cross_entropy(
    logits=Prediction("class"),
    label=Label("class"),
    *,
    epsilon=Param(2, interval=(-1, oo)),
):
    """Softmax cross-entropy of a label with the first term of its series reweighed.

    Use it in the place of `sparse_softmax_cross_entropy` where one more parameter can be tuned: a
    positive `epsilon` stresses samples that are not yet sure. At 0 it is the cross-entropy.

    References:
        Z. Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss
        Functions", 2022.
    """
    cross_entropy = surprisal(logits, label)
    return cross_entropy + epsilon * (1 - exp(-cross_entropy))


@loss
def confidence_penalized_cross_entropy(
    logits=Prediction("class"),
    label=Label("class"),
    *,
    beta=Param(Rational("0.1"), nonnegative=True),
):
    """Cross-entropy of a label minus a share of the entropy of the prediction.

    Use it against overconfident classifiers: unlike label smoothing it lets the model choose which
    other classes are likely. `beta` is the price of certainty.

    References:
        G. Pereyra, G. Tucker, J. Chorowski, L. Kaiser and G. Hinton, "Regularizing Neural Networks
        by Penalizing Confident Output Distributions", 2017.
    """
    c = index("class", "c")
    entropy = -Sum(softmax(logits[c], c) * log_softmax(logits[c], c), c)
    return surprisal(logits, label) - beta * entropy


@loss
def softmax_squared_error(logits=Prediction("class"), label=Label("class")):
    """Squared distance of the softmax probabilities from the label: Brier's score of logits.

    Use it when labels are noisy, or probabilities should be calibrated more than sharp: it costs
    at most 2. Its gradient vanishes where the model is sure and wrong, so learning starts slowly;
    `sparse_softmax_cross_entropy` does not.

    References:
        G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950.
    """
    c = index("class", "c")
    return Sum((softmax(logits[c], c) - one_hot(label, c)) ** 2, c)
