"""Contrastive losses: each sample picks its partner among the batch."""

from losscompiler.spec import (
    AxisMin,
    Label,
    Max,
    Ne,
    Param,
    Prediction,
    Rational,
    Sum,
    exp,
    index,
    log,
    loss,
    oo,
    size,
    softplus,
    where,
)

from ._options import distance, squared_distance, unit
from ._pairs import count_where, log_sum_where, row_similarity


@loss
def info_nce(
    query=Prediction("batch", "feature"),
    key=Prediction("batch", "feature"),
    *,
    temperature=Param(Rational("0.07"), positive=True),
):
    """Picks the key of each query among all keys of the batch, by cosine similarity.

    Use it for paired views or modalities, where row `i` of `key` belongs to row `i` of `query` and
    all other rows serve as negatives: the batch must be large, and without true duplicates. A zero
    embedding has similarity 0 to everything and no gradient; a batch of one costs 0. One loss per
    query; call it both ways round and average for the symmetric form, or use `clip`. With nearest
    neighbours out of a queue as `key` it is the loss of NNCLR.

    References:
        A. van den Oord, Y. Li and O. Vinyals, "Representation Learning with Contrastive
        Predictive Coding", 2018.
        K. He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", 2020
        (cosine similarity and temperature).
    """
    i, j = index("batch", "i j")

    def similarity(a, b):
        return row_similarity(query, a, key, b) / temperature

    return log(Sum(exp(similarity(i, j)), j)) - similarity(i, i)


@loss(aliases=("ntxent_infonce",))
def nt_xent(
    embeddings=Prediction("batch", "feature"),
    positive=Label("batch", "batch"),
    *,
    temperature=Param(Rational("0.07"), positive=True),
):
    """Picks the other view of each embedding among all others of the batch, by cosine similarity.

    Use it for self-supervised learning with two views of each sample, stacked into one batch;
    `positive[i]` is the row of the other view of row `i`. All rows but `i` itself are in the
    denominator. The batch must be large; a lower `temperature` stresses the hardest negatives. A
    zero embedding has similarity 0 to everything and no gradient. An embedding that is its own
    other view has none, and costs 0. With more than two views use `supervised_contrastive`.

    References:
        T. Chen, S. Kornblith, M. Norouzi and G. Hinton, "A Simple Framework for Contrastive
        Learning of Visual Representations", 2020.
    """
    i, k = index("batch", "i k")

    def similarity(a, b):
        return row_similarity(embeddings, a, embeddings, b) / temperature

    cost = log_sum_where(Ne(k, i), similarity(i, k), k) - similarity(i, positive[i])
    return where(Ne(positive[i], i), cost, 0)


@loss(aliases=("dcl",))
def decoupled_contrastive(
    query=Prediction("batch", "feature"),
    key=Prediction("batch", "feature"),
    *,
    temperature=Param(Rational("0.1"), positive=True),
):
    """Contrastive loss without the positive pair in the denominator.

    Use it in place of `nt_xent` where batches must be small: the gradient does not fade as the
    pair is recognised. Row `i` of `key` is the other view of row `i` of `query`; the negatives are
    all other rows of both. One loss per query; call it both ways round and average for the
    symmetric form. It may be negative. A batch of one has no negatives and costs 0.

    References:
        C.-H. Yeh et al., "Decoupled Contrastive Learning", 2022.
    """
    i, j = index("batch", "i j")

    def similarity(a, i, b, j):
        return row_similarity(a, i, b, j) / temperature

    others = Sum(
        where(Ne(i, j), exp(similarity(query, i, query, j)) + exp(similarity(query, i, key, j)), 0),
        j,
    )
    cost = log(others) - similarity(query, i, key, i)
    return where(size("batch") > 1, cost, 0)


