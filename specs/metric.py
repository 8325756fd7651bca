"""Metric-learning losses: embeddings of what belongs together should lie close together."""

from losscompiler.spec import (
    Label,
    Ne,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    exp,
    index,
    indicator,
    log,
    loss,
)

from ._options import cosine_similarity, distance, margin_cost, squared_distance, tempered


@loss
def contrastive(
    first=Prediction("feature"),
    second=Prediction("feature"),
    same=Target(values={0, 1}),
    *,
    margin=Param(1, positive=True),
):
    """Squared distance of two embeddings that belong together; the others are pushed apart.

    Use it for labelled pairs: `same` is 1 if the two belong together, 0 if not. Pairs that do not
    are pushed only within `margin`. Absolute distances must fit one margin everywhere:
    `triplet_margin` compares distances instead. There is no factor 1/2.

    References:
        R. Hadsell, S. Chopra and Y. LeCun, "Dimensionality Reduction by Learning an Invariant
        Mapping", 2006.
    """
    d = index("feature")
    together = squared_distance(first[d], second[d], d)
    apart = margin_cost(distance(first[d], second[d], d), margin) ** 2
    return same * together + (1 - same) * apart


@loss
def triplet_margin(
    anchor=Prediction("feature"),
    positive=Prediction("feature"),
    negative=Prediction("feature"),
    *,
    margin=Param(1, nonnegative=True),
):
    """Makes an anchor nearer to its positive than to its negative by a margin.

    Use it when only "more alike than" is known. The distance is Euclidean and embeddings are not
    normalised here. Random triplets soon cost nothing and teach nothing: choose hard ones, or use
    `info_nce` or `nt_xent`, which compare with the whole batch.

    References:
        F. Schroff, D. Kalenichenko and J. Philbin, "FaceNet: A Unified Embedding for Face
        Recognition and Clustering", 2015.
    """
    d = index("feature")
    nearer = distance(anchor[d], negative[d], d) - distance(anchor[d], positive[d], d)
    return margin_cost(nearer, margin)


@loss
def info_nce(
    query=Prediction("batch", "feature"),
    key=Prediction("batch", "feature"),
    *,
    temperature=Param(Rational("0.07"), positive=True),
):
    """Picks the key of each query among all keys of the batch, by cosine similarity.

    Use it for paired views or modalities, where row `i` of `key` belongs to row `i` of `query` and
    all other rows serve as negatives: the batch must be large, and without true duplicates. No
    embedding may be zero. One loss per query; call it both ways round and average for the
    symmetric form.

    References:
        A. van den Oord, Y. Li and O. Vinyals, "Representation Learning with Contrastive
        Predictive Coding", 2018.
        K. He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", 2020
        (cosine similarity and temperature).
    """
    i, j = index("batch", "i j")
    d = index("feature")

    def similarity(a, b):
        return tempered(cosine_similarity(query[a, d], key[b, d], d), temperature)

    return log(Sum(exp(similarity(i, j)), j)) - similarity(i, i)


@loss
def nt_xent(
    embeddings=Prediction("batch", "feature"),
    positive=Label("batch", "batch"),
    *,
    temperature=Param(Rational("0.07"), positive=True),
):
    """Picks the other view of each embedding among all others of the batch, by cosine similarity.

    Use it for self-supervised learning with two views of each sample, stacked into one batch;
    `positive[i]` is the row of the other view of row `i`. All rows but `i` itself are in the
    denominator. The batch must be large, and no embedding zero; a lower `temperature` stresses the
    hardest negatives.

    References:
        T. Chen, S. Kornblith, M. Norouzi and G. Hinton, "A Simple Framework for Contrastive
        Learning of Visual Representations", 2020.
    """
    i, k = index("batch", "i k")
    d = index("feature")

    def similarity(a, b):
        return tempered(cosine_similarity(embeddings[a, d], embeddings[b, d], d), temperature)

    others = Sum(indicator(Ne(k, i)) * exp(similarity(i, k)), k)
    return log(others) - similarity(i, positive[i])
