"""Metric-learning losses of a batch with identities: pairs and triplets are found inside it."""

from losscompiler.spec import (
    And,
    AxisMax,
    AxisMin,
    Max,
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
    oo,
    stop_gradient,
    where,
)

from ._pairs import (
    count_where,
    log_sum_where,
    mean_where,
    negatives,
    positives,
    row_distance,
    row_similarity,
)


@loss
def contrastive_batch(
    embeddings=Prediction("batch", "feature"),
    identity=Target("batch", integer=True),
    *,
    positive_margin=Param(0, nonnegative=True),
    negative_margin=Param(1, nonnegative=True),
):
    """`contrastive` for all pairs of a batch, with distances that are not squared.

    Use it for a batch with several samples of each identity. Pairs that belong together cost what
    their distance exceeds `positive_margin` by, the others what they lack to `negative_margin`; the
    mean over the ones plus the mean over the others. One loss per batch; pairs of a kind that does
    not occur cost 0. Distances are Euclidean: normalise embeddings first if only angles matter.

    References:
        R. Hadsell, S. Chopra and Y. LeCun, "Dimensionality Reduction by Learning an Invariant
        Mapping", 2006.
    """
    i, j = index("batch", "i j")
    apart = row_distance(embeddings, i, embeddings, j)
    together = Max(0, apart - positive_margin)
    too_near = Max(0, negative_margin - apart)
    return mean_where(positives(identity, i, j), together, i, j) + mean_where(
        negatives(identity, i, j), too_near, i, j
    )


def hardest(embeddings, identity, i):
    """Distance of row `i` from its farthest positive and nearest negative: -oo and oo if none."""
    j = index("batch", "j")
    apart = row_distance(embeddings, i, embeddings, j)
    farthest = AxisMax(where(positives(identity, i, j), apart, -oo), j)
    nearest = AxisMin(where(negatives(identity, i, j), apart, oo), j)
    return farthest, nearest


@loss(aliases=("triplet_mined",))
def triplet_batch_hard(
    embeddings=Prediction("batch", "feature"),
    identity=Target("batch", integer=True),
    *,
    margin=Param(1, nonnegative=True),
):
    """Compares the farthest positive of each sample with its nearest negative.

    Use it for batches of a few identities with a few samples each. One loss per sample; one without
    a positive or without a negative costs 0, and still counts in the mean. It looks at extremes
    only: outliers and wrong labels hurt, and a high margin may collapse all embeddings in the
    beginning (`triplet_semi_hard` avoids that). Distances are Euclidean and not normalised.

    References:
        A. Hermans, L. Beyer and B. Leibe, "In Defense of the Triplet Loss for Person
        Re-Identification", 2017.
    """
    i = index("batch", "i")
    farthest, nearest = hardest(embeddings, identity, i)
    return Max(0, margin + farthest - nearest)


@loss
def triplet_batch_hard_soft_margin(
    embeddings=Prediction("batch", "feature"), identity=Target("batch", integer=True)
):
    """`triplet_batch_hard` with a smooth margin: samples that are right keep on pulling a little.

    Use it where no margin can be named. One loss per sample; one without a positive or without a
    negative costs 0, and still counts in the mean.

    References:
        A. Hermans, L. Beyer and B. Leibe, "In Defense of the Triplet Loss for Person
        Re-Identification", 2017.
    """
    i = index("batch", "i")
    farthest, nearest = hardest(embeddings, identity, i)
    return log(1 + exp(farthest - nearest))


