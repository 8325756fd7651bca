"""Losses of papers on vision, survival and sequences, in the notation of the papers."""

from losscompiler.spec import (
    Abs,
    And,
    Label,
    Mask,
    Max,
    Mean,
    Ne,
    Norm,
    Param,
    Piecewise,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    indicator,
    log,
    loss,
    sigmoid,
    size,
    stop_gradient,
    where,
)


@loss
def sigmoid_f1(
    logits=Prediction("batch", "class"),
    target=Target("batch", "class", interval=(0, 1)),
    *,
    beta=Param(1, positive=True),
    eta=Param(0),
):
    """One minus the F1 score of a batch of label sets, with counts made soft by a sigmoid.

    References:
        G. Benedict et al., "sigmoidF1: A Smooth F1 Score Surrogate Loss for Multilabel
        Classification", 2021.
    """
    i, c = index("batch"), index("class")
    s = 1 / (1 + exp(-beta * (logits[i, c] + eta)))
    y = target[i, c]
    tp = Sum(s * y, i, c)
    fp = Sum(s * (1 - y), i, c)
    fn = Sum((1 - s) * y, i, c)
    return 1 - 2 * tp / (2 * tp + fn + fp)


@loss
def smooth_ap(
    similarity=Prediction("item"), relevant=Mask("item"), *, tau=Param(0.01, positive=True)
):
    """One minus the average precision of a retrieval, with ranks counted by a sigmoid.

    References:
        A. Brown et al., "Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval", 2020.
    """
    i, j = index("item", "i j")
    g = 1 / (1 + exp(-(similarity[j] - similarity[i]) / tau))
    rank_positive = 1 + Sum(indicator(And(relevant[j], Ne(i, j))) * g, j)
    rank_all = 1 + Sum(indicator(Ne(i, j)) * g, j)
    positives = Sum(indicator(relevant[i]), i)
    return 1 - Sum(indicator(relevant[i]) * rank_positive / rank_all, i) / positives


@loss
def maximum_mean_discrepancy(
    source=Prediction("source", "feature"),
    drawn=Prediction("drawn", "feature"),
    *,
    sigma=Param(1, positive=True),
):
    """Unbiased estimate of the squared discrepancy of two batches under a Gaussian kernel.

    References:
        A. Gretton et al., "A Kernel Two-Sample Test", 2012.
    """
    i, j = index("source", "i j")
    p, q = index("drawn", "p q")
    d = index("feature")
    m, n = size("source"), size("drawn")

    def k(a, b):
        return exp(-(Norm(a - b, d) ** 2) / (2 * sigma**2))

    return (
        Sum(indicator(Ne(i, j)) * k(source[i, d], source[j, d]), i, j) / (m * (m - 1))
        + Sum(indicator(Ne(p, q)) * k(drawn[p, d], drawn[q, d]), p, q) / (n * (n - 1))
        - 2 * Mean(k(source[i, d], drawn[p, d]), i, p)
    )


@loss
def deep_coral(source=Prediction("source", "feature"), drawn=Prediction("drawn", "feature")):
    """Squared distance of the covariances of two batches of features.

    References:
        B. Sun and K. Saenko, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation", 2016.
    """
    i, p = index("source"), index("drawn")
    a, b = index("feature", "a b")

    def covariance(x, n):
        count = Sum(1, n)
        product = Sum(x[n, a], n) * Sum(x[n, b], n)
        return (Sum(x[n, a] * x[n, b], n) - product / count) / (count - 1)

    gap = covariance(source, i) - covariance(drawn, p)
    return Sum(gap**2, a, b) / (4 * size("feature") ** 2)


@loss
def two_way_multilabel(
    logits=Prediction("batch", "class"),
    target=Mask("batch", "class"),
    *,
    temperature=Param(4, positive=True),
):
    """Soft margin between positive and negative labels, of each sample and of each class.

    References:
        T. Kobayashi, "Two-Way Multi-Label Loss", 2023.
    """
    i, c = index("batch"), index("class")
    x, y = logits[i, c], target[i, c]

    def one_way(k, rest):
        positive = temperature * log(Sum(where(y, exp(-x / temperature), 0), k))
        negative = log(Sum(where(y, 0, exp(x)), k))
        return Mean(log(1 + exp(positive + negative)), rest)

    return one_way(c, i) + one_way(i, c)


