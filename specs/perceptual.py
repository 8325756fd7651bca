"""Perceptual losses: feature maps of a fixed network compared in place of pixels.

One layer at a time: sum the layers with weights of your own.
"""

from losscompiler.spec import Mean, Norm, Param, Prediction, Sum, Target, index, loss, size

from ._options import cosine_similarity


def gram(features, a, b):
    """Inner product of two channels over all positions."""
    p = index("position", "p")
    return Sum(features[a, p] * features[b, p], p)


@loss
def content(features=Prediction("channel", "*position"), target=Target("channel", "*position")):
    """Half the squared distance of two feature maps.

    Use it to keep what a picture shows, beside `style`. It is a sum over channels and positions;
    `feature_reconstruction` is the mean.

    References:
        L. A. Gatys, A. S. Ecker and M. Bethge, "Image Style Transfer Using Convolutional Neural
        Networks", 2016.
    """
    c, p = index("channel", "c"), index("position", "p")
    return Sum((features[c, p] - target[c, p]) ** 2, c, p) / 2


@loss
def feature_reconstruction(
    features=Prediction("channel", "*position"), target=Target("channel", "*position")
):
    """Mean squared difference of two feature maps.

    Use it as the perceptual loss of transfer and super-resolution networks.

    References:
        J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and
        Super-Resolution", 2016.
    """
    c, p = index("channel", "c"), index("position", "p")
    return Mean((features[c, p] - target[c, p]) ** 2, c, p)


@loss(aliases=("gram_matrix",))
def style(features=Prediction("channel", "*position"), target=Target("channel", "*position")):
    """Squared distance of the Gram matrices of two feature maps.

    Use it to match the texture of a picture wherever it is: a Gram matrix holds which features go
    together, not where. It is divided by four times the squares of the numbers of channels and of
    positions; libraries that average instead give another scale.

    References:
        L. A. Gatys, A. S. Ecker and M. Bethge, "Image Style Transfer Using Convolutional Neural
        Networks", 2016.
    """
    a, b = index("channel", "a b")
    difference = Sum((gram(features, a, b) - gram(target, a, b)) ** 2, a, b)
    return difference / (4 * size("channel") ** 2 * size("position") ** 2)


@loss(aliases=("lpips",))
def learned_perceptual(
    features=Prediction("channel", "*position"),
    target=Target("channel", "*position"),
    *,
    channel_weight=Param(1, axes="channel", nonnegative=True),
):
    """Weighted squared distance of feature vectors of length 1, averaged over positions (LPIPS).

    Use it to compare pictures as people do: `channel_weight` are learned weights, one for each
    channel of the layer. A feature vector of 0 has no direction: libraries add 1e-10 to its
    length.

    References:
        R. Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
        2018.
    """
    c, d, p = *index("channel", "c d"), index("position", "p")
    mine = features[c, p] / Norm(features[d, p], d)
    theirs = target[c, p] / Norm(target[d, p], d)
    return Mean(Sum(channel_weight[c] * (mine - theirs) ** 2, c), p)


@loss
def feature_cosine(
    features=Prediction("channel", "*position"), target=Target("channel", "*position")
):
    """One minus the cosine between the feature vectors at each position, averaged.

    Use it to match the direction of features, for distillation or for anomalies. No feature
    vector may be 0.

    References:
        M. Salehi et al., "Multiresolution Knowledge Distillation for Anomaly Detection", 2021.
    """
    c, p = index("channel", "c"), index("position", "p")
    return 1 - Mean(cosine_similarity(features[c, p], target[c, p], c), p)
