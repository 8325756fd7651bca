"""Metric-learning losses of given pairs and triplets: what belongs together lies close together."""

from losscompiler.spec import (
    Eq,
    Max,
    Min,
    Norm,
    Param,
    Prediction,
    Rational,
    Target,
    exp,
    index,
    log,
    loss,
    where,
)

from ._options import cosine_similarity, distance, squared_distance


def between(a, b):
    """Euclidean distance of two embeddings over "feature"."""
    d = index("feature")
    return distance(a[d], b[d], d)


# ---- pairs --------------------------------------------------------------------------------------


@loss(aliases=("cosine_similarity",))
def cosine_distance(prediction=Prediction("feature"), target=Target("feature")):
    """One minus the cosine of the angle between a prediction and its target: 0 to 2.

    Use it for vectors of which only the direction matters, as with embeddings given as targets.
    Lengths are not learned: add another term if they matter. A zero vector has distance 1 from
    everything and no gradient. Some libraries call minus the cosine a loss: it is smaller by 1.

    References:
        G. Salton, A. Wong and C. S. Yang, "A Vector Space Model for Automatic Indexing", 1975.
    """
    d = index("feature")
    return 1 - cosine_similarity(prediction[d], target[d], d)


@loss
def cosine_embedding(
    first=Prediction("feature"),
    second=Prediction("feature"),
    target=Target(values={-1, 1}),
    *,
    margin=Param(0, interval=(-1, 1)),
):
    """One minus the cosine of pairs that belong together; the others are turned apart.

    Use it for labelled pairs: `target` is 1 if the two belong together, -1 if not. Pairs that do
    not are pushed until their cosine is below `margin`. Only angles count; for distances see
    `contrastive`. A zero vector has cosine 0 and no gradient.

    References:
        J. Bromley et al., "Signature Verification using a 'Siamese' Time Delay Neural Network",
        1993.
    """
    d = index("feature")
    cosine = cosine_similarity(first[d], second[d], d)
    return where(Eq(target, 1), 1 - cosine, Max(0, cosine - margin))


