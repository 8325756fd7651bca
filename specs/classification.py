"""Classification losses: binary, multiclass by label or by distribution, and margin losses."""

from losscompiler.spec import (
    Label,
    Mean,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    log,
    loss,
    sigmoid,
)

from ._options import margin_cost, smoothed, smoothed_target, surprisal


@loss(aliases=("bce_probs",))
def binary_cross_entropy(
    probability=Prediction(interval=(0, 1)),
    target=Target(interval=(0, 1)),
    *,
    label_smoothing=Param(0, interval=(0, 1)),
):
    """Cross-entropy of a binary target under a predicted probability.

    Use it when the model gives probabilities and nothing else. If there is a logit,
    `binary_cross_entropy_with_logits` is exact where a probability has already rounded to 0 or 1.
    Nothing is clipped: a certain and wrong prediction costs infinity, a certain and right one 0.
    `label_smoothing` moves the target by that share towards 1/2.

    References:
        I. J. Good, "Rational Decisions", 1952.
    """
    y = smoothed_target(target, label_smoothing)
    return -(y * log(probability) + (1 - y) * log(1 - probability))


@loss(aliases=("bce_with_logits",))
def binary_cross_entropy_with_logits(
    logits=Prediction(),
    target=Target(interval=(0, 1)),
    *,
    pos_weight=Param(1, positive=True),
    label_smoothing=Param(0, interval=(0, 1)),
):
    """Cross-entropy of a binary target under the sigmoid of a logit.

    Use it for binary and multilabel classification. `pos_weight` multiplies the loss of positives:
    above 1 it raises recall, below 1 precision, and the probabilities are no longer calibrated.
    With many easy negatives consider `binary_focal`. `label_smoothing` moves the target by that
    share towards 1/2, before the positives are weighed.

    References:
        D. R. Cox, "The Regression Analysis of Binary Sequences", 1958.
    """
    p, y = sigmoid(logits), smoothed_target(target, label_smoothing)
    return -(pos_weight * y * log(p) + (1 - y) * log(1 - p))


@loss(aliases=("softmax_ce_dense", "categorical_cross_entropy"))
def softmax_cross_entropy(
    logits=Prediction("class"),
    target=Target("class", interval=(0, 1)),
    *,
    label_smoothing=Param(0, interval=(0, 1)),
):
    """Cross-entropy of a target distribution under the softmax of logits.

    Use it for soft targets: distillation, mixup, annotator votes. With one label per sample
    `sparse_softmax_cross_entropy` is the same without the one-hot array. The target is taken as
    it is; it should sum to 1 over the classes. `label_smoothing` moves that share of the target
    to the uniform distribution.

    References:
        J. S. Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs,
        with Relationships to Statistical Pattern Recognition", 1990.
        C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016
        (label smoothing).
    """
    c = index("class", "c")
    return smoothed(
        Sum(target[c] * surprisal(logits, c), c),
        Mean(surprisal(logits, c), c),
        label_smoothing,
    )


@loss(aliases=("softmax_ce_sparse",))
def sparse_softmax_cross_entropy(
    logits=Prediction("class"),
    label=Label("class"),
    *,
    label_smoothing=Param(0, interval=(0, 1)),
):
    """Cross-entropy of a label under the softmax of logits.

    Use it for classes that exclude each other, one label per sample (or per token, or pixel). For
    labels that may hold together use `binary_cross_entropy_with_logits` per class.
    `label_smoothing` moves that share of the target to the uniform distribution; a class weight
    multiplies the whole loss of a sample, the smoothed part included.

    References:
        J. S. Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs,
        with Relationships to Statistical Pattern Recognition", 1990.
        C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016
        (label smoothing).
    """
    c = index("class", "c")
    return smoothed(surprisal(logits, label), Mean(surprisal(logits, c), c), label_smoothing)


@loss(aliases=("nll",))
def negative_log_likelihood(
    log_probabilities=Prediction("class", nonpositive=True), label=Label("class")
):
    """Minus the predicted log-probability of the label.

    Use it behind a log-softmax, or with any model that gives normalised log-probabilities; nothing
    normalises them here. With logits use `sparse_softmax_cross_entropy`.

    References:
        I. J. Good, "Rational Decisions", 1952.
    """
    return -log_probabilities[label]


@loss
def hinge(prediction=Prediction(), target=Target(values={-1, 1})):
    """Linear cost of a score on the wrong side of the margin; targets are -1 and 1.

    Use it for large-margin classifiers, where scores need not become probabilities. Targets of 0
    and 1 must be mapped to -1 and 1 first: nothing converts them. It has a kink at the margin; for
    a smooth one use `squared_hinge`, for probabilities a cross-entropy.

    References:
        C. Cortes and V. Vapnik, "Support-Vector Networks", 1995.
    """
    return margin_cost(target * prediction)


@loss
def squared_hinge(prediction=Prediction(), target=Target(values={-1, 1})):
    """Square of the hinge loss: smooth at the margin; targets are -1 and 1.

    Use it where `hinge` is wanted with a continuous gradient. A badly misclassified sample costs
    its squared score, so mislabelled data pull hard.

    References:
        Y. Tang, "Deep Learning using Linear Support Vector Machines", 2013.
    """
    return hinge(prediction, target) ** 2


@loss
def binary_focal(
    logits=Prediction(),
    target=Target(interval=(0, 1)),
    *,
    alpha=Param(Rational(1, 4), interval=(0, 1)),
    gamma=Param(2, nonnegative=True),
):
    """Binary cross-entropy that fades for samples that are already classified well.

    Use it when easy negatives drown the rest, as in dense detection. `alpha` weighs positives and
    `1 - alpha` negatives: at `alpha = 1/2` and `gamma = 0` it is half the cross-entropy. It is not
    convex, and its probabilities are too timid: calibrate them, or use
    `binary_cross_entropy_with_logits`, where they matter.

    References:
        T.-Y. Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """
    p = sigmoid(logits)
    positive = alpha * (1 - p) ** gamma * log(p)
    negative = (1 - alpha) * p**gamma * log(1 - p)
    return -(target * positive + (1 - target) * negative)


@loss
def softmax_focal(
    logits=Prediction("class"), label=Label("class"), *, gamma=Param(2, nonnegative=True)
):
    """Softmax cross-entropy that fades for samples that are already classified well.

    Use it for many classes with few hard samples among many easy ones; weigh classes by
    `class_weight`. At `gamma = 0` it is `sparse_softmax_cross_entropy`. It is not convex in the
    logits, and a high `gamma` slows the start, when everything is hard.

    References:
        T.-Y. Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """
    cross_entropy = surprisal(logits, label)
    return (1 - exp(-cross_entropy)) ** gamma * cross_entropy
