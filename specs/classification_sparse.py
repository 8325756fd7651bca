"""Classification with sparse probabilities: most classes get exactly 0."""

from losscompiler.spec import (
    Label,
    Max,
    Prediction,
    Sum,
    cumsum,
    index,
    indicator,
    loss,
    sort,
    where,
)


def _threshold(logits):
    """What a projection onto the simplex takes from every logit: those below it become 0."""
    k = index("class", "k")
    largest_first = sort(logits[k], k, descending=True)
    kept = 1 + (k + 1) * largest_first > cumsum(largest_first, k)
    return (Sum(where(kept, largest_first, 0), k) - 1) / Sum(indicator(kept), k)


@loss(aliases=("multiclass_sparsemax",))
def sparsemax(logits=Prediction("class"), label=Label("class")):
    """The loss whose gradient is sparsemax minus target: sparsemax gives most classes exactly 0.

    Use it in place of `sparse_softmax_cross_entropy` where a distribution over few classes is
    wanted; for two classes take `binary_sparsemax`. It is 0 as soon as the logit of the label
    exceeds all others by 1. Its gradient has kinks: second derivatives are those of the classes
    that are left.

    References:
        A. F. T. Martins and R. F. Astudillo, "From Softmax to Sparsemax: A Sparse Model of
        Attention and Multi-Label Classification", 2016.
    """
    c = index("class", "c")
    threshold = _threshold(logits)
    squares = Sum(Max(logits[c] - threshold, 0) ** 2, c)
    return threshold - logits[label] + squares / 2 + 1 / 2
