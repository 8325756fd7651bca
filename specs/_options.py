"""Ideas that many losses share, written once: smoothing, label conventions, distances.

Import what you need: `from ._options import smoothed`. This file declares no loss.
"""

from losscompiler.spec import Eq, Max, Norm, Sum, exp, index, indicator, log, where

# ---- targets and labels -------------------------------------------------------------------------


def smoothed(on_target, on_uniform, amount):
    """A loss whose target gives `amount` of its probability to the uniform distribution.

    Without smoothing there is no uniform part, not 0 times it: a logit of -oo excludes its class.
    """
    return where(Eq(amount, 0), on_target, (1 - amount) * on_target + amount * on_uniform)


def smoothed_target(target, amount, count=2):
    """A probability among `count` moved by `amount` to the uniform one: `(1 - e) y + e / C`."""
    return (1 - amount) * target + amount / count


def signed(target):
    """A target of {0, 1} as one of {-1, 1}."""
    return 2 * target - 1


def one_hot(label, c):
    """Entry `c` of the distribution that gives everything to a label: 1 at the label, else 0."""
    return indicator(Eq(label, c))


# ---- logits -------------------------------------------------------------------------------------


def surprisal(logits, c, axis="class"):
    """Minus the log-probability that a softmax over the logits gives to entry `c` of their axis."""
    k = index(axis, "k")
    return log(Sum(exp(logits[k]), k)) - logits[c]


def tempered(logits, temperature):
    """Scores at a temperature: above 1 their distribution is flatter, below 1 more peaked."""
    return logits / temperature


def margin_cost(score, margin=1):
    """What a score costs that falls short of a margin: the shortfall, or nothing."""
    return Max(0, margin - score)


# ---- vectors: expressions in an index, which is summed over -------------------------------------


def squared_distance(a, b, d):
    """Squared Euclidean distance of two vectors over the index `d`."""
    return Sum((a - b) ** 2, d)


def distance(a, b, d):
    """Euclidean distance of two vectors over the index `d`."""
    return Norm(a - b, d)


def unit(a, d):
    """A vector over the index `d` at length 1; the generated code leaves a zero vector zero."""
    return a / Norm(a, d)


def cosine_similarity(a, b, d):
    """Cosine of the angle between two vectors over the index `d`.

    Where either is zero, the generated code has a cosine of 0 and no gradient.
    """
    return Sum(a * b, d) / (Norm(a, d) * Norm(b, d))
