"""Segmentation losses of the order of errors: the Jaccard index of sets, the hardest positions."""

from losscompiler.spec import (
    Abs,
    And,
    Eq,
    Label,
    Max,
    Param,
    Prediction,
    Sum,
    Target,
    cumsum,
    exp,
    floor,
    index,
    indicator,
    log,
    loss,
    size,
    softmax,
    sort,
    where,
)

from ._options import one_hot, signed


def _lovasz(cost, error, target, s):
    """The Lovász extension of the Jaccard loss: costs, largest error first, by what each adds.

    Adding a position to the set of wrong ones takes it from the intersection if it belongs to the
    object, else adds it to the union; the order of the errors is constant to derivatives.
    """
    inside = sort(target, s, by=error, descending=True)
    whole = Sum(target, s)
    intersection = whole - cumsum(inside, s)
    union = whole + cumsum(1 - inside, s)
    added = inside / union + (1 - inside) * intersection / (union * Max(union - 1, 1))
    first_of_none = And(Eq(s, 0), Eq(whole, 0))
    return Sum(sort(cost, s, descending=True) * where(first_of_none, 1, added), s)


def _position_surprisal(logits, label, s):
    """The cross-entropy of one position."""
    k = index("class", "k")
    return log(Sum(exp(logits[k, s]), k)) - logits[label[s], s]


@loss
def lovasz_hinge(
    logits=Prediction("*spatial"),
    target=Target("*spatial", values={0, 1}),
):
    """Hinge errors weighed by what each adds to the Jaccard loss of a binary mask, per image.

    Use it to fine-tune a network that a cross-entropy has trained, when intersection over union is
    what counts; from the start its gradient is poor, being that of few positions. An image without
    object costs the largest hinge error. Where errors tie, the positions share the derivative.

    References:
        M. Berman, A. Rannen Triki and M. B. Blaschko, "The Lovász-Softmax Loss: A Tractable
        Surrogate for the Optimization of the Intersection-Over-Union Measure in Neural Networks",
        2018.
    """
    s = index("spatial", "s")
    error = 1 - logits[s] * signed(target[s])
    return _lovasz(Max(error, 0), error, target[s], s)


@loss
def lovasz_softmax(
    logits=Prediction("class", "*spatial"),
    label=Label("class", "*spatial"),
):
    """Errors of probabilities weighed by what each adds to the Jaccard loss of its class.

    Use it for several classes, as `lovasz_hinge` for one. The loss of an image is the mean over the
    classes that occur in it; the probabilities are those of a softmax over `logits`.

    References:
        M. Berman, A. Rannen Triki and M. B. Blaschko, "The Lovász-Softmax Loss: A Tractable
        Surrogate for the Optimization of the Intersection-Over-Union Measure in Neural Networks",
        2018.
    """
    c, s = index("class", "c"), index("spatial", "s")
    target = one_hot(label[s], c)
    error = Abs(target - softmax(logits[c, s], c))
    present = Sum(target, s) > 0
    total = Sum(where(present, _lovasz(error, error, target, s), 0), c)
    return total / Max(Sum(indicator(present), c), 1)


@loss(aliases=("ohem_cross_entropy",))
def top_k_cross_entropy(
    logits=Prediction("class", "*spatial"),
    label=Label("class", "*spatial"),
    *,
    fraction=Param(0.1, interval=(0, 1)),
):
    """Mean cross-entropy of the hardest positions of an image, a given fraction of all.

    Use it where most positions are easy and drown the others (online hard example mining); a large
    fraction of wrong labels among the hard ones speaks against it. At least one position counts.
    Where the last ones tie, all that tie share the derivative.

    References:
        A. Shrivastava, A. Gupta and R. Girshick, "Training Region-Based Object Detectors with
        Online Hard Example Mining", 2016.
    """
    s = index("spatial", "s")
    count = Max(floor(fraction * size(s)), 1)
    hardest = sort(_position_surprisal(logits, label, s), s, descending=True)
    return Sum(where(s < count, hardest, 0), s) / count
