"""Losses of recent papers: contrastive learning, preferences, distillation, boxes, orders."""

from losscompiler.spec import (
    Abs,
    Label,
    Max,
    Min,
    Ne,
    Norm,
    Param,
    Prediction,
    Sum,
    Target,
    cumsum,
    exp,
    index,
    log,
    loss,
    sigmoid,
    size,
    stop_gradient,
    where,
)


@loss
def beta_nll(
    mean=Prediction(),
    variance=Prediction(positive=True),
    target=Target(),
    *,
    beta=Param(0.5, interval=(0, 1)),
):
    """Gaussian negative log-likelihood whose samples are weighted by their detached variance.

    References:
        M. Seitzer et al., "On the Pitfalls of Heteroscedastic Uncertainty Estimation with
        Probabilistic Neural Networks", 2022.
    """
    return stop_gradient(variance**beta) * (
        log(variance) / 2 + (target - mean) ** 2 / (2 * variance)
    )


@loss
def mpdiou(
    prediction=Prediction("coordinate"),
    target=Target("coordinate"),
    *,
    width=Param(640, positive=True),
    height=Param(640, positive=True),
):
    """One minus intersection over union less the squared distances of two corners.

    Boxes are (left, top, right, bottom); `width` and `height` are those of the image.

    References:
        S. Ma and Y. Xu, "MPDIoU: A Loss for Efficient and Accurate Bounding Box Regression", 2023.
    """
    p, t = prediction, target

    def area(box):
        return (box[2] - box[0]) * (box[3] - box[1])

    overlap_width = Max(0, Min(p[2], t[2]) - Max(p[0], t[0]))
    overlap_height = Max(0, Min(p[3], t[3]) - Max(p[1], t[1]))
    intersection = overlap_width * overlap_height
    iou = intersection / (area(p) + area(t) - intersection)
    first = (p[0] - t[0]) ** 2 + (p[1] - t[1]) ** 2
    second = (p[2] - t[2]) ** 2 + (p[3] - t[3]) ** 2
    return 1 - (iou - (first + second) / (width**2 + height**2))


@loss
def decoupled_knowledge_distillation(
    student=Prediction("class"),
    teacher=Target("class"),
    label=Label("class"),
    *,
    alpha=Param(1, nonnegative=True),
    beta=Param(8, nonnegative=True),
    temperature=Param(4, positive=True),
):
    """Divergences of the label against the rest, and among the other classes, weighted apart.

    References:
        B. Zhao et al., "Decoupled Knowledge Distillation", 2022.
    """
    c, k = index("class", "c k")

    def probability(logits, c):
        return exp(logits[c] / temperature) / Sum(exp(logits[k] / temperature), k)

    def among_others(logits, c):
        others = Sum(where(Ne(k, label), exp(logits[k] / temperature), 0), k)
        return exp(logits[c] / temperature) / others

    p_teacher, p_student = probability(teacher, label), probability(student, label)
    target_class = p_teacher * log(p_teacher / p_student) + (1 - p_teacher) * log(
        (1 - p_teacher) / (1 - p_student)
    )
    q_teacher, q_student = among_others(teacher, c), among_others(student, c)
    other_classes = Sum(where(Ne(c, label), q_teacher * log(q_teacher / q_student), 0), c)
    return (alpha * target_class + beta * other_classes) * temperature**2


@loss
def robust_info_nce(
    query=Prediction("batch", "feature"),
    key=Prediction("batch", "feature"),
    *,
    q=Param(0.5, interval=(0.01, 1)),
    lam=Param(0.5, positive=True),
    temperature=Param(0.5, positive=True),
):
    """Contrastive loss between InfoNCE (`q` near 0) and one that noisy views cannot bias (1).

    References:
        C.-Y. Chuang et al., "Robust Contrastive Learning against Noisy Views", 2022.
    """
    i, j = index("batch", "i j")
    d = index("feature")

    def similarity(a, b):
        return Sum(query[a, d] * key[b, d], d) / temperature

    everything = Sum(exp(similarity(i, j)), j)
    return -exp(q * similarity(i, i)) / q + (lam * everything) ** q / q