@loss(aliases=("clip_symmetric",))
def clip(
    image=Prediction("batch", "feature"),
    text=Prediction("batch", "feature"),
    *,
    logit_scale=Param(Rational(100, 7), positive=True, learnable=True),
):
    """Picks the text of each image and the image of each text among the batch.

    Use it to align two modalities: row `i` of `text` belongs to row `i` of `image`. `logit_scale`
    multiplies the cosines (the inverse of a temperature) and is learned; learn its logarithm and
    cap it at 100, as its authors do. One loss per pair, the mean of both directions. The batch must
    be large; for a loss that needs no other rows' softmax use `siglip`.

    References:
        A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
        2021.
    """
    i, j = index("batch", "i j")

    def logit(i, j):
        return logit_scale * row_similarity(image, i, text, j)

    by_image = log(Sum(exp(logit(i, j)), j)) - logit(i, i)
    by_text = log(Sum(exp(logit(j, i)), j)) - logit(i, i)
    return (by_image + by_text) / 2


@loss
def siglip(
    image=Prediction("batch", "feature"),
    text=Prediction("batch", "feature"),
    *,
    logit_scale=Param(10, positive=True, learnable=True),
    logit_bias=Param(-10, learnable=True),
):
    """Decides for every image and every text of the batch alone whether they belong together.

    Use it in place of `clip` where batches are small or spread over machines: each pair is a
    logistic regression of its own. Row `i` of `text` belongs to row `i` of `image`; scale and bias
    of the cosines are learned. One loss per image, the sum over all texts: a larger batch has a
    larger loss.

    References:
        X. Zhai, B. Mustafa, A. Kolesnikov and L. Beyer, "Sigmoid Loss for Language Image
        Pre-Training", 2023.
    """
    i, j = index("batch", "i j")
    logit = logit_scale * row_similarity(image, i, text, j) + logit_bias
    return Sum(where(Ne(i, j), softplus(logit), softplus(-logit)), j)


@loss
def alignment(first=Prediction("feature"), second=Prediction("feature")):
    """Squared distance of two views on the unit sphere: 0 to 4.

    Use it beside `uniformity`, which keeps embeddings from all becoming one. It is twice the
    `cosine_distance`, with a gradient in both views.

    References:
        T. Wang and P. Isola, "Understanding Contrastive Representation Learning through Alignment
        and Uniformity on the Hypersphere", 2020.
    """
    d = index("feature")
    return squared_distance(unit(first[d], d), unit(second[d], d), d)


@loss
def uniformity(
    embeddings=Prediction("batch", "feature"),
    *,
    t=Param(2, positive=True),
):
    """Logarithm of the mean Gaussian potential of all pairs on the unit sphere.

    Use it beside `alignment` to spread embeddings evenly, or to measure how evenly they are spread.
    One loss per batch, at most 0; a batch of one has no pairs and costs 0.

    References:
        T. Wang and P. Isola, "Understanding Contrastive Representation Learning through Alignment
        and Uniformity on the Hypersphere", 2020.
    """
    i, j = index("batch", "i j")
    squared = 2 - 2 * row_similarity(embeddings, i, embeddings, j)
    pairs = Max(count_where(Ne(i, j), i, j), 1)
    cost = log_sum_where(Ne(i, j), -t * squared, i, j) - log(pairs)
    return where(size("batch") > 1, cost, 0)


@loss(aliases=("kozachenko_leonenko",))
def koleo(
    embeddings=Prediction("batch", "feature"),
    *,
    epsilon=Param(Rational(1, 10**8), positive=True),
):
    """Minus the logarithm of the distance to the nearest other embedding on the unit sphere.

    Use it beside another loss, with a small factor (0.1), to keep a batch of embeddings from
    collapsing: it looks at nearest neighbours alone, where `uniformity` looks at all pairs. One
    loss per embedding; a batch of one has no neighbours and costs 0.

    References:
        A. Sablayrolles, M. Douze, C. Schmid and H. Jégou, "Spreading Vectors for Similarity
        Search", 2019.
    """
    i, j, d = index("batch", "i"), index("batch", "j"), index("feature")
    apart = distance(unit(embeddings[i, d], d), unit(embeddings[j, d], d), d)
    nearest = AxisMin(where(Ne(i, j), apart, oo), j)
    return where(size("batch") > 1, -log(nearest + epsilon), 0)
