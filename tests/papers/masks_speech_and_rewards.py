"""Losses of papers on boxes, masks, speech, self-supervision and rewards, as written there."""

from losscompiler.spec import (
    Label,
    Max,
    Mean,
    Min,
    Ne,
    Param,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    log,
    loss,
    size,
    sqrt,
    stop_gradient,
    where,
)


@loss
def wise_iou(
    prediction=Prediction("coordinate"),
    target=Target("coordinate"),
    *,
    epsilon=Param(1e-7, positive=True),
):
    """One minus intersection over union, attended by the distance of the centres (WIoU v1).

    Boxes are (left, top, right, bottom). The union is at least `epsilon`: it is 0 of two boxes
    without area.

    References:
        Z. Tong et al., "Wise-IoU: Bounding Box Regression Loss with Dynamic Focusing Mechanism",
        2023.
    """
    p, t = prediction, target
    width = Max(0, Min(p[2], t[2]) - Max(p[0], t[0]))
    height = Max(0, Min(p[3], t[3]) - Max(p[1], t[1]))
    overlap = width * height
    union = (p[2] - p[0]) * (p[3] - p[1]) + (t[2] - t[0]) * (t[3] - t[1]) - overlap
    across = (p[0] + p[2] - t[0] - t[2]) / 2
    down = (p[1] + p[3] - t[1] - t[3]) / 2
    hull_width = Max(p[2], t[2]) - Min(p[0], t[0])
    hull_height = Max(p[3], t[3]) - Min(p[1], t[1])
    attention = exp((across**2 + down**2) / stop_gradient(hull_width**2 + hull_height**2))
    return attention * (1 - overlap / Max(union, epsilon))


@loss
def active_contour(
    prediction=Prediction("row", "column", interval=(0, 1)),
    target=Target("row", "column", interval=(0, 1)),
    *,
    region=Param(1, nonnegative=True),
    epsilon=Param(1e-8, positive=True),
):
    """Length of the contour of a soft mask plus its squared distances inside and outside.

    References:
        X. Chen et al., "Learning Active Contour Models for Medical Image Segmentation", 2019.
    """
    r, c = index("row"), index("column")
    u, v = prediction, target
    down = where(r + 1 < size("row"), u[r + 1, c] - u[r, c], 0)
    right = where(c + 1 < size("column"), u[r, c + 1] - u[r, c], 0)
    length = Sum(sqrt(down**2 + right**2 + epsilon), r, c)
    inside = Sum(u[r, c] * (1 - v[r, c]) ** 2, r, c)
    outside = Sum((1 - u[r, c]) * v[r, c] ** 2, r, c)
    return length + region * (inside + outside)


@loss
def source_aggregated_sdr(
    estimate=Prediction("source", "sample"), reference=Target("source", "sample")
):
    """Minus the ratio in decibels of all sources' energy to that of all errors.

    References:
        T. von Neumann et al., "SA-SDR: A Novel Loss Function for Separation of Meeting Style
        Data", 2022.
    """
    k, t = index("source"), index("sample")
    energy = Sum(reference[k, t] ** 2, k, t)
    error = Sum((reference[k, t] - estimate[k, t]) ** 2, k, t)
    return -10 * log(energy / error) / log(10)


@loss
def spectral_contrastive(
    first=Prediction("batch", "feature"), second=Prediction("batch", "feature")
):
    """Pulls views of one sample together and makes views of different ones orthogonal.

    References:
        J. Z. HaoChen et al., "Provable Guarantees for Self-Supervised Deep Learning with Spectral
        Contrastive Loss", 2021.
    """
    i, j = index("batch", "i j")
    d, n = index("feature"), size("batch")

    def dot(i, j):
        return Sum(first[i, d] * second[j, d], d)

    negatives = Sum(where(Ne(i, j), dot(i, j) ** 2, 0), i, j)
    return -2 * Mean(dot(i, i), i) + negatives / (n * (n - 1))


@loss
def rebel(
    policy_first=Prediction(),
    policy_second=Prediction(),
    reference_first=Target(),
    reference_second=Target(),
    reward_first=Target(),
    reward_second=Target(),
    *,
    eta=Param(1, positive=True),
):
    """Squared error of two answers' relative log-ratios against their relative reward.

    References:
        Z. Gao et al., "REBEL: Reinforcement Learning via Regressing Relative Rewards", 2024.
    """
    first, second = policy_first - reference_first, policy_second - reference_second
    return ((first - second) / eta - (reward_first - reward_second)) ** 2


@loss
def rank_responses(score=Prediction("response"), reward=Target("response"), best=Label("response")):
    """Hinges of pairs of answers whose likelihoods are in the wrong order, plus likelihood (RRHF).

    References:
        Z. Yuan et al., "RRHF: Rank Responses to Align Language Models with Human Feedback without
        Tears", 2023.
    """
    i, j = index("response", "i j")
    pairs = Sum(where(reward[i] < reward[j], Max(0, score[i] - score[j]), 0), i, j)
    return pairs - score[best]