@loss
def hard_negative_contrastive(
    query=Prediction("batch", "feature"),
    key=Prediction("batch", "feature"),
    *,
    temperature=Param(0.5, positive=True),
    beta=Param(1, nonnegative=True),
):
    """Contrastive loss whose hard negatives count more; without its correction for false ones.

    References:
        J. Robinson et al., "Contrastive Learning with Hard Negative Samples", 2021.
    """
    i, j = index("batch", "i j")
    d = index("feature")

    def score(a, b):
        return exp(Sum(query[a, d] * key[b, d], d) / temperature)

    hardness = score(i, j) ** beta
    hard = Sum(where(Ne(i, j), hardness * score(i, j), 0), j)
    mean = Sum(where(Ne(i, j), hardness, 0), j) / (size("batch") - 1)
    return -log(score(i, i) / (score(i, i) + hard / mean))


@loss
def cyclip(
    image=Prediction("batch", "feature"),
    text=Prediction("batch", "feature"),
    *,
    in_modal=Param(0.25, nonnegative=True),
    cross_modal=Param(0.25, nonnegative=True),
):
    """Regularisers of CyCLIP: similarities agree within and across the modalities.

    References:
        S. Goel et al., "CyCLIP: Cyclic Contrastive Language-Image Pretraining", 2022.
    """
    j, k = index("batch", "j k")
    d = index("feature")

    def dot(a, j, b, k):
        return Sum(a[j, d] * b[k, d], d)

    n = size("batch")
    within = Sum((dot(image, j, image, k) - dot(text, j, text, k)) ** 2, j, k) / n
    across = Sum((dot(image, j, text, k) - dot(image, k, text, j)) ** 2, j, k) / n
    return in_modal * within + cross_modal * across


@loss
def dpo_positive(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    *,
    beta=Param(0.3, positive=True),
    lam=Param(50, nonnegative=True),
):
    """Preference loss that forbids the chosen answer to become less likely (DPOP, Smaug).

    References:
        A. Pal et al., "Smaug: Fixing Failure Modes of Preference Optimisation with DPO-Positive",
        2024.
    """
    chosen = policy_chosen - reference_chosen
    rejected = policy_rejected - reference_rejected
    return -log(sigmoid(beta * (chosen - rejected - lam * Max(0, -chosen))))


@loss
def dpo_length_regularised(
    policy_chosen=Prediction(),
    policy_rejected=Prediction(),
    reference_chosen=Target(),
    reference_rejected=Target(),
    length_chosen=Target(nonnegative=True),
    length_rejected=Target(nonnegative=True),
    *,
    beta=Param(0.1, positive=True),
    alpha=Param(0.01, nonnegative=True),
):
    """Preference loss with a margin of the answers' lengths, so that length is no merit (R-DPO).

    References:
        R. Park et al., "Disentangling Length from Quality in Direct Preference Optimization", 2024.
    """
    chosen = beta * (policy_chosen - reference_chosen)
    rejected = beta * (policy_rejected - reference_rejected)
    return -log(sigmoid(chosen - rejected + alpha * length_chosen - alpha * length_rejected))


@loss
def rank_n_contrast(
    embedding=Prediction("batch", "feature"),
    target=Target("batch"),
    *,
    temperature=Param(2, positive=True),
):
    """Contrasts a pair with those pairs whose targets are at least as far apart.

    References:
        K. Zha et al., "Rank-N-Contrast: Learning Continuous Representations for Regression", 2023.
    """
    i, j, k = index("batch", "i j k")
    d = index("feature")

    def score(a, b):
        return exp(-Norm(embedding[a, d] - embedding[b, d], d) / temperature)

    def distance(a, b):
        return Abs(target[a] - target[b])

    farther = Ne(k, i) & (distance(i, k) >= distance(i, j))
    term = -log(score(i, j) / Sum(where(farther, score(i, k), 0), k))
    return Sum(where(Ne(j, i), term, 0), j) / (size("batch") - 1)


@loss
def squared_earth_mover(logits=Prediction("class"), target=Target("class", interval=(0, 1))):
    """Squared distance of two cumulative distributions over ordered classes.

    References:
        L. Hou et al., "Squared Earth Mover's Distance-based Loss for Training Deep Neural
        Networks", 2016.
    """
    c, k = index("class", "c k")
    p = exp(logits[c]) / Sum(exp(logits[k]), k)
    return Sum((cumsum(p, c) - cumsum(target[c], c)) ** 2, c)
