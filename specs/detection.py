"""Detection losses: how far a predicted box, heatmap or landmark is from the true one.

Boxes are (left, top, right, bottom), with left < right and top < bottom.
"""

from losscompiler.spec import (
    Abs,
    Label,
    Max,
    Mean,
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
    pi,
    sigmoid,
    stop_gradient,
    where,
)

from .classification import binary_cross_entropy_with_logits


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
    return Min(left, true_left), Min(top, true_top), Max(right, true_right), Max(bottom, true_bottom)


def centre_cost(box, target):
    """Squared distance of the centres, relative to the squared diagonal of the hull."""
    left, top, right, bottom = corners(box)
    true_left, true_top, true_right, true_bottom = corners(target)
    hull_left, hull_top, hull_right, hull_bottom = hull(box, target)
    diagonal = (hull_right - hull_left) ** 2 + (hull_bottom - hull_top) ** 2
    x = (left + right - true_left - true_right) / 2
    y = (top + bottom - true_top - true_bottom) / 2
    return (x**2 + y**2) / diagonal


@loss
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
def log_iou(box=Prediction("coordinate"), target=Target("coordinate")):
    """Minus the logarithm of the intersection over union of two boxes.

    Use it for boxes that meet already, where it punishes small overlaps harder than `iou`. It is
    infinite for boxes that do not meet; libraries clip the ratio there, and its gradient with it.

    References:
        J. Yu et al., "UnitBox: An Advanced Object Detection Network", 2016.
    """
    intersection, union = overlap(box, target)
    return -log(intersection / union)


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