@loss
def triplet_semi_hard(
    embeddings=Prediction("batch", "feature"),
    identity=Target("batch", integer=True),
    *,
    margin=Param(1, nonnegative=True),
):
    """Compares each pair that belongs together with the nearest negative beyond it.

    Use it for batches of a few identities with a few samples each, from the beginning of training.
    For an anchor and a positive the negative is the nearest one that is farther from the anchor
    than the positive; if there is none, the farthest of all. One loss per batch, the mean over all
    such pairs with a negative; 0 if there are none. Memory grows with the cube of the batch.
    Distances are Euclidean: normalise embeddings first, as its authors do.

    References:
        F. Schroff, D. Kalenichenko and J. Philbin, "FaceNet: A Unified Embedding for Face
        Recognition and Clustering", 2015.
    """
    a, p, n = index("batch", "a p n")

    def apart(i, j):
        return row_distance(embeddings, i, embeddings, j)

    negative = negatives(identity, a, n)
    beyond = And(negative, apart(a, n) > apart(a, p))
    nearest = AxisMin(where(beyond, apart(a, n), oo), n)
    farthest = AxisMax(where(negative, apart(a, n), -oo), n)
    chosen = where(count_where(beyond, n) > 0, nearest, farthest)
    pair = And(positives(identity, a, p), count_where(negative, n) > 0)
    return mean_where(pair, Max(0, margin + apart(a, p) - chosen), a, p)


@loss
def lifted_structure(
    embeddings=Prediction("batch", "feature"),
    identity=Target("batch", integer=True),
    *,
    margin=Param(1, nonnegative=True),
):
    """Compares each pair that belongs together with all negatives of both, softly.

    Use it for batches with several samples of each identity. One loss per batch: half the mean over
    the pairs of the squared excess, where the smooth maximum over the negatives of either sample
    stands for the nearest one. 0 if there are no such pairs, or no negatives. Distances are
    Euclidean and not normalised.

    References:
        H. O. Song, Y. Xiang, S. Jegelka and S. Savarese, "Deep Metric Learning via Lifted
        Structured Feature Embedding", 2016.
    """
    i, j, k = index("batch", "i j k")

    def apart(i, j):
        return row_distance(embeddings, i, embeddings, j)

    def pushed(i):
        return Sum(indicator(negatives(identity, i, k)) * exp(margin - apart(i, k)), k)

    excess = log(pushed(i) + pushed(j)) + apart(i, j)
    pair = And(positives(identity, i, j), count_where(negatives(identity, i, k), k) > 0)
    return mean_where(pair, Max(0, excess) ** 2, i, j) / 2


@loss
def lifted_structure_generalized(
    embeddings=Prediction("batch", "feature"),
    identity=Target("batch", integer=True),
    *,
    margin=Param(1, nonnegative=True),
):
    """Compares the smooth farthest positive of each sample with its smooth nearest negative.

    Use it in place of `triplet_batch_hard` where extremes alone are too noisy. One loss per sample;
    one without a positive or without a negative costs 0. Distances are Euclidean and not
    normalised.

    References:
        A. Hermans, L. Beyer and B. Leibe, "In Defense of the Triplet Loss for Person
        Re-Identification", 2017.
    """
    i, j = index("batch", "i j")
    apart = row_distance(embeddings, i, embeddings, j)
    pulled = log_sum_where(positives(identity, i, j), apart, j)
    pushed = log_sum_where(negatives(identity, i, j), margin - apart, j)
    return Max(0, pulled + pushed)


@loss(aliases=("npairs",))
def n_pairs(
    anchor=Prediction("batch", "feature"),
    positive=Prediction("batch", "feature"),
    *,
    regularization=Param(0, nonnegative=True),
):
    """Picks the positive of each anchor among those of all anchors, by inner product.

    Use it for batches with one pair of each identity: row `i` of `positive` belongs to row `i` of
    `anchor`. Embeddings are not normalised, so keep their lengths small with `regularization`,
    which multiplies a quarter of the squared lengths of both (0.002 is common). One loss per
    anchor. With cosines instead it is `info_nce`.

    References:
        K. Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective", 2016.
    """
    i, j = index("batch", "i j")
    d = index("feature")

    def similarity(i, j):
        return Sum(anchor[i, d] * positive[j, d], d)

    lengths = Sum(anchor[i, d] ** 2 + positive[i, d] ** 2, d)
    cost = log(Sum(exp(similarity(i, j)), j)) - similarity(i, i)
    return cost + regularization * lengths / 4


