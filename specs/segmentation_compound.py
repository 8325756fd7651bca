"""Segmentation losses that combine overlap with something else, or weigh positions by distance."""

from losscompiler.spec import (
    Mean,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    index,
    log,
    log_softmax,
    loss,
    sigmoid,
    softmax,
)

from .classification import binary_cross_entropy_with_logits
from .segmentation import dice


@loss(aliases=("dice_ce",))
def dice_cross_entropy(
    logits=Prediction("class", "*spatial"),
    target=Target("class", "*spatial", interval=(0, 1)),
    *,
    dice_coefficient=Param(1, nonnegative=True),
    cross_entropy_coefficient=Param(1, nonnegative=True),
    smooth=Param(1, positive=True),
):
    """Dice loss, averaged over the classes, plus softmax cross-entropy, averaged over positions.

    Use it as the first choice for segmentation by classes that exclude each other: cross-entropy
    gives every position a steady gradient, Dice looks after small regions. There is one loss per
    sample. For regions that may overlap use `binary_dice_cross_entropy`.

    References:
        F. Isensee et al., "nnU-Net: A Self-configuring Method for Deep Learning-based Biomedical
        Image Segmentation", 2021.
    """
    c, s = index("class", "c"), index("spatial", "s")
    overlap = Mean(dice(softmax(logits[c, s], c), target, smooth=smooth), c)
    entropy = -Mean(Sum(target[c, s] * log_softmax(logits[c, s], c), c), s)
    return dice_coefficient * overlap + cross_entropy_coefficient * entropy


@loss
def binary_dice(
    logits=Prediction("*spatial"),
    target=Target("*spatial", interval=(0, 1)),
    *,
    smooth=Param(1, positive=True),
):
    """Dice loss of one region, from logits.

    Use it for foreground against background. It is `dice` of the sigmoid, without a class axis.

    References:
        F. Milletari, N. Navab and S.-A. Ahmadi, "V-Net: Fully Convolutional Neural Networks for
        Volumetric Medical Image Segmentation", 2016.
    """
    s = index("spatial", "s")
    overlap = Sum(sigmoid(logits[s]) * target[s], s)
    total = Sum(sigmoid(logits[s]), s) + Sum(target[s], s)
    return 1 - (2 * overlap + smooth) / (total + smooth)


@loss
def binary_dice_cross_entropy(
    logits=Prediction("*spatial"),
    target=Target("*spatial", interval=(0, 1)),
    *,
    dice_coefficient=Param(1, nonnegative=True),
    cross_entropy_coefficient=Param(1, nonnegative=True),
    smooth=Param(1, positive=True),
):
    """`binary_dice` plus binary cross-entropy, averaged over positions.

    Use it for foreground against background, or for each of several regions that may overlap.

    References:
        S. A. Taghanaki et al., "Combo Loss: Handling Input and Output Imbalance in Multi-organ
        Segmentation", 2019.
    """
    s = index("spatial", "s")
    entropy = Mean(binary_cross_entropy_with_logits(logits[s], target[s]), s)
    overlap = binary_dice(logits, target, smooth=smooth)
    return dice_coefficient * overlap + cross_entropy_coefficient * entropy


@loss
def combo(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    target=Target("class", "*spatial", interval=(0, 1)),
    *,
    alpha=Param(Rational(1, 2), interval=(0, 1)),
    beta=Param(Rational(1, 2), interval=(0, 1)),
    smooth=Param(1, positive=True),
):
    """Weighted binary cross-entropy and `dice`, as a weighted mean.

    Use it to trade false alarms for misses: `beta` above 1/2 punishes misses more. `alpha` is the
    share of cross-entropy. There is one loss per sample and class; the authors subtract the Dice
    coefficient instead of adding one minus it, which is less by `1 - alpha`.

    References:
        S. A. Taghanaki et al., "Combo Loss: Handling Input and Output Imbalance in Multi-organ
        Segmentation", 2019.
    """
    c, s = index("class", "c"), index("spatial", "s")
    p, y = probability[c, s], target[c, s]
    entropy = -Mean(beta * y * log(p) + (1 - beta) * (1 - y) * log(1 - p), s)
    return alpha * entropy + (1 - alpha) * dice(probability, target, smooth=smooth)


@loss
def boundary(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    distance=Target("class", "*spatial"),
):
    """Mean of probabilities times signed distances to the true boundary.

    Use it beside `dice` or `generalized_dice`, with a growing weight: far errors cost more than
    near ones. `distance` is negative inside the true region and positive outside; compute it
    once per target. Alone, it may collapse to an empty region.

    References:
        H. Kervadec et al., "Boundary Loss for Highly Unbalanced Segmentation", 2019.
    """
    c, s = index("class", "c"), index("spatial", "s")
    return Mean(probability[c, s] * distance[c, s], s)


@loss
def hausdorff_distance(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    target=Target("class", "*spatial", interval=(0, 1)),
    predicted_distance=Target("class", "*spatial", nonnegative=True),
    true_distance=Target("class", "*spatial", nonnegative=True),
    *,
    alpha=Param(2, positive=True),
):
    """Mean squared error, weighted by powers of the distances to both boundaries.

    Use it beside an overlap loss to shrink the largest errors of a contour. The distances to the
    predicted and to the true boundary are data, computed anew for every prediction.

    References:
        D. Karimi and S. E. Salcudean, "Reducing the Hausdorff Distance in Medical Image
        Segmentation with Convolutional Neural Networks", 2019.
    """
    c, s = index("class", "c"), index("spatial", "s")
    far = predicted_distance[c, s] ** alpha + true_distance[c, s] ** alpha
    return Mean((probability[c, s] - target[c, s]) ** 2 * far, s)
