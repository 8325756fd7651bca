"""Detection losses: how far a predicted box is from the true one."""

from losscompiler.spec import Max, Min, Prediction, Target, loss


def area(left, top, right, bottom):
    """Area of a box given by its corners."""
    return (right - left) * (bottom - top)


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
    left, top, right, bottom = (box[n] for n in range(4))
    true_left, true_top, true_right, true_bottom = (target[n] for n in range(4))
    width = Max(0, Min(right, true_right) - Max(left, true_left))
    height = Max(0, Min(bottom, true_bottom) - Max(top, true_top))
    intersection = width * height
    union = (
        area(left, top, right, bottom)
        + area(true_left, true_top, true_right, true_bottom)
        - intersection
    )
    hull = area(
        Min(left, true_left),
        Min(top, true_top),
        Max(right, true_right),
        Max(bottom, true_bottom),
    )
    return 1 - intersection / union + (hull - union) / hull
