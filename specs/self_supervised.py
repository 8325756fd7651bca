"""Self-supervised losses without negatives: redundancy reduction, teachers, reconstruction."""

from losscompiler.spec import (
    Eq,
    Mask,
    Max,
    Mean,
    Ne,
    Param,
    Prediction,
    Rational,
    Sum,
    Target,
    index,
    indicator,
    log_softmax,
    loss,
    size,
    softmax,
    sqrt,
    stop_gradient,
    where,
)

from ._options import cosine_similarity


def batch_mean(e, i):
    """Mean over the batch: 0 if it is empty."""
    return Sum(e, i) / Max(size("batch"), 1)


def centred(x, i, d):
    """Feature `d` of row `i` less its mean over the batch."""
    n = index("batch", "n")
    return x[i, d] - batch_mean(x[n, d], n)


@loss
def barlow_twins(
    first=Prediction("batch", "feature"),
    second=Prediction("batch", "feature"),
    *,
    off_diagonal=Param(Rational("0.005"), nonnegative=True),
    epsilon=Param(Rational("0.00001"), positive=True),
):
    """Makes the features of two views correlate one by one, and not with each other.

    Use it for two views of each sample, row by row, with many features and ordinary batches. Each
    feature is standardised over the batch, with the biased variance plus `epsilon`; correlations
    with itself should be 1, the others, weighted by `off_diagonal`, 0. One loss per batch; a batch
    of one has no correlations, and costs one per feature. Nothing is divided by the number of
    features.

    References:
        J. Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", 2021.
    """
    i, m = index("batch", "i m")
    a, b = index("feature", "a b")

    def standard(x, d):
        return centred(x, i, d) / sqrt(batch_mean(centred(x, m, d) ** 2, m) + epsilon)

    def correlation(a, b):
        return batch_mean(standard(first, a) * standard(second, b), i)

    redundant = Sum(indicator(Ne(a, b)) * correlation(a, b) ** 2, a, b)
    return Sum((1 - correlation(a, a)) ** 2, a) + off_diagonal * redundant


@loss
def vicreg(
    first=Prediction("batch", "feature"),
    second=Prediction("batch", "feature"),
    *,
    invariance=Param(25, nonnegative=True),
    variance=Param(25, nonnegative=True),
    covariance=Param(1, nonnegative=True),
    epsilon=Param(Rational("0.0001"), positive=True),
):
    """Pulls two views together, keeps each feature's variance up and the covariances down.

    Use it for two views of each sample, row by row, also of two modalities. The terms are the mean
    squared difference, the mean over the features of what the deviation lacks to 1 (the mean of
    both views), and the squared covariances over the number of features (the sum of both views),
    with factors of their own. Variances are unbiased. One loss per batch; a batch of one has no
    variance.

    References:
        A. Bardes, J. Ponce and Y. LeCun, "VICReg: Variance-Invariance-Covariance Regularization for
        Self-Supervised Learning", 2022.
    """
    i = index("batch", "i")
    a, b = index("feature", "a b")
    freedom = Max(size("batch") - 1, 1)

    def shared(x, a, b):
        return Sum(centred(x, i, a) * centred(x, i, b), i) / freedom

    def spread(x):
        return Mean(Max(0, 1 - sqrt(shared(x, a, a) + epsilon)), a)

    def redundant(x):
        return Sum(indicator(Ne(a, b)) * shared(x, a, b) ** 2, a, b) / Max(size("feature"), 1)

    apart = batch_mean(Mean((first[i, a] - second[i, a]) ** 2, a), i)
    return (
        invariance * apart
        + variance * (spread(first) + spread(second)) / 2
        + covariance * (redundant(first) + redundant(second))
    )


