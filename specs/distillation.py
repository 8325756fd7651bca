"""Distillation losses: a student's logits should give the distribution of a teacher's."""

from losscompiler.spec import (
    And,
    Eq,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    log,
    log_softmax,
    loss,
    softplus,
    where,
)

from ._options import tempered


@loss(aliases=("distillation_kl",))
def distillation(
    student=Prediction("class"),
    teacher=Target("class"),
    *,
    temperature=Param(1, positive=True),
):
    """Kullback-Leibler divergence of a student's softmax from a teacher's, at a temperature.

    Use it to train a small model on the logits of a large one, usually beside a cross-entropy of
    the labels. A higher `temperature` shows more of what the teacher thinks of wrong classes; the
    factor `temperature**2` keeps the gradient's size. Nothing flows into the teacher.

    References:
        G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """
    c = index("class", "c")
    log_p = log_softmax(tempered(teacher[c], temperature), c)
    log_q = log_softmax(tempered(student[c], temperature), c)
    return temperature**2 * Sum(exp(log_p) * (log_p - log_q), c)


@loss
def reverse_distillation(
    student=Prediction("class"),
    teacher=Target("class"),
    *,
    temperature=Param(1, positive=True),
):
    """Kullback-Leibler divergence of a teacher's softmax from a student's, at a temperature.

    Use it for generators, which should say what the teacher finds likely rather than cover all that
    it might say. There is a factor `temperature**2`, as in `distillation`.

    References:
        Y. Gu, L. Dong, F. Wei and M. Huang, "MiniLLM: Knowledge Distillation of Large Language
        Models", 2024.
    """
    c = index("class", "c")
    log_p = log_softmax(tempered(teacher[c], temperature), c)
    log_q = log_softmax(tempered(student[c], temperature), c)
    return temperature**2 * Sum(exp(log_q) * (log_q - log_p), c)


@loss(aliases=("generalized_jsd",))
def generalized_js_distillation(
    student=Prediction("class"),
    teacher=Target("class"),
    *,
    beta=Param(Rational(1, 2), interval=(0, 1)),
    temperature=Param(1, positive=True),
):
    """Generalised Jensen-Shannon divergence of a student's softmax from a teacher's.

    Use it for distillation on what the student itself generates: `beta` weighs the teacher in the
    mixture of both. At 0 it is the Kullback-Leibler divergence of the student from the teacher, at
    1 that of the teacher from the student; near, but not at, the ends it fades to 0. There is no
    factor `temperature**2`.

    References:
        R. Agarwal et al., "On-Policy Distillation of Language Models: Learning from Self-Generated
        Mistakes", 2024.
    """
    c = index("class", "c")
    log_p = log_softmax(tempered(teacher[c], temperature), c)
    log_q = log_softmax(tempered(student[c], temperature), c)
    p, q = exp(log_p), exp(log_q)
    from_teacher = Sum(p * (log_p - log_q), c)
    from_student = Sum(q * (log_q - log_p), c)
    # With the mixture m: log(m / p) is log(b + (1 - b) * q / p), and q may be almost 0.
    b = where(And(beta > 0, beta < 1), beta, Rational(1, 2))
    log_odds = log((1 - b) / b)
    mixture_to_p = log(b) + softplus(log_odds + log_q - log_p)
    mixture_to_q = log(1 - b) + softplus(log_p - log_q - log_odds)
    to_mixture = -Sum(b * p * mixture_to_p + (1 - b) * q * mixture_to_q, c)
    return where(Eq(beta, 0), from_teacher, where(Eq(beta, 1), from_student, to_mixture))
