"""Image losses over rows and columns: structural similarity and smoothness."""

from losscompiler.spec import (
    Abs,
    And,
    Mean,
    Or,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    correlate,
    exp,
    index,
    indicator,
    loss,
    size,
    stop_gradient,
    where,
)

RADIUS = 5
WINDOW = [exp(-Rational(n**2, 2) / Rational(3, 2) ** 2) for n in range(-RADIUS, RADIUS + 1)]
TAPS = [tap / sum(WINDOW) for tap in WINDOW]


def _blurred(e, i, j):
    """The mean of `e` in a Gaussian window around `i`, `j`; what is outside has no weight."""
    ones = [correlate(indicator(k < size(k)), k, TAPS) for k in (i, j)]
    return correlate(correlate(e, i, TAPS), j, TAPS) / (ones[0] * ones[1])


def _mean(image):
    """The mean of all entries."""
    i, j = index("row", "i"), index("column", "j")
    return Mean(image[i, j], i, j)


def _fits(k):
    """Whether the window lies inside the axis, or no window does."""
    inside = And(k >= RADIUS, k < size(k) - RADIUS)
    return Or(inside, size(k) <= 2 * RADIUS)


@loss(aliases=("structural_similarity",))
def ssim(
    image=Prediction("row", "column"),
    target=Target("row", "column"),
    *,
    data_range=Param(1, positive=True),
    k1=Param(0.01, nonnegative=True),
    k2=Param(0.03, nonnegative=True),
):
    """One minus the mean structural similarity of two images, in Gaussian windows of 11 x 11.

    Use it beside an absolute or squared error where an image should look right: it compares means,
    variances and the covariance of small windows. Its gradient vanishes where both images are flat
    and alike. There is one loss per channel, a channel being a batch axis; `data_range` is the
    distance of white from black, `k1` and `k2` keep the ratios defined.

    The windows have a standard deviation of 1.5 and, as in the original, count where they lie
    inside the image. Of an axis shorter than 11 every window counts, cut off at the border and its
    weights scaled up. Some libraries count cut-off or reflected windows, too, or return half.

    References:
        Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, "Image Quality Assessment: From
        Error Visibility to Structural Similarity", 2004.
    """
    i, j = index("row", "i"), index("column", "j")
    c1, c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2
    # Variances do not depend on what is subtracted: digits that only say how bright an image is.
    base_x, base_y = stop_gradient(_mean(image)), stop_gradient(_mean(target))
    x, y = image[i, j] - base_x, target[i, j] - base_y
    blurred_x, blurred_y = _blurred(x, i, j), _blurred(y, i, j)
    covariance = _blurred(x * y, i, j) - blurred_x * blurred_y
    variances = _blurred(x**2 + y**2, i, j) - blurred_x**2 - blurred_y**2
    mean_x, mean_y = blurred_x + base_x, blurred_y + base_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    counts = And(_fits(i), _fits(j))
    total = Sum(where(counts, luminance * structure, 0), i, j)
    return 1 - total / Sum(indicator(counts), i, j)


@loss
def total_variation(image=Prediction("row", "column")):
    """Sum of the absolute differences of neighbours, along rows and along columns.

    Use it as a penalty beside a loss that compares with a target, to remove noise and keep edges:
    a constant image costs nothing, and a jump costs its height wherever it is. There is one loss
    per channel, a channel being a batch axis. It is the anisotropic form, of absolute differences;
    its gradient at equal neighbours is 0.

    References:
        L. I. Rudin, S. Osher and E. Fatemi, "Nonlinear Total Variation Based Noise Removal
        Algorithms", 1992.
    """
    i, j = index("row", "i"), index("column", "j")
    down = where(i + 1 < size(i), image[i + 1, j] - image[i, j], 0)
    right = where(j + 1 < size(j), image[i, j + 1] - image[i, j], 0)
    return Sum(Abs(down), i, j) + Sum(Abs(right), i, j)
