"""Sequence losses: sums over all alignments of two sequences, by recurrences."""

from losscompiler.spec import (
    And,
    Eq,
    Label,
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
    scan,
    size,
    where,
)


def last(i, length):
    """Whether `i` is the last of so many positions; a length beyond the axis is the whole axis."""
    return Or(Eq(i, length - 1), And(Eq(i, size(i) - 1), length >= size(i)))


@loss
def ctc(
    logits=Prediction("time", "class"),
    labels=Label("class", "label"),
    input_length=Target(integer=True, nonnegative=True),
    label_length=Target(integer=True, nonnegative=True),
    *,
    blank=Param(0, integer=True, nonnegative=True),
):
    """Minus the log-probability of a label sequence, over all its alignments with the input.

    Use it for speech and handwriting: sequences whose labels come in order, at unknown times. A
    frame emits a label or a blank; repeated labels and blanks collapse. Frames are independent
    given the input; where labels depend on each other, combine it with a language model.

    `logits` are unnormalised scores of one sample, `(time, class)`; the softmax is taken here.
    `labels` hold class indices. Frames from `input_length` on and labels from `label_length` on do
    not count, but labels there have to be classes, too: pad with the blank. Lengths beyond an axis
    mean the whole axis. `blank` is the class of the blank, which must not occur in `labels`.

    A sequence that does not fit, with fewer frames than labels and blanks between equal
    neighbours, has the loss 0 and no gradient, as with `zero_infinity=True` in PyTorch. The mean is
    that over samples: PyTorch's and Keras's divide by the length of the labels first.

    References:
        A. Graves, S. Fernandez, F. Gomez and J. Schmidhuber, "Connectionist Temporal
        Classification: Labelling Unsegmented Sequence Data with Recurrent Neural Networks", 2006.
    """
    t, s, v = index("time", "t"), index("label", "s"), index("class", "v")
    log_normaliser = log(Sum(exp(logits[t, v]), v))
    on_label = logits[t, labels[s]] - log_normaliser
    on_blank = Sum(where(Eq(v, blank), logits[t, v], 0), v) - log_normaliser

    def step(carries, scores):
        nothing, at_label, after_label = carries
        on_label, on_blank = scores
        before = where(s >= 1, after_label[s - 1], nothing)
        other = where(s >= 1, where(Ne(labels[s], labels[s - 1]), at_label[s - 1], -oo), -oo)
        return (
            nothing + on_blank,
            log(exp(at_label) + exp(before) + exp(other)) + on_label,
            log(exp(after_label) + exp(at_label)) + on_blank,
        )

    carries = scan(step, (on_label, on_blank), t, init=(0, -oo, -oo))
    nothing, at_label, after_label = (Sum(where(last(t, input_length), c, 0), t) for c in carries)
    at_label, after_label = (
        Sum(where(last(s, label_length), c, 0), s) for c in (at_label, after_label)
    )
    total = log(exp(at_label) + exp(after_label))
    repeated = where(s >= 1, indicator(Eq(labels[s], labels[s - 1])), 0)
    needed = Sum(where(s < label_length, 1 + repeated, 0), s)
    feasible = And(input_length >= needed, size(t) >= needed)
    return where(feasible, -where(Eq(label_length, 0), nothing, total), 0)


@loss
def soft_dtw(
    prediction=Prediction("time", "feature"),
    target=Target("target_time", "feature"),
    *,
    gamma=Param(1, positive=True),
):
    """Cost of aligning two series in time, soft over all monotone alignments.

    Use it to fit or to average time series whose shape counts and whose timing may stretch, also
    of different lengths. Steps cost squared Euclidean distances; `gamma` smooths the minimum over
    alignments, and towards 0 the loss becomes dynamic time warping. It is not 0, and may be
    negative, where both series are equal: subtract the means of both self-alignments if that
    matters. For series with a common clock a pointwise loss is cheaper and sharper.

    References:
        M. Cuturi and M. Blondel, "Soft-DTW: a Differentiable Loss Function for Time-Series", 2017.
    """
    i, j, d = index("time", "i"), index("target_time", "j"), index("feature", "d")
    cost = Sum((prediction[i, d] - target[j, d]) ** 2, d)

    def row(above, cost):
        corner = where(Eq(i, 0), 0, -oo)

        def entry(left, cost):
            diagonal = where(j >= 1, above[j - 1], corner)
            return log(exp(above) + exp(left) + exp(diagonal)) - cost / gamma

        return scan(entry, cost, j, init=-oo)

    path = scan(row, cost, i, init=-oo)
    return -gamma * Sum(where(And(Eq(i, size(i) - 1), Eq(j, size(j) - 1)), path, 0), i, j)
