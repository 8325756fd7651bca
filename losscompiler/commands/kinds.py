"""The spec files that `losscompiler new` starts from: one small loss per kind of task."""

from __future__ import annotations

REGRESSION = '''"""{title}: how far a prediction is from a real-valued target."""

from losscompiler.spec import Abs, Param, Piecewise, Prediction, Target, loss


@loss
def {name}(prediction=Prediction(), target=Target(), *, delta=Param(1, positive=True)):
    """Quadratic near zero, linear in the tails."""
    r = prediction - target
    return Piecewise((r**2 / 2, Abs(r) <= delta), (delta * (Abs(r) - delta / 2), True))
'''

BINARY = '''"""{title}: how well a logit predicts one of two classes."""

from losscompiler.spec import Prediction, Target, log, loss, sigmoid


@loss
def {name}(logit=Prediction(), target=Target(interval=(0, 1))):
    """Negative log-likelihood of the target under a Bernoulli distribution."""
    p = sigmoid(logit)
    return -target * log(p) - (1 - target) * log(1 - p)
'''

MULTICLASS = '''"""{title}: how well logits predict one of several classes."""

from losscompiler.spec import Label, Prediction, Sum, exp, index, log, loss


@loss
def {name}(logits=Prediction("class"), label=Label("class")):
    """Negative log-likelihood of the label under softmax(logits)."""
    k = index("class")
    return log(Sum(exp(logits[k]), k)) - logits[label]
'''

RANKING = '''"""{title}: whether items are scored in the order of their relevance."""

from losscompiler.spec import Prediction, Sum, Target, index, loss, softplus, where


@loss
def {name}(score=Prediction("item"), relevance=Target("item")):
    """Each pair in which the more relevant item has the lower score costs its margin."""
    i, j = index("item", "i j")
    return Sum(where(relevance[i] > relevance[j], softplus(score[j] - score[i]), 0), i, j)
'''

EMBEDDING = '''"""{title}: whether matching embeddings are nearest to each other."""

from losscompiler.spec import Param, Prediction, Sum, exp, index, log, loss


@loss
def {name}(
    query=Prediction("batch", "feature"),
    key=Prediction("batch", "feature"),
    *,
    temperature=Param(0.07, positive=True),
):
    """Each query is to find its own key among all keys of the batch."""
    i, j = index("batch", "i j")
    d = index("feature")

    def similarity(a, b):
        return Sum(query[a, d] * key[b, d], d) / temperature

    return log(Sum(exp(similarity(i, j)), j)) - similarity(i, i)
'''

SEGMENTATION = '''"""{title}: how much a predicted region overlaps the true one."""

from losscompiler.spec import Param, Prediction, Sum, Target, index, loss


@loss
def {name}(
    probability=Prediction("*spatial", interval=(0, 1)),
    target=Target("*spatial", interval=(0, 1)),
    *,
    smooth=Param(1, positive=True),
):
    """One minus the Dice coefficient of two soft regions."""
    s = index("spatial")
    overlap = Sum(probability[s] * target[s], s)
    return 1 - (2 * overlap + smooth) / (Sum(probability[s] + target[s], s) + smooth)
'''

KINDS = {
    "regression": REGRESSION,
    "binary": BINARY,
    "multiclass": MULTICLASS,
    "ranking": RANKING,
    "embedding": EMBEDDING,
    "segmentation": SEGMENTATION,
}


def spec_text(kind: str, name: str) -> str:
    """A spec file that declares one loss of that name."""
    title = name.replace("_", " ").capitalize()
    return KINDS[kind].replace("{title}", title).replace("{name}", name)