@loss(aliases=("byol_simsiam",))
def byol(prediction=Prediction("feature"), target=Target("feature")):
    """Squared distance of two unit vectors: what a student predicts and what its teacher sees.

    Use it with a predictor behind the student and a teacher that follows it slowly; call it both
    ways round and add. `target` is data: no gradient reaches the teacher. It lies between 0 and 4;
    a zero vector has cosine 0 to everything and no gradient.

    References:
        J.-B. Grill et al., "Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning",
        2020.
    """
    d = index("feature")
    return 2 - 2 * cosine_similarity(prediction[d], target[d], d)


@loss
def simsiam(
    first_prediction=Prediction("feature"),
    second_prediction=Prediction("feature"),
    first_projection=Prediction("feature"),
    second_projection=Prediction("feature"),
):
    """Minus the cosine of each view's prediction with the other view's projection, averaged.

    Use it with one network for both views and a predictor behind it. Projections count as
    constants, which is what keeps everything from becoming one point: their gradients are 0, and
    the gradient is not that of the value. A zero vector has cosine 0 to everything and no gradient.

    References:
        X. Chen and K. He, "Exploring Simple Siamese Representation Learning", 2021.
    """
    d = index("feature")

    def agreement(prediction, projection):
        return cosine_similarity(prediction[d], stop_gradient(projection[d]), d)

    return (
        -(
            agreement(first_prediction, second_projection)
            + agreement(second_prediction, first_projection)
        )
        / 2
    )


@loss
def dino(
    student=Prediction("prototype"),
    teacher=Target("prototype"),
    center=Target("prototype"),
    *,
    student_temperature=Param(Rational("0.1"), positive=True),
    teacher_temperature=Param(Rational("0.04"), positive=True),
):
    """Cross-entropy of a student's softmax to its teacher's, centred and sharpened.

    Use it for another view of each sample than the teacher sees, with a teacher that follows the
    student slowly. `teacher` and `center`, the running mean of the teacher's outputs, are data: no
    gradient reaches them. Average over the pairs of views, without those of a view with itself.

    References:
        M. Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", 2021.
    """
    k = index("prototype", "k")
    wanted = softmax((teacher[k] - center[k]) / teacher_temperature, k)
    return -Sum(wanted * log_softmax(student[k] / student_temperature, k), k)


@loss
def swav(
    scores=Prediction("prototype"),
    codes=Target("prototype", interval=(0, 1)),
    *,
    temperature=Param(Rational("0.1"), positive=True),
):
    """Cross-entropy of a view's scores of prototypes to the codes of another view.

    Use it with codes that are balanced over the batch (by Sinkhorn's iteration), which sum to 1 for
    each sample; they are data. Call it for each ordered pair of views and average.

    References:
        M. Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
        Assignments", 2020.
    """
    k = index("prototype", "k")
    return -Sum(codes[k] * log_softmax(scores[k] / temperature, k), k)


@loss(aliases=("masked_autoencoder",))
def masked_reconstruction(
    prediction=Prediction("patch", "pixel"),
    target=Target("patch", "pixel"),
    hidden=Mask("patch"),
    *,
    normalize=Param(0, values={0, 1}),
):
    """Mean squared error over the patches that were hidden from the encoder.

    Use it for masked autoencoders of images, sounds or series cut into patches; `hidden` is true
    where a patch was hidden. With `normalize` 1 each target patch is standardised first, by its own
    mean and unbiased variance plus 0.000001. One loss per sample, which is 0 if nothing is hidden.

    References:
        K. He et al., "Masked Autoencoders Are Scalable Vision Learners", 2022.
    """
    p = index("patch", "p")
    x, y = index("pixel", "x y")
    mean = Mean(target[p, y], y)
    spread = Sum((target[p, y] - mean) ** 2, y) / Max(size("pixel") - 1, 1)
    standard = (target[p, x] - mean) / sqrt(spread + Rational(1, 1000000))
    wanted = where(Eq(normalize, 1), standard, target[p, x])
    error = Sum(indicator(hidden[p]) * (prediction[p, x] - wanted) ** 2, p, x)
    return error / (Max(Sum(indicator(hidden[p]), p), 1) * size("pixel"))
