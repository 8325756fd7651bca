"""Metric-learning losses of classes: each has a learned centre, proxy or row of weights.

These are inputs without batch axes, which all samples share, and have gradients of their own.
"""

from losscompiler.spec import (
    Eq,
    Label,
    Max,
    Mean,
    Min,
    Ne,
    Norm,
    Param,
    Prediction,
    Rational,
    Sum,
    cos,
    exp,
    index,
    indicator,
    log,
    loss,
    pi,
    sin,
    softmax,
)

from ._options import cosine_similarity, distance, squared_distance, unit


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

    Use it as the plain member of its family, before margins are tried (`cosface`, `arcface`).
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


@loss(aliases=("am_softmax",))
def cosface(
    embedding=Prediction("feature"),
    weights=Prediction("class", "feature"),
    label=Label("class"),
    *,
    margin=Param(Rational("0.35"), nonnegative=True),
    scale=Param(64, positive=True),
):
    """Softmax cross-entropy of scaled cosines, from that of the label a margin is taken.

    Use it for identities with few samples each, as with faces. It is easier to optimise than
    `arcface` and does about as well. `weights` has one row per class and is learned. A zero vector
    has cosine 0 to everything and no gradient.

    References:
        H. Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", 2018.
    """
    return cross_entropy_with(
        lambda k: scale * cosine_to(embedding, weights, k),
        scale * (cosine_to(embedding, weights, label) - margin),
        label,
    )


def turned(a, b, d, margin):
    """Cosine of the angle between two vectors plus a margin.

    `cos(acos(c) + m)` is `c cos(m) - s sin(m)`. The sine `s` is the length of what `b` leaves of
    `a`: `sqrt(1 - c^2)` has no digits left at small angles.
    """
    cosine = cosine_similarity(a, b, d)
    return cosine * cos(margin) - distance(unit(a, d), cosine * unit(b, d), d) * sin(margin)


@loss(aliases=("additive_angular_margin",))
def arcface(
    embedding=Prediction("feature"),
    weights=Prediction("class", "feature"),
    label=Label("class"),
    *,
    margin=Param(Rational(1, 2), interval=(0, pi / 2)),
    scale=Param(64, positive=True),
):
    """Softmax cross-entropy of scaled cosines, to the label's angle a margin is added.

    Use it for identities with few samples each, as with faces. `margin` is in radians. `weights`
    has one row per class and is learned. Beyond a half-turn the cosine of angle plus margin rises
    again; libraries let it fall on, with a jump. At an angle of 0 there is a kink, whose gradient
    is 0.

    References:
        J. Deng, J. Guo, N. Xue and S. Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep
        Face Recognition", 2019.
    """
    d = index("feature")
    return cross_entropy_with(
        lambda k: scale * cosine_to(embedding, weights, k),
        scale * turned(embedding[d], weights[label, d], d, margin),
        label,
    )


@loss
def magface(
    embedding=Prediction("feature"),
    weights=Prediction("class", "feature"),
    label=Label("class"),
    *,
    shortest=Param(10, positive=True),
    longest=Param(110, positive=True),
    least_margin=Param(Rational("0.45"), interval=(0, pi / 2)),
    largest_margin=Param(Rational("0.8"), interval=(0, pi / 2)),
    scale=Param(64, positive=True),
    strength=Param(35, nonnegative=True),
):
    """ArcFace whose margin grows with the length of the embedding: a length that means quality.

    Use it for recognition where samples differ in quality: the length of an embedding is a measure
    of it that costs nothing. Lengths count between `shortest` and `longest`; the margin is linear
    in between, and a penalty times `strength` draws all lengths upwards. `weights` has one row per
    class and is learned. Beyond a half-turn it goes on as `arcface` does. The defaults are those of
    the authors: `shortest` must be below `longest`.

    References:
        Q. Meng, S. Zhao, Z. Huang and F. Zhou, "MagFace: A Universal Representation for Face
        Recognition and Quality Assessment", 2021.
    """
    d = index("feature")
    length = Min(Max(Norm(embedding[d], d), shortest), longest)
    share = (length - shortest) / (longest - shortest)
    margin = least_margin + (largest_margin - least_margin) * share
    cost = cross_entropy_with(
        lambda k: scale * cosine_to(embedding, weights, k),
        scale * turned(embedding[d], weights[label, d], d, margin),
        label,
    )
    return cost + strength * (length / longest**2 + 1 / length)


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


@loss
def soft_triple(
    embedding=Prediction("feature"),
    centers=Prediction("class", "center", "feature"),
    label=Label("class"),
    *,
    scale=Param(20, positive=True),
    gamma=Param(Rational("0.1"), positive=True),
    margin=Param(Rational("0.01"), nonnegative=True),
):
    """Softmax cross-entropy of cosines to the classes, each of which has several centres.

    Use it when a class has several modes. A class's cosine is the mean of those to its centres,
    weighted by a softmax at temperature `gamma`. `centers` are learned. Its authors add a penalty
    that merges superfluous centres of a class, which is not in here. A zero vector has cosine 0 to
    everything and no gradient.

    References:
        Q. Qian et al., "SoftTriple Loss: Deep Metric Learning Without Triplet Sampling", 2019.
    """
    d, center = index("feature"), index("center")

    def similarity(k):
        cosine = cosine_similarity(embedding[d], centers[k, center, d], d)
        return Sum(softmax(cosine / gamma, center) * cosine, center)

    return cross_entropy_with(
        lambda k: scale * similarity(k), scale * (similarity(label) - margin), label
    )


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
