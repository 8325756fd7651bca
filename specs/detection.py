"""Detection losses: how far a predicted box, heatmap or landmark is from the true one.

Boxes are (left, top, right, bottom), with left < right and top < bottom.
"""

from losscompiler.spec import (
    Abs,
    Interval,
    Label,
    Max,
    Min,
    Param,
    Piecewise,
    Prediction,
    Rational,
    Sum,
    Target,
    atan,
    exp,
    index,
    log,
    loss,
    oo,
    pi,
    sigmoid,
    stop_gradient,
    where,
)

BELOW_ONE = Interval.open(0, 1)


def corners(box):
    """Left, top, right and bottom of a box."""
    return tuple(box[n] for n in range(4))


def area(left, top, right, bottom):
    """Area of a box given by its corners."""
    return (right - left) * (bottom - top)


def overlap(box, target):
    """Areas of the intersection and of the union of two boxes."""
    left, top, right, bottom = corners(box)
    true_left, true_top, true_right, true_bottom = corners(target)
    width = Max(0, Min(right, true_right) - Max(left, true_left))
    height = Max(0, Min(bottom, true_bottom) - Max(top, true_top))
    intersection = width * height
    return intersection, area(*corners(box)) + area(*corners(target)) - intersection


def hull(box, target):
    """Corners of the smallest box around both."""
    left, top, right, bottom = corners(box)
    true_left, true_top, true_right, true_bottom = corners(target)
    return (
        Min(left, true_left),
        Min(top, true_top),
        Max(right, true_right),
        Max(bottom, true_bottom),
    )


def centre_cost(box, target):
    """Squared distance of the centres, relative to the squared diagonal of the hull."""
    left, top, right, bottom = corners(box)
    true_left, true_top, true_right, true_bottom = corners(target)
    hull_left, hull_top, hull_right, hull_bottom = hull(box, target)
    diagonal = (hull_right - hull_left) ** 2 + (hull_bottom - hull_top) ** 2
    x = (left + right - true_left - true_right) / 2
    y = (top + bottom - true_top - true_bottom) / 2
    return (x**2 + y**2) / diagonal


@loss(aliases=("iou_box",))
def iou(box=Prediction("coordinate"), target=Target("coordinate")):
    """One minus the intersection over union of two boxes (left, top, right, bottom).

    Use it to report the score that detection is judged by. It has no gradient for boxes that do
    not meet: train with `giou`, `diou` or `ciou`.

    References:
        J. Yu et al., "UnitBox: An Advanced Object Detection Network", 2016.
    """
    intersection, union = overlap(box, target)
    return 1 - intersection / union


@loss
def log_iou(
    box=Prediction("coordinate"),
    target=Target("coordinate"),
    *,
    epsilon=Param(Rational("0.000001"), domain=BELOW_ONE),
):
    """Minus the logarithm of the intersection over union of two boxes.

    Use it for boxes that meet already, where it punishes small overlaps harder than `iou`. A ratio
    counts as at least `epsilon`: boxes that do not meet have a high finite cost and no gradient.

    References:
        J. Yu et al., "UnitBox: An Advanced Object Detection Network", 2016.
    """
    intersection, union = overlap(box, target)
    return -log(Max(intersection / union, epsilon))


@loss
def giou(box=Prediction("coordinate"), target=Target("coordinate")):
    """Generalised intersection over union of two boxes (left, top, right, bottom), as a cost.

    Use it to fit boxes by the score that detection is judged by; unlike one minus the plain
    intersection over union it has a gradient for boxes that do not meet. Boxes must have
    left < right and top < bottom. It converges slowly for a box inside the other: a coordinate
    loss such as `smooth_l1` beside it helps. It lies between 0 and 2.

    References:
        H. Rezatofighi et al., "Generalized Intersection over Union: A Metric and a Loss for
        Bounding Box Regression", 2019.
    """
    intersection, union = overlap(box, target)
    around = area(*hull(box, target))
    return 1 - intersection / union + (around - union) / around


@loss
def diou(box=Prediction("coordinate"), target=Target("coordinate")):
    """`iou` plus the squared distance of the centres, relative to the hull's diagonal.

    Use it in place of `giou` for faster convergence, above all for a box inside the other. Boxes
    with one centre get no help from the second term: `ciou` compares their proportions, too.

    References:
        Z. Zheng et al., "Distance-IoU Loss: Faster and Better Learning for Bounding Box
        Regression", 2020.
    """
    return iou(box, target) + centre_cost(box, target)


@loss
def ciou(box=Prediction("coordinate"), target=Target("coordinate")):
    """`diou` plus a penalty for different proportions.

    Use it to fit boxes; it is the usual choice of one-stage detectors. The weight of the penalty
    depends on the boxes but counts as a constant: its gradient is not that of the value. Identical
    boxes have a weight of 0.

    References:
        Z. Zheng et al., "Distance-IoU Loss: Faster and Better Learning for Bounding Box
        Regression", 2020.
    """
    left, top, right, bottom = corners(box)
    true_left, true_top, true_right, true_bottom = corners(target)
    angle = atan((right - left) / (bottom - top))
    true_angle = atan((true_right - true_left) / (true_bottom - true_top))
    v = 4 / pi**2 * (true_angle - angle) ** 2
    miss = iou(box, target)
    alpha = where(v > 0, v / (miss + v), 0)
    return miss + centre_cost(box, target) + stop_gradient(alpha) * v


