"""Ranking losses: scores should put items in the right order."""

from losscompiler.spec import (
    And,
    Eq,
    Mask,
    Max,
    Ne,
    Or,
    Param,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    indicator,
    log,
    loss,
    oo,
    sigmoid,
    where,
)

from ._pairs import mean_where


@loss
def margin_ranking(
    first=Prediction(),
    second=Prediction(),
    target=Target(values={-1, 1}),
    *,
    margin=Param(0, nonnegative=True),
):
    """Linear cost of ranking two scores the wrong way round, or right by less than a margin.

    Use it for labelled pairs: `target` is 1 if `first` should score higher, -1 if `second` should.
    With the default margin of 0 equal scores cost nothing, and so do all-equal scores: set a
    margin, or use `pairwise_logistic`.

    References:
        R. Herbrich, T. Graepel and K. Obermayer, "Large Margin Rank Boundaries for Ordinal
        Regression", 2000.
    """
    return Max(0, margin - target * (first - second))


# ---- pairs of a list ----------------------------------------------------------------------------


def pairwise(cost, relevance, valid):
    """Mean of `cost(i, j)` over the pairs in which item `i` is more relevant than `j`; 0 if none.

    Items that are not `valid` are in no pair.
    """
    i, j = index("list", "i j")
    better = relevance[i] > relevance[j]
    if valid is not None:
        better = And(better, valid[i], valid[j])
    return mean_where(better, cost(i, j), i, j)


@loss(aliases=("ranknet",))
def pairwise_logistic(
    scores=Prediction("list"),
    relevance=Target("list"),
    valid=Mask("list", optional=True),
):
    """Logistic loss of the score difference, averaged over all pairs of unequal relevance.

    Use it to learn the order of a list from graded relevance. Only the order of `relevance`
    counts; `valid` is false for padding. One loss per list, which is 0 if all items are equally
    relevant. Every pair counts alike, at the top and at the bottom of the list. Memory grows with
    the square of the list's length.

    References:
        C. Burges et al., "Learning to Rank using Gradient Descent", 2005.
    """
    return pairwise(lambda i, j: log(1 + exp(scores[j] - scores[i])), relevance, valid)


@loss
def pairwise_hinge(
    scores=Prediction("list"),
    relevance=Target("list"),
    valid=Mask("list", optional=True),
    *,
    margin=Param(1, nonnegative=True),
):
    """What the score differences of pairs of unequal relevance lack to a margin, on average.

    Use it in place of `pairwise_logistic` where pairs in good order should cost nothing any more.
    Only the order of `relevance` counts; `valid` is false for padding. One loss per list, which is
    0 if all items are equally relevant.

    References:
        R. Herbrich, T. Graepel and K. Obermayer, "Large Margin Rank Boundaries for Ordinal
        Regression", 2000.
        T. Joachims, "Optimizing Search Engines using Clickthrough Data", 2002.
    """
    return pairwise(lambda i, j: Max(0, margin - (scores[i] - scores[j])), relevance, valid)


@loss
def pairwise_soft_zero_one(
    scores=Prediction("list"),
    relevance=Target("list"),
    valid=Mask("list", optional=True),
):
    """Smooth share of the pairs of unequal relevance that are in the wrong order.

    Use it where a few pairs are labelled wrongly: a pair costs at most 1, so that hopeless ones are
    given up. It is not convex: begin with `pairwise_logistic`. `valid` is false for padding. One
    loss per list, which is 0 if all items are equally relevant.

    References:
        L. Mason, J. Baxter, P. Bartlett and M. Frean, "Boosting Algorithms as Gradient Descent",
        1999 (the sigmoid cost of a margin).
    """
    return pairwise(lambda i, j: sigmoid(scores[j] - scores[i]), relevance, valid)


@loss
def pairwise_mse(
    scores=Prediction("list"),
    relevance=Target("list"),
    valid=Mask("list", optional=True),
):
    """Squared error of the score differences as predictions of the relevance differences.

    Use it where differences of `relevance` mean something, and a shift of all scores does not: it
    is twice the variance of the errors times n / (n - 1). `valid` is false for padding. One loss
    per list, the mean over all pairs of different items; 0 if there is one item at most.

    References:
        D. Sculley, "Large Scale Learning to Rank", 2009 (pairs of a list).
    """
    i, j = index("list", "i j")
    pair = Ne(i, j)
    if valid is not None:
        pair = And(pair, valid[i], valid[j])
    error = (scores[i] - scores[j]) - (relevance[i] - relevance[j])
    return mean_where(pair, error**2, i, j)


