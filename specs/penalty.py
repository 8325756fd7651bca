"""Penalties on weights and predictions, and how several losses are weighed against each other.

Penalties are terms to be added to a loss: elementwise ones with `reduction="sum"`.
"""

from losscompiler.spec import (
    Abs,
    Eq,
    Norm,
    Param,
    Prediction,
    Rational,
    Sum,
    exp,
    index,
    indicator,
    log_softmax,
    loss,
    size,
    softmax,
    sqrt,
)


@loss
def l1_penalty(parameter=Prediction()):
    """Absolute value of a weight, which draws weights to exactly 0.

    Use it, summed over the weights, for sparse models. Its gradient does not fade, so plain
    gradient descent hovers about 0 instead of reaching it: use a proximal step for exact zeros.

    References:
        R. Tibshirani, "Regression Shrinkage and Selection via the Lasso", 1996.
    """
    return Abs(parameter)


@loss
def l2_penalty(parameter=Prediction()):
    """Square of a weight, which keeps weights small.

    Use it, summed over the weights, for ridge regression and weight decay. There is no factor 1/2:
    its gradient is twice the weight. With adaptive optimisers decoupled weight decay is another
    thing.

    References:
        A. E. Hoerl and R. W. Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal
        Problems", 1970.
    """
    return parameter**2


@loss
def elastic_net_penalty(parameter=Prediction(), *, l1_ratio=Param(Rational(1, 2), interval=(0, 1))):
    """Mixture of the absolute value and half the square of a weight.

    Use it, summed over the weights, for sparse models of correlated features, which are kept or
    dropped together. `l1_ratio = 1` is `l1_penalty`, 0 half of `l2_penalty`.

    References:
        H. Zou and T. Hastie, "Regularization and Variable Selection via the Elastic Net", 2005.
    """
    return l1_ratio * l1_penalty(parameter) + (1 - l1_ratio) / 2 * l2_penalty(parameter)


@loss
def group_lasso_penalty(parameter=Prediction("member")):
    """Length of a group of weights times the root of its size, which draws whole groups to 0.

    Use it, summed over the groups, to drop features, channels or embeddings as a whole. Inside a
    group nothing becomes 0 alone.

    References:
        M. Yuan and Y. Lin, "Model Selection and Estimation in Regression with Grouped Variables",
        2006.
    """
    m = index("member", "m")
    return sqrt(size(m)) * Norm(parameter[m], m)


@loss
def negative_entropy(logits=Prediction("class")):
    """Minus the entropy of the softmax of logits: lowest if all classes are equally likely.

    Use it, times a small factor, against overconfident classifiers and to keep policies exploring.
    With the opposite sign, minimising entropy, it makes a model decide on unlabelled data.

    References:
        R. J. Williams and J. Peng, "Function Optimization Using Connectionist Reinforcement
        Learning Algorithms", 1991.
        G. Pereyra, G. Tucker, J. Chorowski, L. Kaiser and G. Hinton, "Regularizing Neural Networks
        by Penalizing Confident Output Distributions", 2017.
    """
    c = index("class", "c")
    return Sum(softmax(logits[c], c) * log_softmax(logits[c], c), c)


@loss
def orthogonality_penalty(matrix=Prediction("row", "column")):
    """Squared distance of the columns' inner products from those of an orthonormal set.

    Use it to keep a weight matrix from shrinking or stretching what it maps. With more columns than
    rows it cannot reach 0: transpose the matrix.

    References:
        N. Bansal, X. Chen and Z. Wang, "Can We Gain More from Orthogonality Regularizations in
        Training Deep CNNs?", 2018.
    """
    r, (i, j) = index("row", "r"), index("column", "i j")
    product = Sum(matrix[r, i] * matrix[r, j], r)
    return Sum((product - indicator(Eq(i, j))) ** 2, i, j)


@loss
def multi_task_uncertainty(
    losses=Prediction("task"),
    *,
    log_variance=Param(0, axes=("task",), learnable=True),
):
    """Sum of the losses of several tasks, each weighed by a noise level that is learned along.

    Use it to train tasks of different units and difficulty together: a task whose `log_variance`
    grows counts less, at the price of half of it. Give `log_variance` as an array, one entry per
    task: a number is shared by all. The losses should be like half squared errors
    divided by a variance; where a loss may become negative it is unbounded below.

    References:
        A. Kendall, Y. Gal and R. Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses
        for Scene Geometry and Semantics", 2018.
    """
    t = index("task", "t")
    return Sum(exp(-log_variance[t]) * losses[t] + log_variance[t], t) / 2
