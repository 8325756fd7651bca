"""Segmentation losses: overlap of predicted and true regions, per class, over all positions."""

from losscompiler.spec import (
    Max,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    cosh,
    index,
    log,
    loss,
    sqrt,
)


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


@loss
def squared_dice(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    target=Target("class", "*spatial", interval=(0, 1)),
    *,
    smooth=Param(1, positive=True),
):
    """`dice` with the squares of both regions in the denominator.

    Use it in place of `dice` for a gradient that is less harsh at hesitant positions. Equal for
    predictions of 0 and 1.

    References:
        F. Milletari, N. Navab and S.-A. Ahmadi, "V-Net: Fully Convolutional Neural Networks for
        Volumetric Medical Image Segmentation", 2016.
    """
    c, s = index("class", "c"), index("spatial", "s")
    overlap = Sum(probability[c, s] * target[c, s], s)
    total = Sum(probability[c, s] ** 2, s) + Sum(target[c, s] ** 2, s)
    return 1 - (2 * overlap + smooth) / (total + smooth)


@loss
def generalized_dice(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    target=Target("class", "*spatial", interval=(0, 1)),
    *,
    smooth=Param(Rational("0.00001"), positive=True),
):
    """Dice loss over all classes at once, each weighted by one over its squared size.

    Use it for classes of very different sizes. A class of less than one position, so also an
    absent one, has the weight of one position: false alarms there cost most. (MONAI gives absent
    classes the largest weight of those present.) There is one loss per sample. Weights change
    from sample to sample: small objects make it noisy.

    References:
        C. H. Sudre et al., "Generalised Dice Overlap as a Deep Learning Loss Function for Highly
        Unbalanced Segmentations", 2017.
    """
    c, s = index("class", "c"), index("spatial", "s")
    present = Sum(target[c, s], s)
    importance = 1 / Max(present, 1) ** 2
    overlap = Sum(importance * Sum(probability[c, s] * target[c, s], s), c)
    total = Sum(importance * (Sum(probability[c, s], s) + present), c)
    return 1 - (2 * overlap + smooth) / (total + smooth)


@loss
def focal_tversky(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    target=Target("class", "*spatial", interval=(0, 1)),
    *,
    alpha=Param(Rational("0.3"), nonnegative=True),
    beta=Param(Rational("0.7"), nonnegative=True),
    gamma=Param(Rational(3, 4), positive=True),
    smooth=Param(1, positive=True),
):
    """A power of the Tversky loss.

    Use it for small lesions: a `gamma` below 1 stresses what is segmented almost right, one above
    1 what is missed. Below 1 the gradient is infinite for a perfect prediction, which `smooth`
    does not prevent. `gamma` is one over the authors' own; in some libraries it is the same power.

    References:
        N. Abraham and N. M. Khan, "A Novel Focal Tversky Loss Function with Improved Attention
        U-Net for Lesion Segmentation", 2019.
    """
    return tversky(probability, target, alpha=alpha, beta=beta, smooth=smooth) ** gamma


@loss
def log_cosh_dice(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    target=Target("class", "*spatial", interval=(0, 1)),
    *,
    smooth=Param(1, positive=True),
):
    """Log-cosh of the Dice loss: its gradient fades as the overlap becomes perfect.

    Use it in place of `dice` for a smoother end of training; it lies between 0 and log(cosh(1)).

    References:
        S. Jadon, "A Survey of Loss Functions for Semantic Segmentation", 2020.
    """
    return log(cosh(dice(probability, target, smooth=smooth)))


@loss(aliases=("mcc",))
def matthews_correlation(
    probability=Prediction("class", "*spatial", interval=(0, 1)),
    target=Target("class", "*spatial", interval=(0, 1)),
    *,
    smooth=Param(Rational("0.00001"), positive=True),
):
    """One minus Matthews' correlation coefficient of a soft segmentation.

    Use it where true negatives count, too, as they do not in `dice`. `smooth` is added to each of
    the four counts and keeps it defined where a region is empty or full. There is one loss per
    sample and class, between 0 and 2.

    References:
        K. Abhishek and G. Hamarneh, "Matthews Correlation Coefficient Loss for Deep Convolutional
        Networks: Application to Skin Lesion Segmentation", 2021.
    """
    c, s = index("class", "c"), index("spatial", "s")
    p, y = probability[c, s], target[c, s]
    hits = Sum(p * y, s) + smooth
    rests = Sum((1 - p) * (1 - y), s) + smooth
    false_alarms = Sum(p * (1 - y), s) + smooth
    misses = Sum((1 - p) * y, s) + smooth
    product = (hits + false_alarms) * (hits + misses) * (rests + false_alarms) * (rests + misses)
    return 1 - (hits * rests - false_alarms * misses) / sqrt(product)
