"""Recommendation and embedding losses: what was chosen against sampled negatives."""

from losscompiler.spec import (
    Max,
    Mean,
    Norm,
    Param,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    log,
    logsumexp,
    loss,
    sigmoid,
    softmax,
    softplus,
    stop_gradient,
)


@loss(
    aliases=(
        "bpr",
        "pairwise_logistic_bpr",
    )
)
def bayesian_personalized_ranking(positive=Prediction(), negative=Prediction()):
    """Logistic loss of the score of a chosen item less that of one that was not chosen.

    Use it for implicit feedback, with a negative sampled for each choice. Popular items are sampled
    too rarely by a uniform sampler: sample by popularity, or use `sampled_softmax` with its
    correction. Regularise the embeddings yourself.

    References:
        S. Rendle, C. Freudenthaler, Z. Gantner and L. Schmidt-Thieme, "BPR: Bayesian Personalized
        Ranking from Implicit Feedback", 2009.
    """
    return log(1 + exp(negative - positive))


@loss
def top1(positive=Prediction(), negative=Prediction("item")):
    """Smooth share of negatives that score above the chosen item, and a pull of their scores to 0.

    Use it for session-based recommendation, with the other items of the batch as negatives. It
    fades with more negatives: `bpr_max` does not.

    References:
        B. Hidasi, A. Karatzoglou, L. Baltrunas and D. Tikk, "Session-based Recommendations with
        Recurrent Neural Networks", 2016.
    """
    j = index("item", "j")
    return Mean(sigmoid(negative[j] - positive) + sigmoid(negative[j] ** 2), j)


@loss
def bpr_max(positive=Prediction(), negative=Prediction("item")):
    """Probability that the chosen item beats a negative, high ones preferred; minus its logarithm.

    Use it for session-based recommendation with many sampled negatives: the softmax of their scores
    weighs them, so that the gradient does not fade with their number. Its authors add the squares
    of the negatives' scores, with the same weights, to keep these small.

    References:
        B. Hidasi and A. Karatzoglou, "Recurrent Neural Networks with Top-k Gains for Session-based
        Recommendations", 2018.
    """
    j = index("item", "j")
    # The softmax of `n` times sigmoid(p - n) is exp(p) sigmoid(n - p) over the sum of exp(n).
    beaten = logsumexp(-softplus(positive - negative[j]), j)
    return logsumexp(negative[j] - positive, j) - beaten


@loss
def sampled_softmax(
    positive=Prediction(),
    negative=Prediction("item"),
    positive_log_frequency=Target(),
    negative_log_frequency=Target("item"),
):
    """Softmax cross-entropy of the chosen item among sampled ones, corrected for their sampling.

    Use it for catalogues or vocabularies that are too large for a softmax over all of them. The
    frequencies are the logarithms of the expected number of times that an item is sampled; all 0
    is no correction. Take negatives that happen to be the positive out first, by a score of -oo.

    References:
        Y. Bengio and J.-S. Senécal, "Adaptive Importance Sampling to Accelerate Training of a
        Neural Probabilistic Language Model", 2008.
        X. Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
        Recommendations", 2019.
    """
    j = index("item", "j")
    chosen = positive - positive_log_frequency
    others = negative[j] - negative_log_frequency[j]
    return log(1 + Sum(exp(others - chosen), j))


@loss
def negative_sampling(positive=Prediction(), negative=Prediction("sample")):
    """Logistic losses of a true pair's score and of the scores of sampled false ones, summed.

    Use it for word vectors by skip-gram, with scores that are inner products, and for other
    embeddings of graphs and sequences. Negatives are sampled by frequency to the power of 3/4.
    Scores are not probabilities of the pairs: they are shifted by the sampler.

    References:
        T. Mikolov et al., "Distributed Representations of Words and Phrases and their
        Compositionality", 2013.
    """
    j = index("sample", "j")
    return softplus(-positive) + Sum(softplus(negative[j]), j)


@loss
def self_adversarial_negative_sampling(
    positive=Prediction(),
    negative=Prediction("sample"),
    *,
    margin=Param(12, nonnegative=True),
    adversarial_temperature=Param(1, nonnegative=True),
):
    """Logistic losses of distances to a margin, false triples weighted by how true they look.

    Use it for knowledge graphs, with distances of true triples (`positive`) and of corrupted ones
    (`negative`) by TransE, RotatE or the like. The softmax of minus the distances, times
    `adversarial_temperature`, weighs the corrupted ones and counts as a constant: the gradient is
    not that of the value. At 0 all weigh alike. It is the mean of both parts.

    References:
        Z. Sun, Z.-H. Deng, J.-Y. Nie and J. Tang, "RotatE: Knowledge Graph Embedding by Relational
        Rotation in Complex Space", 2019.
    """
    j = index("sample", "j")
    weight = stop_gradient(softmax(-adversarial_temperature * negative[j], j))
    false = Sum(weight * softplus(margin - negative[j]), j)
    return (softplus(positive - margin) + false) / 2


@loss
def translation_margin(
    head=Prediction("feature"),
    relation=Prediction("feature"),
    tail=Prediction("feature"),
    false_head=Prediction("feature"),
    false_tail=Prediction("feature"),
    *,
    margin=Param(1, nonnegative=True),
):
    """Makes head plus relation nearer to the tail than in a corrupted triple, by a margin.

    Use it to embed knowledge graphs by translations; exactly one of `false_head` and `false_tail`
    differs from the true one. Relations of one to many cannot be translations: use other scores
    with `self_adversarial_negative_sampling`. Distances are Euclidean. Normalise entities.

    References:
        A. Bordes et al., "Translating Embeddings for Modeling Multi-relational Data", 2013.
    """
    d = index("feature")
    true = Norm(head[d] + relation[d] - tail[d], d)
    false = Norm(false_head[d] + relation[d] - false_tail[d], d)
    return Max(0, margin + true - false)
