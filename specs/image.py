"""Image losses: pictures, depth maps and feature maps compared as wholes.

Pixels are the axes "row" and "column", or any number of axes in one, "position".
"""

from losscompiler.spec import (
    Abs,
    Max,
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
    size,
    where,
)

from ._options import cosine_similarity


def moments(a, b, k):
    """Means, variances and covariance of two signals over an index."""
    mean_a, mean_b = Mean(a, k), Mean(b, k)
    covariance = Mean((a - mean_a) * (b - mean_b), k)
    return mean_a, mean_b, Mean((a - mean_a) ** 2, k), Mean((b - mean_b) ** 2, k), covariance


@loss(aliases=("pearson_ccc", "normalised_cross_correlation"))
def pearson_correlation(prediction=Prediction("*position"), target=Target("*position")):
    """One minus the correlation coefficient of two signals.

    Use it where scale and offset do not matter: image registration (as normalised
    cross-correlation), depth up to an affine map, time series. It lies between 0 and 2. Neither
    signal may be constant: the coefficient of a constant is undefined, and so is the loss. Where
    scale and offset count use `concordance_correlation`.

    References:
        K. Pearson, "Notes on Regression and Inheritance in the Case of Two Parents", 1895.
    """
    k = index("position", "k")
    centred = prediction[k] - Mean(prediction[k], k)
    return 1 - cosine_similarity(centred, target[k] - Mean(target[k], k), k)


@loss(aliases=("ccc",))
def concordance_correlation(
    prediction=Prediction("*position"),
    target=Target("*position"),
    *,
    epsilon=Param(Rational("0.00000001"), positive=True),
):
    """One minus Lin's concordance coefficient: correlation that counts scale and offset, too.

    Use it to predict ratings, such as emotions over time, where agreement counts. Variances are
    divided by the number of positions, as Lin's are. `epsilon` keeps it
    defined for constant signals, which cost 1 whether they agree or not.

    References:
        L. I.-K. Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", 1989.
    """
    k = index("position", "k")
    mean, true_mean, variance, true_variance, covariance = moments(prediction[k], target[k], k)
    return 1 - 2 * covariance / (variance + true_variance + (mean - true_mean) ** 2 + epsilon)


@loss(aliases=("psnr",))
def peak_signal_to_noise(
    prediction=Prediction("*position"), target=Target("*position"), *, peak=Param(1, positive=True)
):
    """Minus the peak signal-to-noise ratio, in decibels.

    Use it to report or to train reconstructions whose values end at `peak`. It is a logarithm of
    the mean squared error: equal images cost minus infinity, and good ones pull hardest.

    References:
        Q. Huynh-Thu and M. Ghanbari, "Scope of Validity of PSNR in Image/Video Quality
        Assessment", 2008.
    """
    k = index("position", "k")
    return 10 * log(Mean((prediction[k] - target[k]) ** 2, k) / peak**2) / log(10)


@loss
def edge_aware_smoothness(
    depth=Prediction("row", "column"), image=Target("channel", "row", "column")
):
    """Mean step between neighbours of a depth map, discounted where the image has an edge.

    Use it for self-supervised depth or disparity, which should be smooth within objects and jump
    at their outlines. Divide the map by its mean first, or it shrinks. Each direction is averaged
    over its own neighbours; a map with one row or column has none that way.

    References:
        C. Godard, O. Mac Aodha and G. J. Brostow, "Unsupervised Monocular Depth Estimation with
        Left-Right Consistency", 2017.
    """
    h, r, c = index("channel", "h"), index("row"), index("column", "c")
    down = exp(-Mean(Abs(image[h, r + 1, c] - image[h, r, c]), h))
    right = exp(-Mean(Abs(image[h, r, c + 1] - image[h, r, c]), h))
    rows = Sum(where(r + 1 < size(r), Abs(depth[r + 1, c] - depth[r, c]) * down, 0), r, c)
    columns = Sum(where(c + 1 < size(c), Abs(depth[r, c + 1] - depth[r, c]) * right, 0), r, c)
    return rows / Max((size(r) - 1) * size(c), 1) + columns / Max(size(r) * (size(c) - 1), 1)


@loss(aliases=("silog",))
def scale_invariant_log(
    prediction=Prediction("*position", positive=True),
    target=Target("*position", positive=True),
    *,
    balance=Param(Rational(1, 2), interval=(0, 1)),
):
    """Mean squared error of logarithms, less `balance` times their squared mean error.

    Use it for depth from one image: at `balance = 1` a wrong overall scale costs nothing, at 0 it
    is the squared error of logarithms. Some authors take ten times its root and 0.85. Invalid
    positions have no place here: a mask selects whole samples.

    References:
        D. Eigen, C. Puhrsch and R. Fergus, "Depth Map Prediction from a Single Image using a
        Multi-Scale Deep Network", 2014.
    """
    k = index("position", "k")
    error = log(prediction[k]) - log(target[k])
    return Mean(error**2, k) - balance * Mean(error, k) ** 2
