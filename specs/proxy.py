"""Metric-learning losses of classes: each has a learned centre, proxy or row of weights.

These are inputs without batch axes, which all samples share, and have gradients of their own.
"""

from losscompiler.spec import (
    Eq,
    Label,
    Max,
    Mean,
    Ne,
    Param,
    Prediction,
    Rational,
    Sum,
    exp,
    index,
    indicator,
    log,
    loss,
)

from ._options import cosine_similarity, squared_distance, unit


def cosine_to(embedding, weights, c):
    """Cosine of the angle between an embedding and the weights of class `c`; 0 if one is zero."""
    d = index("feature")
    return cosine_similarity(embedding[d], weights[c, d], d)


def cross_entropy_with(logit, target, label):
    """Cross-entropy of a label under the softmax of logits, that of the label being `target`."""
    k = index("class", "k")
    return log(1 + Sum(indicator(Ne(k, label)) * exp(logit(k) - target), k))


@loss
def normalized_softmax(
    embedding=Prediction("feature"),
    weights=Prediction("class", "feature"),
    label=Label("class"),
    *,
    temperature=Param(Rational("0.05"), positive=True),
):
    """Softmax cross-entropy of the cosines of an embedding to the weights of all classes.

    Use it as the plain member of its family, before margins are tried.
    `weights` has one row per class and is learned. A zero vector has cosine 0 to everything and no
    gradient.

    References:
        A. Zhai and H.-Y. Wu, "Classification is a Strong Baseline for Deep Metric Learning", 2019.
    """
    return cross_entropy_with(
        lambda k: cosine_to(embedding, weights, k) / temperature,
        cosine_to(embedding, weights, label) / temperature,
        label,
    )


@loss
def proxy_nca(
    embedding=Prediction("feature"),
    proxies=Prediction("class", "feature"),
    label=Label("class"),
    *,
    scale=Param(1, positive=True),
):
    """Softmax cross-entropy of minus the squared distances of an embedding to all proxies.

    Use it in place of triplets when there are labels: nothing needs to be mined. `proxies` has one
    row per class and is learned. Embedding and proxies are normalised; the default `scale` is that
    of the paper, and larger ones (9) do better. The label's own proxy is in the denominator, which
    the paper leaves out. A zero vector stays zero.

    References:
        Y. Movshovitz-Attias et al., "No Fuss Distance Metric Learning using Proxies", 2017.
        E. W. Teh, T. DeVries and G. W. Taylor, "ProxyNCA++: Revisiting and Revitalizing Proxy
        Neighborhood Component Analysis", 2020 (the label's proxy, and the scale).
    """
    d = index("feature")

    def nearness(k):
        return -scale * squared_distance(unit(embedding[d], d), unit(proxies[k, d], d), d)

    return cross_entropy_with(nearness, nearness(label), label)


@loss
def proxy_anchor(
    embeddings=Prediction("batch", "feature"),
    proxies=Prediction("class", "feature"),
    label=Label("class", "batch"),
    *,
    margin=Param(Rational("0.1"), nonnegative=True),
    alpha=Param(32, positive=True),
):
    """Smooth hinges on the cosines of each class's proxy to all samples of the batch.

    Use it in place of `proxy_nca` where relations between samples should count, too: each proxy
    pulls its hardest samples most. `proxies` has one row per class and is learned. One loss per
    batch: the mean over the classes in the batch of how they are pulled, plus the mean over all
    classes of how others are pushed. A zero vector has cosine 0 to everything and no gradient.

    References:
        S. Kim, D. Kim, M. Cho and S. Kwak, "Proxy Anchor Loss for Deep Metric Learning", 2020.
    """
    c = index("class", "c")
    i, d = index("batch", "i"), index("feature")
    cosine = cosine_similarity(embeddings[i, d], proxies[c, d], d)
    belongs = Eq(label[i], c)
    pulled = Sum(indicator(belongs) * exp(-alpha * (cosine - margin)), i)
    pushed = Sum(indicator(Ne(label[i], c)) * exp(alpha * (cosine + margin)), i)
    present = Sum(indicator(Sum(indicator(belongs), i) > 0), c)
    return Sum(log(1 + pulled), c) / Max(present, 1) + Mean(log(1 + pushed), c)


@loss(aliases=("center_loss",))
def center(
    embedding=Prediction("feature"),
    centers=Prediction("class", "feature"),
    label=Label("class"),
):
    """Half the squared distance of an embedding from the centre of its class.

    Use it beside a softmax cross-entropy, with a small factor (0.003), to make classes compact;
    alone it is least where everything is one point. `centers` has one row per class: learn it by
    its gradient, or move it to the class's mean yourself, as its authors do, and drop the gradient.

    References:
        Y. Wen, K. Zhang, Z. Li and Y. Qiao, "A Discriminative Feature Learning Approach for Deep
        Face Recognition", 2016.
    """
    d = index("feature")
    return squared_distance(embedding[d], centers[label, d], d) / 2
