"""Segmentation losses: overlap of predicted and true regions, per class, over all positions."""

from losscompiler.spec import Param, Prediction, Rational, Sum, Target, index, loss


@loss
def tversky(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    target=Target("class", "*spatial", interval=(0, 1)),
    *,
    alpha=Param(Rational(1, 2), nonnegative=True),
    beta=Param(Rational(1, 2), nonnegative=True),
    smooth=Param(1, positive=True),
):
    """One minus the Tversky index: overlap with separate prices of false alarms and of misses.

    Use it when missing a small region is worse than painting too much: `alpha` weighs false
    positives, `beta` false negatives. `alpha = beta = 1/2` is `dice` with twice the `smooth`,
    `alpha = beta = 1` is `jaccard`. There is one loss per sample and class; `smooth` keeps it
    defined where a class is absent.

    References:
        S. S. M. Salehi, D. Erdogmus and A. Gholipour, "Tversky Loss Function for Image
        Segmentation Using 3D Fully Convolutional Deep Networks", 2017.
    """
    c, s = index("class", "c"), index("spatial", "s")
    hits = Sum(probability[c, s] * target[c, s], s)
    false_alarms = Sum(probability[c, s] * (1 - target[c, s]), s)
    misses = Sum((1 - probability[c, s]) * target[c, s], s)
    return 1 - (hits + smooth) / (hits + alpha * false_alarms + beta * misses + smooth)


@loss
def dice(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    target=Target("class", "*spatial", interval=(0, 1)),
    *,
    smooth=Param(1, positive=True),
):
    """One minus the Dice coefficient: overlap relative to the mean size of both regions.

    Use it for regions that are small beside the background, often added to a cross-entropy, whose
    gradient per position is steadier. There is one loss per sample and class, over all positions;
    `smooth` keeps it defined where a class is absent, and should be small beside the number of
    positions of a region.

    References:
        F. Milletari, N. Navab and S.-A. Ahmadi, "V-Net: Fully Convolutional Neural Networks for
        Volumetric Medical Image Segmentation", 2016.
    """
    c, s = index("class", "c"), index("spatial", "s")
    overlap = Sum(probability[c, s] * target[c, s], s)
    total = Sum(probability[c, s], s) + Sum(target[c, s], s)
    return 1 - (2 * overlap + smooth) / (total + smooth)


@loss
def jaccard(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    target=Target("class", "*spatial", interval=(0, 1)),
    *,
    smooth=Param(1, positive=True),
):
    """One minus the Jaccard index: overlap relative to the union of both regions.

    Use it when the score that counts is intersection over union. It ranks segmentations as `dice`
    does and punishes partial overlap more. There is one loss per sample and class, over all
    positions; `smooth` keeps it defined where a class is absent.

    References:
        M. A. Rahman and Y. Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks for
        Image Segmentation", 2016.
    """
    c, s = index("class", "c"), index("spatial", "s")
    overlap = Sum(probability[c, s] * target[c, s], s)
    total = Sum(probability[c, s], s) + Sum(target[c, s], s)
    return 1 - (overlap + smooth) / (total - overlap + smooth)