@loss
def hinge_embedding(
    distance=Prediction(),
    target=Target(values={-1, 1}),
    *,
    margin=Param(1, nonnegative=True),
):
    """A distance if a pair belongs together, else what it lacks to a margin.

    Use it when the model gives distances itself, of any kind: `target` is 1 if the pair belongs
    together, -1 if not. With embeddings use `contrastive`. The distance is taken as it is, so a
    negative one is rewarded without limit.

    References:
        R. Hadsell, S. Chopra and Y. LeCun, "Dimensionality Reduction by Learning an Invariant
        Mapping", 2006.
    """
    return where(Eq(target, 1), distance, Max(0, margin - distance))


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
    `triplet_margin` compares distances instead. There is no factor 1/2. For all pairs of a batch
    use `contrastive_batch`.

    References:
        R. Hadsell, S. Chopra and Y. LeCun, "Dimensionality Reduction by Learning an Invariant
        Mapping", 2006.
    """
    d = index("feature")
    together = squared_distance(first[d], second[d], d)
    apart = Max(0, margin - between(first, second)) ** 2
    return same * together + (1 - same) * apart


@loss
def contrastive_distance(
    distance=Prediction(nonnegative=True),
    same=Target(values={0, 1}),
    *,
    margin=Param(1, positive=True),
):
    """`contrastive` for distances that the model gives itself.

    Use it when distances come from elsewhere: a learned metric, an edit distance of soft
    alignments. `same` is 1 if the two belong together, 0 if not. With embeddings use
    `contrastive`, which has a gradient where the distance's own is undefined.

    References:
        R. Hadsell, S. Chopra and Y. LeCun, "Dimensionality Reduction by Learning an Invariant
        Mapping", 2006.
    """
    return same * distance**2 + (1 - same) * Max(0, margin - distance) ** 2


@loss
def margin_based(
    first=Prediction("feature"),
    second=Prediction("feature"),
    target=Target(values={-1, 1}),
    *,
    margin=Param(Rational("0.2"), nonnegative=True),
    beta=Param(Rational("1.2"), learnable=True),
):
    """Keeps pairs that belong together nearer than a learned boundary, the others farther.

    Use it with pairs sampled by distance, as its authors do: `target` is 1 if the two belong
    together, -1 if not. `beta` is the boundary and is learned, `margin` half the width of the
    band in which pairs still cost. The default of `beta` supposes embeddings of length 1: normalise
    them first. Its authors divide the sum by the number of pairs that cost anything.

    References:
        C.-Y. Wu, R. Manmatha, A. J. Smola and P. Krähenbühl, "Sampling Matters in Deep Embedding
        Learning", 2017.
    """
    return Max(0, margin + target * (between(first, second) - beta))


# ---- triplets and quadruplets -------------------------------------------------------------------


@loss
def triplet_margin(
    anchor=Prediction("feature"),
    positive=Prediction("feature"),
    negative=Prediction("feature"),
    *,
    margin=Param(1, nonnegative=True),
    p=Param(2, values={1, 2}),
    swap=Param(0, values={0, 1}),
):
    """Makes an anchor nearer to its positive than to its negative by a margin.

    Use it when only "more alike than" is known. The distance is the `p`-norm of the difference and
    embeddings are not normalised here. With `swap` 1 the negative's distance from the positive
    counts if that is less than its distance from the anchor. Random triplets soon cost nothing and
    teach nothing: choose hard ones (`triplet_batch_hard`), or use `info_nce` or `nt_xent`, which
    compare with the whole batch. Nothing is added to distances to keep them from 0: where two
    embeddings are the same, their distance has no gradient.

    References:
        F. Schroff, D. Kalenichenko and J. Philbin, "FaceNet: A Unified Embedding for Face
        Recognition and Clustering", 2015.
        V. Balntas et al., "Learning Local Feature Descriptors with Triplets and Shallow
        Convolutional Neural Networks", 2016 (swap).
    """
    d = index("feature")

    def far(a, b):
        return where(Eq(p, 1), Norm(a[d] - b[d], d, p=1), between(a, b))

    apart = far(anchor, negative)
    nearest = where(Eq(swap, 1), Min(apart, far(positive, negative)), apart)
    return Max(0, far(anchor, positive) - nearest + margin)


@loss
def triplet_soft_margin(
    anchor=Prediction("feature"),
    positive=Prediction("feature"),
    negative=Prediction("feature"),
):
    """`triplet_margin` with a smooth margin: every triplet keeps on pulling and pushing a little.

    Use it where no margin can be named, or where triplets that are already right should not stop
    to teach. Choose hard triplets all the same. The distance is Euclidean.

    References:
        A. Hermans, L. Beyer and B. Leibe, "In Defense of the Triplet Loss for Person
        Re-Identification", 2017.
    """
    return log(1 + exp(between(anchor, positive) - between(anchor, negative)))


@loss
def quadruplet(
    anchor=Prediction("feature"),
    positive=Prediction("feature"),
    negative=Prediction("feature"),
    other=Prediction("feature"),
    *,
    margin=Param(1, nonnegative=True),
    other_margin=Param(Rational(1, 2), nonnegative=True),
):
    """A triplet loss that also keeps the pair nearer than two negatives are to each other.

    Use it where clusters should be compact, and not only be ordered seen from an anchor. `negative`
    and `other` belong to two further identities. Distances are squared; `other_margin` should be
    less than `margin`.

    References:
        W. Chen, X. Chen, J. Zhang and K. Huang, "Beyond Triplet Loss: A Deep Quadruplet Network
        for Person Re-Identification", 2017.
    """
    d = index("feature")

    def far(a, b):
        return squared_distance(a[d], b[d], d)

    together = far(anchor, positive)
    first = Max(0, together - far(anchor, negative) + margin)
    return first + Max(0, together - far(negative, other) + other_margin)
