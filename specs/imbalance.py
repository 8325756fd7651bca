"""Classification losses for rare classes and rare positives."""

from losscompiler.spec import (
    Abs,
    Interval,
    Label,
    Max,
    Min,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    log,
    loss,
    oo,
    sigmoid,
    size,
    where,
)

from ._options import one_hot, surprisal
from .classification import binary_cross_entropy_with_logits

BELOW_ONE = Interval.Ropen(0, 1)


@loss(aliases=("asl",))
def asymmetric_multilabel(
    logits=Prediction(),
    target=Target(interval=(0, 1)),
    *,
    gamma_negative=Param(4, nonnegative=True),
    gamma_positive=Param(1, nonnegative=True),
    clip=Param(Rational("0.05"), interval=(0, 1)),
):
    """Focal loss with separate powers for positives and negatives; easy negatives cost nothing.

    Use it for multilabel classification, where most classes are absent from most samples.
    Negatives with a probability below `clip` are dropped. One loss per class; libraries sum it over
    all. The focal weight is differentiated along with the rest.

    References:
        E. Ben-Baruch, T. Ridnik et al., "Asymmetric Loss For Multi-Label Classification", 2020.
    """
    p = sigmoid(logits)
    shifted = Max(p - clip, 0)
    positive = (1 - p) ** gamma_positive * log(p)
    negative = shifted**gamma_negative * log(Min(sigmoid(-logits) + clip, 1))
    return -(target * positive + (1 - target) * negative)


@loss
def quality_focal(
    logits=Prediction(), target=Target(interval=(0, 1)), *, beta=Param(2, interval=(2, oo))
):
    """Binary cross-entropy of a soft target, weighed by how far the probability is from it.

    Use it for detectors whose score is both class and quality: the target is the intersection over
    union with the true box, and 0 for the background. At targets of 0 and 1 it is `binary_focal`
    with `gamma = beta`, times 2 at `alpha = 1/2`.

    References:
        X. Li et al., "Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes for
        Dense Object Detection", 2020.
    """
    distance = Abs(target - sigmoid(logits))
    return distance**beta * binary_cross_entropy_with_logits(logits, target)


@loss
def varifocal(
    logits=Prediction(),
    target=Target(interval=(0, 1)),
    *,
    alpha=Param(Rational("0.75"), nonnegative=True),
    gamma=Param(2, nonnegative=True),
):
    """Binary cross-entropy of a soft target, weighed by the target; negatives fade when easy.

    Use it for detectors whose score is both class and quality: the target is the intersection over
    union with the true box, by which positives are weighed, and 0 for the background.

    References:
        H. Zhang, Y. Wang, F. Dayoub and N. Sünderhauf, "VarifocalNet: An IoU-aware Dense Object
        Detector", 2021.
    """
    importance = where(target > 0, target, alpha * sigmoid(logits) ** gamma)
    return importance * binary_cross_entropy_with_logits(logits, target)


@loss
def logit_adjusted_cross_entropy(
    logits=Prediction("class"),
    label=Label("class"),
    prior=Target("class", positive=True),
    *,
    tau=Param(1, nonnegative=True),
):
    """Cross-entropy of logits that are raised by the log-frequency of their class.

    Use it to train on a long tail what is judged class by class: the model learns what the
    frequencies do not explain. `prior` holds the frequencies of the classes, of any scale. Use the
    plain logits when predicting.

    References:
        A. K. Menon et al., "Long-tail Learning via Logit Adjustment", 2021.
        J. Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition", 2020 (`tau = 1`).
    """
    k = index("class", "k")
    adjusted = logits[label] + tau * log(prior[label])
    return log(Sum(exp(logits[k] + tau * log(prior[k])), k)) - adjusted


@loss(aliases=("ldam",))
def label_distribution_aware_margin(
    logits=Prediction("class"),
    label=Label("class"),
    margins=Target("class", nonnegative=True),
):
    """Cross-entropy of logits of which the label's must win by a margin of its class.

    Use it for long tails: rare classes get larger margins, in proportion to the frequency to the
    power -1/4. The authors take cosines times 30 for logits, and margins of at most 1/2 times 30.

    References:
        K. Cao, C. Wei, A. Gaidon, N. Arechiga and T. Ma, "Learning Imbalanced Datasets with
        Label-Distribution-Aware Margin Loss", 2019.
    """
    k = index("class", "k")
    lowered = logits[k] - margins[label] * one_hot(label, k)
    return log(Sum(exp(lowered), k)) - (logits[label] - margins[label])


@loss
def class_balanced_cross_entropy(
    logits=Prediction("class"),
    label=Label("class"),
    count=Target("class", interval=(1, oo)),
    *,
    beta=Param(Rational("0.999"), domain=BELOW_ONE),
):
    """Cross-entropy weighed by the inverse of the effective number of samples of the class.

    Use it for long tails; `count` holds how many samples each class has. `beta = 0` weighs nothing,
    near 1 it weighs by the inverse frequency. The weights of all classes are 1 on average, and
    part of the loss: a weighted mean does not divide by them.

    References:
        Y. Cui, M. Jia, T.-Y. Lin, Y. Song and S. Belongie, "Class-Balanced Loss Based on Effective
        Number of Samples", 2019.
    """
    k = index("class", "k")

    def importance(c):
        return 1 / (1 - exp(count[c] * log(beta)))

    share = importance(label) / Sum(importance(k), k)
    return size(k) * share * surprisal(logits, label)
