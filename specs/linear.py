"""A linear layer and the classification loss behind it, in one."""

from losscompiler.spec import Label, Mean, Param, Prediction, Sum, exp, index, log, loss

from ._options import smoothed


@loss
def linear_cross_entropy(
    hidden=Prediction("batch", "feature"),
    weights=Prediction("class", "feature"),
    label=Label("class", "batch"),
    bias=Prediction("class", optional=True),
    *,
    label_smoothing=Param(0, interval=(0, 1)),
):
    """Softmax cross-entropy of a label under a linear layer of hidden features.

    Use it for the last layer of a language model or classifier, layer and loss in one: `weights`
    and `bias` belong to all samples and are differentiated, too. There is one loss per sample. The
    logits of the whole batch are held in memory: for very many classes call it on parts of the
    batch.

    References:
        J. S. Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs,
        with Relationships to Statistical Pattern Recognition", 1990.
    """
    i, d = index("batch", "i"), index("feature", "d")
    c, k = index("class", "c k")

    def logit(n):
        product = Sum(hidden[i, d] * weights[n, d], d)
        return product if bias is None else product + bias[n]

    normaliser = log(Sum(exp(logit(k)), k))
    return smoothed(normaliser - logit(label[i]), Mean(normaliser - logit(c), c), label_smoothing)