@loss
def huber_total_variation(
    prediction=Prediction("row", "column"),
    noisy=Target("row", "column"),
    *,
    strength=Param(1, positive=True),
    delta=Param(0.1, positive=True),
):
    """Squared distance from a noisy image plus Huber's penalty of differences of neighbours.

    References:
        L. I. Rudin, S. Osher and E. Fatemi, "Nonlinear Total Variation Based Noise Removal
        Algorithms", 1992.
    """
    r, c = index("row"), index("column")
    u = prediction

    def huber(e):
        return Piecewise((e**2 / 2, Abs(e) <= delta), (delta * (Abs(e) - delta / 2), True))

    down = where(r + 1 < size("row"), huber(u[r + 1, c] - u[r, c]), 0)
    right = where(c + 1 < size("column"), huber(u[r, c + 1] - u[r, c]), 0)
    return Sum((u[r, c] - noisy[r, c]) ** 2 / 2 + strength * (down + right), r, c)


@loss
def energy_bounded(
    inside=Prediction("class"),
    outside=Prediction("class"),
    *,
    temperature=Param(1, positive=True),
    inside_margin=Param(-23),
    outside_margin=Param(-5),
):
    """Squared hinges that part the energies of known data from those of outliers.

    References:
        W. Liu et al., "Energy-based Out-of-distribution Detection", 2020.
    """
    k = index("class")

    def energy(x):
        return -temperature * log(Sum(exp(x[k] / temperature), k))

    return (
        Max(0, energy(inside) - inside_margin) ** 2 + Max(0, outside_margin - energy(outside)) ** 2
    )


@loss
def discrete_time_survival(logits=Prediction("interval"), interval=Label("interval"), event=Mask()):
    """Negative log-likelihood of an event, or of surviving, under one hazard per interval.

    References:
        M. F. Gensheimer and B. Narasimhan, "A Scalable Discrete-Time Survival Model for Neural
        Networks", 2019.
    """
    j = index("interval")

    def hazard(k):
        return 1 / (1 + exp(-logits[k]))

    survived = Sum(where(j < interval, log(1 - hazard(j)), 0), j)
    return -(survived + where(event, log(hazard(interval)), log(1 - hazard(interval))))


@loss
def smooth_concordance(risk=Prediction("batch"), time=Target("batch"), event=Mask("batch")):
    """Minus a lower bound of the concordance index of risks with censored times.

    References:
        V. C. Raykar et al., "On Ranking in Survival Analysis: Bounds on the Concordance Index",
        2007.
    """
    i, j = index("batch", "i j")
    ordered = indicator(And(event[i], time[i] < time[j]))
    gain = 1 + log(sigmoid(risk[i] - risk[j])) / log(2)
    return -Sum(ordered * gain, i, j) / Sum(ordered, i, j)


@loss
def deephit_ranking(
    probability=Prediction("batch", "interval", interval=(0, 1)),
    interval=Label("interval", "batch"),
    event=Mask("batch"),
    *,
    sigma=Param(0.1, positive=True),
):
    """Cost of pairs by how much likelier the earlier event was by then: DeepHit's second term.

    References:
        C. Lee et al., "DeepHit: A Deep Learning Approach to Survival Analysis with Competing
        Risks", 2018.
    """
    i, j = index("batch", "i j")
    k = index("interval")

    def incidence(sample, moment):
        return Sum(where(k <= moment, probability[sample, k], 0), k)

    gap = incidence(i, interval[i]) - incidence(j, interval[i])
    return Mean(indicator(And(event[i], interval[i] < interval[j])) * exp(-gap / sigma), i, j)


@loss
def generalized_advantage_value(
    value=Prediction("time"),
    reward=Target("time"),
    last_value=Target(),
    *,
    gamma=Param(0.99, interval=(0, 1)),
    lam=Param(0.95, interval=(0, 1)),
):
    """Halved squared error of values against themselves plus generalised advantages.

    References:
        J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage
        Estimation", 2016.
    """
    t, k = index("time", "t k")
    following = where(k + 1 < size("time"), value[k + 1], last_value)
    delta = reward[k] + gamma * following - value[k]
    advantage = Sum(where(k >= t, (gamma * lam) ** (k - t) * delta, 0), k)
    goal = stop_gradient(advantage + value[t])
    return Mean((value[t] - goal) ** 2, t) / 2