# ---- whole lists --------------------------------------------------------------------------------


def surprise(scores, valid, i):
    """Minus the log-probability of item `i` under the softmax of the valid scores."""
    j = index("list", "j")
    if valid is None:
        return log(Sum(exp(scores[j]), j)) - scores[i]
    return log(Sum(indicator(valid[j]) * exp(scores[j]), j)) - scores[i]


def only(valid, i, e):
    """A term of item `i` that counts if the item is valid."""
    return e if valid is None else where(valid[i], e, 0)


@loss(aliases=("listnet_softmax",))
def softmax_ranking(
    scores=Prediction("list"),
    relevance=Target("list", nonnegative=True),
    valid=Mask("list", optional=True),
):
    """Cross-entropy of relevances, as they are, under the softmax of a list's scores.

    Use it to put relevant items first, above all where one or few are relevant, as with clicks.
    `valid` is false for padding. One loss per list: one with more relevance counts more, and one
    without any costs 0. `listnet` makes a distribution of the relevances first.

    References:
        Z. Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", 2007.
        S. Bruch, X. Wang, M. Bendersky and M. Najork, "An Analysis of the Softmax Cross Entropy
        Loss for Learning-to-Rank with Binary Relevance", 2019.
    """
    i = index("list", "i")
    return Sum(only(valid, i, relevance[i] * surprise(scores, valid, i)), i)


@loss
def listnet(
    scores=Prediction("list"),
    relevance=Target("list"),
    valid=Mask("list", optional=True),
):
    """Cross-entropy of the softmax of relevances under the softmax of scores.

    Use it for graded relevance on a scale of its own: what counts is which item would be on top.
    `valid` is false for padding. One loss per list. With relevances of 0 and 1 the target is nearly
    uniform: use `softmax_ranking`.

    References:
        Z. Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", 2007.
    """
    i = index("list", "i")
    wanted = exp(-surprise(relevance, valid, i))
    return Sum(only(valid, i, wanted * surprise(scores, valid, i)), i)


@loss
def poly1_softmax(
    scores=Prediction("list"),
    relevance=Target("list", nonnegative=True),
    valid=Mask("list", optional=True),
    *,
    epsilon=Param(1, interval=(-1, oo)),
):
    """`softmax_ranking` plus a multiple of the probability that the relevant items do not get.

    Use it to stress (`epsilon` above 0) or to soften the first-order term of the cross-entropy.
    `valid` is false for padding. One loss per list; one without relevance has no cross-entropy,
    but keeps the constant `epsilon`.

    References:
        Z. Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss
        Functions", 2022.
    """
    i = index("list", "i")
    total = Sum(only(valid, i, relevance[i]), i)
    found = Sum(only(valid, i, relevance[i] * exp(-surprise(scores, valid, i))), i)
    share = where(total > 0, found / total, 0)
    return softmax_ranking(scores, relevance, valid) + epsilon * (1 - share)


@loss
def unique_softmax(
    scores=Prediction("list"),
    relevance=Target("list", nonnegative=True),
    valid=Mask("list", optional=True),
):
    """Each item against the less relevant ones alone, weighted by the gain of its relevance.

    Use it for graded relevance: items that are equally relevant do not compete. The gain is
    `2^relevance - 1`. `valid` is false for padding. One loss per list. Memory grows with the square
    of the list's length.

    References:
        X. Zhu and D. Klabjan, "Listwise Learning to Rank by Exploring Unique Ratings", 2020.
    """
    i, j = index("list", "i j")
    rivals = Or(Eq(i, j), relevance[j] < relevance[i])
    if valid is not None:
        rivals = And(rivals, valid[j])
    cost = log(Sum(indicator(rivals) * exp(scores[j]), j)) - scores[i]
    return Sum(only(valid, i, (2 ** relevance[i] - 1) * cost), i)