@loss
def balanced_l1(
    prediction=Prediction(),
    target=Target(),
    *,
    alpha=Param(Rational(1, 2), positive=True),
    gamma=Param(Rational(3, 2), positive=True),
    beta=Param(1, positive=True),
):
    """Absolute error whose gradient grows steeply for small errors, and is capped at `gamma`.

    Use it for the coordinates of boxes in place of `smooth_l1`, so that accurate samples count
    more. A lower `alpha` lifts small gradients; `beta` is the error at which the cap starts. Its
    gradient is continuous there for `beta = 1` only, as in the authors' code.

    References:
        J. Pang et al., "Libra R-CNN: Towards Balanced Learning for Object Detection", 2019.
    """
    r = Abs(prediction - target)
    b = exp(gamma / alpha) - 1
    near = alpha / b * (b * r + 1) * log(b * r / beta + 1) - alpha * r
    return Piecewise((near, r < beta), (gamma * r + gamma / b - alpha * beta, True))


@loss(aliases=("heatmap_focal",))
def gaussian_focal(
    logits=Prediction(),
    heat=Target(interval=(0, 1)),
    *,
    alpha=Param(2, nonnegative=True),
    gamma=Param(4, nonnegative=True),
):
    """Focal loss of a heatmap that is 1 at the centre of each object and falls off around it.

    Use it for keypoint heatmaps (CornerNet, CenterNet): a position near a centre costs less by
    the power `gamma` of one minus its heat. Predictions are logits: libraries take probabilities
    and add 1e-12 inside the logarithm. The papers divide the sum by the number of objects: pass
    that as `normalizer`.

    References:
        H. Law and J. Deng, "CornerNet: Detecting Objects as Paired Keypoints", 2018.
        X. Zhou, D. Wang and P. Krähenbühl, "Objects as Points", 2019.
    """
    p = sigmoid(logits)
    centre = -((1 - p) ** alpha) * log(p)
    elsewhere = -((1 - heat) ** gamma) * p**alpha * log(1 - p)
    return where(heat >= 1, centre, elsewhere)


@loss
def distribution_focal(
    logits=Prediction("bin"),
    left=Label("bin"),
    fraction=Target(interval=(0, 1)),
):
    """Cross-entropy of the two bins on either side of a continuous distance.

    Use it to predict the sides of a box as distributions over integer distances: `left` is the
    distance rounded down and `fraction` what remains, the share of the next bin. The distance
    must not exceed the last bin; at the last bin `fraction` is 0.

    References:
        X. Li et al., "Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes
        for Dense Object Detection", 2020.
    """
    i, k = index("bin", "i k")
    share = Max(0, 1 - Abs(i - left - fraction))
    return Sum(share * (log(Sum(exp(logits[k]), k)) - logits[i]), i)


@loss
def wing(
    prediction=Prediction(),
    target=Target(),
    *,
    width=Param(5, positive=True),
    curvature=Param(Rational(1, 2), positive=True),
):
    """Logarithmic near the target, linear beyond `width`: small errors count more.

    Use it for coordinates of facial landmarks, in pixels, where the last bit of accuracy matters.
    The slope at the target is `width / curvature`, with a kink. Defaults are those of common
    libraries; the authors take `width = 10` and `curvature = 2`.

    References:
        Z.-H. Feng et al., "Wing Loss for Robust Facial Landmark Localisation with Convolutional
        Neural Networks", 2018.
    """
    r = Abs(prediction - target)
    offset = width - width * log(1 + width / curvature)
    return Piecewise((width * log(1 + r / curvature), r < width), (r - offset, True))


@loss(aliases=("awing",))
def adaptive_wing(
    prediction=Prediction(),
    target=Target(interval=(0, 1)),
    *,
    alpha=Param(Rational("2.1"), interval=(2, oo)),
    omega=Param(14, positive=True),
    epsilon=Param(1, positive=True),
    theta=Param(Rational(1, 2), positive=True),
):
    """Wing loss of heatmaps: like `wing` at the landmarks, like a square on the background.

    Use it for heatmaps in [0, 1] around landmarks, one value per pixel. Near the target the error
    counts to the power `alpha - target`, which is close to 1 where the heatmap is 1: small errors
    there keep their gradient. Beyond `theta` the cost is linear.

    References:
        X. Wang, L. Bo and L. Fuxin, "Adaptive Wing Loss for Robust Face Alignment via Heatmap
        Regression", 2019.
    """
    power, edge, r = alpha - target, theta / epsilon, Abs(target - prediction)
    slope = omega * power * edge ** (power - 1) / (1 + edge**power) / epsilon
    near = omega * log(1 + (r / epsilon) ** power)
    return Piecewise((near, r < theta), (slope * (r - theta) + omega * log(1 + edge**power), True))
