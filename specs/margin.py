"""Margin losses: the score of the right side, or class, should win by a margin.

Binary targets are -1 and 1; nothing converts targets of 0 and 1.
"""

from losscompiler.spec import (
    AxisMax,
    Eq,
    Label,
    Mean,
    Ne,
    Param,
    Piecewise,
    Prediction,
    Sum,
    Target,
    atan,
    exp,
    index,
    indicator,
    log,
    loss,
    size,
    where,
)

from ._options import margin_cost

# ---- binary -------------------------------------------------------------------------------------


@loss
def perceptron(prediction=Prediction(), target=Target(values={-1, 1})):
    """Linear cost of a score on the wrong side of 0; targets are -1 and 1.

    Use it for the perceptron's online rule, where only mistakes teach. Scores of 0 cost nothing,
    so a model of zeros is optimal: with other optimisers use `hinge`, which wants a margin.

    References:
        F. Rosenblatt, "The Perceptron: A Probabilistic Model for Information Storage and
        Organization in the Brain", 1958.
    """
    return margin_cost(target * prediction, 0)


@loss(aliases=("soft_margin_logistic",))
def soft_margin(prediction=Prediction(), target=Target(values={-1, 1})):
    """Logistic loss of a score; targets are -1 and 1.

    Use it for logistic regression with targets of -1 and 1; with targets of 0 and 1, or soft ones,
    it is `binary_cross_entropy_with_logits`. Every sample keeps teaching, however large its
    margin; `squared_hinge` stops.

    References:
        J. Friedman, T. Hastie and R. Tibshirani, "Additive Logistic Regression: A Statistical View
        of Boosting", 2000.
    """
    return log(1 + exp(-target * prediction))


@loss
def exponential(prediction=Prediction(), target=Target(values={-1, 1})):
    """Exponential loss of a score, which AdaBoost minimises; targets are -1 and 1.

    Use it for boosting on clean data: the best score is half the log-odds. The cost of a mistake
    grows exponentially with the score, so mislabelled data dominate: prefer `soft_margin`.

    References:
        Y. Freund and R. E. Schapire, "A Decision-Theoretic Generalization of On-Line Learning and
        an Application to Boosting", 1997.
    """
    return exp(-target * prediction)


@loss
def modified_huber_classification(prediction=Prediction(), target=Target(values={-1, 1})):
    """Squared hinge that becomes linear for scores badly on the wrong side; targets are -1 and 1.

    Use it like `squared_hinge` on data with wrong labels. The score, clipped to [-1, 1], is an
    estimate of twice the probability minus 1.

    References:
        T. Zhang, "Solving Large Scale Linear Prediction Problems Using Stochastic Gradient Descent
        Algorithms", 2004.
    """
    score = target * prediction
    return Piecewise((-4 * score, score < -1), (margin_cost(score) ** 2, True))


@loss
def savage(prediction=Prediction(), target=Target(values={-1, 1})):
    """Squared probability of the wrong side, by a sigmoid: costs at most 1.

    Use it when some labels are wrong: a sample far on the wrong side is given up. It is not convex:
    start from a `soft_margin` fit. The target is -1 or 1, the prediction a log-odds.

    References:
        H. Masnadi-Shirazi and N. Vasconcelos, "On the Design of Loss Functions for Classification:
        Theory, Robustness to Outliers, and SavageBoost", 2008.
    """
    return 1 / (1 + exp(target * prediction)) ** 2


@loss
def tangent(prediction=Prediction(), target=Target(values={-1, 1})):
    """A squared arctangent of the score: bounded, and it punishes scores that are too right.

    Use it when some labels are wrong and large margins are outliers, too. The best score for a
    sure sample is tan(1/2), about 0.55. It is not convex. Targets are -1 and 1.

    References:
        H. Masnadi-Shirazi, V. Mahadevan and N. Vasconcelos, "On the Design of Robust Classifiers
        for Computer Vision", 2010.
    """
    return (2 * atan(target * prediction) - 1) ** 2


