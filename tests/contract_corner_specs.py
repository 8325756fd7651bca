"""Small specs of what is seldom written."""

CORNERS = '''"""What is seldom written, and means something all the same."""
from losscompiler.spec import *

@loss
def coupled(x=Prediction(), y=Target(), z=Prediction(optional=True)):
    """An optional prediction."""
    return (x - y) ** 2 if z is None else (x - y) ** 2 + z * x

@loss
def unread(x=Prediction(), w=Prediction("class"), y=Target()):
    """A prediction that does not matter."""
    return (x - y) ** 2

@loss
def constant(x=Prediction("class"), y=Target()):
    """No prediction matters."""
    return y

@loss
def two_labels(x=Prediction("class"), a=Label("class"), b=Label("class")):
    """Two labels per sample."""
    return x[a] ** 2 - x[b]

@loss
def keypoint(x=Prediction("*spatial"), at=Label("spatial")):
    """A label that points into a starred axis."""
    s = index("spatial")
    return logsumexp(x[s], s) - x[at]

@loss
def identities(x=Prediction("batch"), who=Label("person", "batch")):
    """Labels of an axis that no input has."""
    i, j = index("batch", "i j")
    return Sum(where(Eq(who[i], who[j]), (x[i] - x[j]) ** 2, 0), j)

@loss
def learned_line(
    x=Prediction(),
    y=Target(),
    *,
    c=Param(0, learnable=True),
    s=Param(1, positive=True, learnable=True),
):
    """Two learnable parameters."""
    return (x - y - c) ** 2 * s

@loss
def per_step(x=Prediction("time"), y=Target("time")):
    """A free index."""
    t = index("time", "t")
    return (x[t] - y[t]) ** 2

@loss
def twice_per_step(x=Prediction("time"), y=Target("time")):
    """A free index of an inner loss."""
    return 2 * per_step(x, y)

@loss
def matched(m=Prediction("batch", "batch")):
    """Two axes of one name, and their diagonal."""
    i, j = index("batch", "i j")
    return logsumexp(m[i, j], j) - m[i, i]

@loss
def antisymmetric(m=Prediction("batch", "batch")):
    """A matrix beside its transpose."""
    i, j = index("batch", "i j")
    return Sum((m[i, j] - m[j, i]) ** 2, i, j)

@loss
def discounted(x=Prediction("list"), gain=Target("list")):
    """Positions as numbers."""
    i = index("list")
    return Sum(gain[i] * x[i] / (i + 2), i)

@loss
def mean_of_valid(x=Prediction("time"), valid=Mask("time")):
    """A mean over what counts."""
    t = index("time")
    return Sum(where(valid[t], x[t] ** 2, 0), t) / Max(Sum(indicator(valid[t]), t), 1)

@loss
def curvature(x=Prediction("time")):
    """Shifts both ways."""
    t = index("time", "t")
    return where(And(t >= 1, t + 1 < size(t)), (x[t + 1] - 2 * x[t] + x[t - 1]) ** 2, 0)

@loss
def mean_entropy(x=Prediction("batch", "class"), y=Label("class", "batch"), prior=Target("class")):
    """A mean over labels, and a target that samples may share."""
    i, k = index("batch"), index("class", "k")
    return Mean(logsumexp(x[i, k] + log(prior[k]), k) - x[i, y[i]], i)
'''
