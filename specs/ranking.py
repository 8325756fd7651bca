"""Ranking losses: scores should put items in the right order."""

from losscompiler.spec import (
    And,
    Mask,
    Max,
    Param,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    indicator,
    log,
    loss,
)

from ._options import margin_cost


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
    return margin_cost(target * (first - second), margin)


@loss
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
    i, j = index("list", "i j")
    better = relevance[i] > relevance[j]
    if valid is not None:
        better = And(better, valid[i], valid[j])
    cost = Sum(indicator(better) * log(1 + exp(scores[j] - scores[i])), i, j)
    pairs = Sum(indicator(better), i, j)
    return cost / Max(pairs, 1)
