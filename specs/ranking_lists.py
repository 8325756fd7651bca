"""Listwise ranking losses: scores should put the whole of a list in the right order."""

from losscompiler.spec import (
    And,
    Mask,
    Max,
    Param,
    Prediction,
    Sum,
    Target,
    cumsum,
    exp,
    index,
    indicator,
    log,
    loss,
    oo,
    rank,
    sigmoid,
    sort,
    stop_gradient,
    where,
)


def _gain(relevance, valid, i):
    """What an item adds to the gain of a list at its top: `2**relevance - 1`, 0 for padding."""
    gain = exp(relevance[i] * log(2)) - 1
    return gain if valid is None else where(valid[i], gain, 0)


def _discount(place):
    """What is left of a gain at a place, 0 being the top: `1 / log2(place + 2)`."""
    return log(2) / log(place + 2)


def _ideal_gain(relevance, valid):
    """The discounted cumulative gain of the best order."""
    k = index("list", "k")
    return Sum(sort(_gain(relevance, valid, k), k, descending=True) * _discount(k), k)


@loss(aliases=("listmle",))
def list_mle(
    scores=Prediction("list"),
    relevance=Target("list"),
    valid=Mask("list", optional=True),
):
    """Negative log-likelihood of the right order in the Plackett-Luce model, per list.

    Use it where one order is the right one: the first place is drawn with probabilities
    softmax(scores), the next among the items that are left, and so on. Items of equal relevance
    are taken in order of position, always the same; other libraries draw their order at random. If
    most items are equally relevant, take `approx_ndcg` or `pairwise_logistic`. `valid` is false for
    padding.

    References:
        F. Xia, T.-Y. Liu, J. Wang, W. Zhang and H. Li, "Listwise Approach to Learning to Rank:
        Theory and Algorithm", 2008.
    """
    k = index("list", "k")
    best_first = {"by": relevance[k], "descending": True}
    if valid is None:
        ordered = sort(scores[k], k, **best_first)
        return Sum(log(cumsum(exp(ordered), k, reverse=True)) - ordered, k)
    best_first["by"] = where(valid[k], relevance[k], -oo)
    ordered = sort(scores[k], k, **best_first)
    counts = sort(indicator(valid[k]), k, **best_first) > 0
    left = cumsum(where(counts, exp(ordered), 0), k, reverse=True)
    return Sum(where(counts, log(left) - ordered, 0), k)


@loss
def approx_ndcg(
    scores=Prediction("list"),
    relevance=Target("list", nonnegative=True),
    valid=Mask("list", optional=True),
    *,
    temperature=Param(0.1, positive=True),
):
    """One minus the NDCG of smooth ranks: a sigmoid counts which items score higher, per list.

    Use it to optimise NDCG where it is what counts in the end; start from scores that a pairwise
    loss has trained, as the gradient vanishes for differences beyond a few `temperature`s. A list
    without a relevant item costs 0. Other libraries return minus the NDCG. `valid` is false for
    padding. Memory grows with the square of the list's length.

    References:
        T. Qin, T.-Y. Liu and H. Li, "A General Approximation Framework for Direct Optimization of
        Information Retrieval Measures", 2010.
    """
    i, j = index("list", "i j")
    above = sigmoid((scores[j] - scores[i]) / temperature)
    if valid is not None:
        above = where(And(valid[i], valid[j]), above, 0)
    place = Max(Sum(above, j) - sigmoid(0), 0)  # an item does not count as above itself
    gain = Sum(_gain(relevance, valid, i) * _discount(place), i)
    ideal = _ideal_gain(relevance, valid)
    return where(ideal > 0, 1 - gain / ideal, 0)


@loss(aliases=("lambdarank_ndcg",))
def lambda_rank(
    scores=Prediction("list"),
    relevance=Target("list", nonnegative=True),
    valid=Mask("list", optional=True),
    *,
    sigma=Param(1, positive=True),
):
    """Logistic loss of all pairs, each weighed by what swapping the two changes in the NDCG.

    Use it for graded relevance where the top of the list matters most: it is the usual choice of
    gradient boosting for ranking. The weights follow the current order of the scores and are
    constant to derivatives; items with equal scores are ranked by position. The sum is over all
    pairs of unequal relevance, per list; a list without a relevant item costs 0. `valid` is false
    for padding. Memory grows with the square of the list's length.

    References:
        C. Burges, R. Ragno and Q. V. Le, "Learning to Rank with Nonsmooth Cost Functions", 2006.
        X. Wang, C. Li, N. Golbandi, M. Bendersky and M. Najork, "The LambdaLoss Framework for
        Ranking Metric Optimization", 2018.
    """
    i, j = index("list", "i j")
    better = relevance[i] > relevance[j]
    if valid is not None:
        better = And(better, valid[i], valid[j])

    def discount(item):
        score = scores[item] if valid is None else where(valid[item], scores[item], -oo)
        return _discount(rank(-score, item))

    ideal = _ideal_gain(relevance, valid)
    gained = _gain(relevance, valid, i) - _gain(relevance, valid, j)
    moved = Max(discount(i) - discount(j), discount(j) - discount(i))
    change = stop_gradient(where(better, gained * moved, 0))
    total = Sum(change * log(1 + exp(-sigma * (scores[i] - scores[j]))), i, j)
    return where(ideal > 0, total / ideal, 0)
