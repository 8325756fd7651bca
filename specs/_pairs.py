"""What losses over pairs of a batch share: who belongs together, and sums over those pairs.

Rows of a batch belong together if their `identity` is the same: any integers, which need not be
consecutive. A row is no positive of itself. This file declares no loss.
"""

from losscompiler.spec import And, Eq, Max, Ne, Sum, exp, index, indicator, log, where

from ._options import cosine_similarity, distance


def row_similarity(a, i, b, j):
    """Cosine of the angle between row `i` of `a` and row `j` of `b`; 0 if either is zero."""
    d = index("feature")
    return cosine_similarity(a[i, d], b[j, d], d)


def row_distance(a, i, b, j):
    """Euclidean distance of row `i` of `a` from row `j` of `b`."""
    d = index("feature")
    return distance(a[i, d], b[j, d], d)


def positives(identity, i, j):
    """Whether two different rows belong together."""
    return And(Eq(identity[i], identity[j]), Ne(i, j))


def negatives(identity, i, j):
    """Whether two rows do not belong together."""
    return Ne(identity[i], identity[j])


def log_sum_where(condition, e, *indices):
    """log(sum(exp(e))) over where the condition holds: -oo if it holds nowhere."""
    return log(Sum(indicator(condition) * exp(e), *indices))


def mean_where(condition, e, *indices):
    """Mean over where the condition holds: 0 if it holds nowhere."""
    return Sum(where(condition, e, 0), *indices) / Max(count_where(condition, *indices), 1)


def count_where(condition, *indices):
    """How often a condition holds."""
    return Sum(indicator(condition), *indices)