@loss
def binary_sparsemax(prediction=Prediction(), target=Target(values={-1, 1})):
    """Zero beyond a margin of 1, linear beyond -1, and quadratic between; targets are -1 and 1.

    Use it as a smooth `hinge` whose probabilities, the score clipped to [-1, 1] and mapped to
    [0, 1], can be exactly 0 or 1.

    References:
        A. F. T. Martins and R. F. Astudillo, "From Softmax to Sparsemax: A Sparse Model of
        Attention and Multi-Label Classification", 2016.
    """
    score = target * prediction
    return Piecewise((-score, score < -1), (margin_cost(score) ** 2 / 4, True))


# ---- many classes -------------------------------------------------------------------------------


@loss
def categorical_hinge(
    scores=Prediction("class"), label=Label("class"), *, margin=Param(1, positive=True)
):
    """How far the label's score is from beating every other score by a margin.

    Use it for large-margin classifiers of many classes, where scores need not become
    probabilities. Only the strongest rival has a gradient; `multi_margin` has all within the
    margin pull.

    References:
        K. Crammer and Y. Singer, "On the Algorithmic Implementation of Multiclass Kernel-based
        Vector Machines", 2001.
    """
    c = index("class", "c")
    return AxisMax(scores[c] + margin * indicator(Ne(label, c)), c) - scores[label]


@loss
def multiclass_perceptron(scores=Prediction("class"), label=Label("class")):
    """How far the label's score is from the highest score.

    Use it for structured prediction and the perceptron's online rule. Equal scores cost nothing,
    so a model of zeros is optimal: with other optimisers use `categorical_hinge`.

    References:
        M. Collins, "Discriminative Training Methods for Hidden Markov Models: Theory and
        Experiments with Perceptron Algorithms", 2002.
    """
    c = index("class", "c")
    return AxisMax(scores[c], c) - scores[label]


@loss
def multi_margin(
    scores=Prediction("class"),
    label=Label("class"),
    *,
    p=Param(1, values={1, 2}),
    margin=Param(1, positive=True),
):
    """Cost of all scores that come within a margin of the label's, divided by the classes.

    Use it like `categorical_hinge` where all rivals should be pushed at once; `p = 2` squares the
    shortfalls, for a continuous gradient. The sum is divided by the number of classes, the label
    included.

    References:
        J. Weston and C. Watkins, "Support Vector Machines for Multi-Class Pattern Recognition",
        1999.
    """
    c = index("class", "c")
    short = margin_cost(scores[label] - scores[c], margin)
    return Sum(indicator(Ne(label, c)) * where(Eq(p, 1), short, short**2), c) / size(c)


@loss
def multilabel_margin(scores=Prediction("class"), target=Target("class", values={0, 1})):
    """Cost of all pairs of a present and an absent class within a margin of 1, over the classes.

    Use it to rank the classes that are present above the others; `target` is 1 for those that are.
    Memory grows with the square of the classes: for many use `multilabel_soft_margin`.

    References:
        J. Weston and C. Watkins, "Support Vector Machines for Multi-Class Pattern Recognition",
        1999.
    """
    c, k = index("class", "c k")
    short = margin_cost(scores[c] - scores[k])
    return Sum(target[c] * (1 - target[k]) * short, c, k) / size(c)


@loss
def multilabel_soft_margin(logits=Prediction("class"), target=Target("class", interval=(0, 1))):
    """Mean over the classes of the binary cross-entropy of each.

    Use it for classes that may hold together, where a sample should count once however many
    classes there are; for a loss per class use `binary_cross_entropy_with_logits`.

    References:
        M.-L. Zhang and Z.-H. Zhou, "Multilabel Neural Networks with Applications to Functional
        Genomics and Text Categorization", 2006.
    """
    c = index("class", "c")
    return Mean(log(1 + exp(logits[c])) - target[c] * logits[c], c)