@loss(aliases=("supcon",))
def supervised_contrastive(
    embeddings=Prediction("batch", "feature"),
    identity=Target("batch", integer=True),
    *,
    temperature=Param(Rational("0.1"), positive=True),
):
    """Picks the samples of the same identity among all others of the batch, by cosine similarity.

    Use it to pretrain a classifier's features with labels, or for more than two views of a sample.
    One loss per sample: the mean over its positives of the cross-entropy among all other samples.
    A sample without a positive costs 0, and still counts in the mean. A zero embedding has
    similarity 0 to everything and no gradient. Nothing multiplies the loss by the temperature.

    References:
        P. Khosla et al., "Supervised Contrastive Learning", 2020.
    """
    i, p, k = index("batch", "i p k")

    def similarity(i, j):
        return row_similarity(embeddings, i, embeddings, j) / temperature

    among = log_sum_where(Ne(i, k), similarity(i, k), k)
    return mean_where(positives(identity, i, p), among - similarity(i, p), p)


@loss
def soft_nearest_neighbor(
    embeddings=Prediction("batch", "feature"),
    identity=Target("batch", integer=True),
    *,
    temperature=Param(1, positive=True),
):
    """Minus the log-probability that a random neighbour, near ones preferred, is of the same kind.

    Use it to measure or to shape how entangled identities are in any layer; it is neighbourhood
    component analysis with a temperature. One loss per sample; one without a positive costs 0.
    Distances are squared, of normalised embeddings. A zero embedding counts as at a right angle to
    everything and has no gradient.

    References:
        J. Goldberger, S. Roweis, G. Hinton and R. Salakhutdinov, "Neighbourhood Components
        Analysis", 2004.
        N. Frosst, N. Papernot and G. Hinton, "Analyzing and Improving Representations with the
        Soft Nearest Neighbor Loss", 2019.
    """
    i, j, k = index("batch", "i j k")

    def nearness(i, j):
        return -(2 - 2 * row_similarity(embeddings, i, embeddings, j)) / temperature

    same = positives(identity, i, j)
    among = log_sum_where(Ne(i, k), nearness(i, k), k)
    return where(count_where(same, j) > 0, among - log_sum_where(same, nearness(i, j), j), 0)


@loss
def multi_similarity(
    embeddings=Prediction("batch", "feature"),
    identity=Target("batch", integer=True),
    *,
    alpha=Param(2, positive=True),
    beta=Param(50, positive=True),
    base=Param(Rational(1, 2), interval=(-1, 1)),
):
    """Smooth hinges on the cosines of each sample to its positives and to its negatives.

    Use it for batches with several samples of each identity. Positives are pulled above `base`,
    negatives pushed below it; `alpha` and `beta` say how much the worst ones dominate. One loss per
    sample; a kind of pairs that it does not have costs 0. Its authors leave out easy pairs first.

    References:
        X. Wang et al., "Multi-Similarity Loss with General Pair Weighting for Deep Metric
        Learning", 2019.
    """
    i, j = index("batch", "i j")
    excess = row_similarity(embeddings, i, embeddings, j) - base
    pulled = Sum(indicator(positives(identity, i, j)) * exp(-alpha * excess), j)
    pushed = Sum(indicator(negatives(identity, i, j)) * exp(beta * excess), j)
    return log(1 + pulled) / alpha + log(1 + pushed) / beta


@loss
def circle(
    embeddings=Prediction("batch", "feature"),
    identity=Target("batch", integer=True),
    *,
    margin=Param(Rational("0.4"), interval=(0, 1)),
    gamma=Param(80, positive=True),
):
    """Pulls and pushes each pair by how far its cosine is from where it should be.

    Use it for batches with several samples of each identity, or for faces with `margin` 0.25 and
    `gamma` 256. One loss per sample; one without a positive or without a negative costs 0. Each
    cosine is weighted by its distance from the optimum. These weights count as constants, as in
    the paper: the gradient is not that of the value. Keras differentiates them, too.

    References:
        Y. Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization", 2020.
    """
    i, j = index("batch", "i j")
    cosine = row_similarity(embeddings, i, embeddings, j)
    held = stop_gradient(cosine)
    pulled = -gamma * Max(0, 1 + margin - held) * (cosine - 1 + margin)
    pushed = gamma * Max(0, held + margin) * (cosine - margin)
    pull = log_sum_where(positives(identity, i, j), pulled, j)
    push = log_sum_where(negatives(identity, i, j), pushed, j)
    return log(1 + exp(pull + push))
