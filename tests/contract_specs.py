"""Small specs, one per rule of the spec language, compiled once for all backends."""

from __future__ import annotations

from pathlib import Path

from losscompiler.build import BuildRequest
from tests.contract_corner_specs import CORNERS

PACKAGE = "contract_generated"

AXES = '''"""Axes: shared inputs, starred ones, free indices, labels with axes of their own."""
from losscompiler.spec import *

@loss
def to_center(
    e=Prediction("feature"), centers=Prediction("class", "feature"), label=Label("class")
):
    """Distance to the center of the label."""
    d = index("feature")
    return Sum((e[d] - centers[label, d]) ** 2, d)

@loss
def repelled(e=Prediction("feature"), centers=Prediction("class", "feature"), label=Label("class")):
    """The center of the label is drawn to the embedding, and all to the origin."""
    d, k = index("feature"), index("class", "k")
    return Sum(e[d] * centers[label, d], d) + Sum(centers[k, d] ** 2, k, d)

@loss
def pixel_entropy(x=Prediction("class", "*spatial"), y=Label("class", "*spatial")):
    """Cross-entropy of each pixel."""
    k, s = index("class", "k"), index("spatial", "s")
    return logsumexp(x[k, s], k) - x[y[s], s]

@loss
def image_error(x=Prediction("*spatial"), y=Target("*spatial")):
    """Mean squared error of an image."""
    s = index("spatial")
    return Mean((x[s] - y[s]) ** 2, s)

@loss
def outer(a=Prediction("row"), b=Prediction("column")):
    """Written with the columns first, of shape (row, column) all the same."""
    i, j = index("row", "i"), index("column", "j")
    return b[j] ** 2 * a[i]

@loss
def transposed(b=Prediction("column"), m=Prediction("row", "column")):
    """The signature names the columns first."""
    i, j = index("row", "i"), index("column", "j")
    return m[i, j] * b[j]

@loss
def tokens(x=Prediction("time", "class"), y=Label("class", "time")):
    """Minus the score of each token's label."""
    t = index("time", "t")
    return -x[t, y[t]] ** 2

@loss
def pairs(x=Prediction("batch")):
    """One loss per ordered pair of samples."""
    i, j = index("batch", "i j")
    return x[i] ** 2 * x[j]

@loss
def running(x=Prediction("time")):
    """Sums of all entries up to each."""
    i, j = index("time", "i j")
    return Sum(where(j <= i, x[j] ** 2, 0), j)

@loss
def others(x=Prediction("batch")):
    """The sum of all entries but one."""
    i, j = index("batch", "i j")
    return Sum(indicator(Ne(i, j)) * x[i] * x[j], j)

@loss
def variation_in_time(x=Prediction("time")):
    """A guarded shift forward, over a sum."""
    t = index("time", "t")
    return Sum(where(t + 1 < size(t), (x[t + 1] - x[t]) ** 2, 0), t)

@loss
def changes(x=Prediction("time")):
    """A guarded shift back, over a free index."""
    t = index("time", "t")
    return where(t >= 1, x[t] * x[t - 1], x[t])

@loss
def span(box=Prediction("coordinate")):
    """Constant indices."""
    return (box[2] - box[0]) ** 2

@loss
def sized(x=Prediction("class")):
    """Sizes by index and by name."""
    k = index("class", "k")
    return Sum(x[k] ** 2, k) / size(k) + size("class")

@loss
def attention(x=Prediction("class")):
    """What keeps its axis."""
    k = index("class", "k")
    return softmax(x[k], k)

@loss
def alike(x=Prediction("batch"), identity=Label("class", "batch")):
    """Equal labels belong together."""
    i, j = index("batch", "i j")
    return Sum(indicator(And(Eq(identity[i], identity[j]), i < j)) * (x[i] - x[j]) ** 2, i, j)
'''

VALUES = '''"""Elementwise rules: domains, kinks, functions."""
from losscompiler.spec import *

@loss
def steep(x=Prediction()):
    """The subdifferential at 0 is [1, 3]."""
    return Abs(x) + 2 * x

@loss
def falling(x=Prediction()):
    """The subdifferential at 0 is [-3, -1]."""
    return Abs(x) - 2 * x

@loss
def stable_entropy(x=Prediction(), y=Target()):
    """Smooth, though written with kinks that cancel."""
    return Max(x, 0) - x * y + log(1 + exp(-Abs(x)))

@loss
def larger(x=Prediction(), y=Prediction()):
    """Tied predictions."""
    return Max(x, y)

@loss
def doubled_rival(x=Prediction(), y=Prediction()):
    """Tied predictions of unequal slopes."""
    return Max(x, 2 * y)

@loss
def larger_or_none(x=Prediction(), y=Prediction()):
    """Three that may be tied."""
    return Max(x, y, 0)

@loss
def largest(x=Prediction("class")):
    """Tied entries."""
    k = index("class", "k")
    return AxisMax(x[k], k)

@loss
def smallest(x=Prediction("class")):
    """Tied entries."""
    k = index("class", "k")
    return AxisMin(x[k], k)

@loss
def squared_ramp(x=Prediction()):
    """A kink that is squared away."""
    return Max(0, x) ** 2

@loss
def notch(x=Prediction()):
    """Nonconvex: the slopes on the two sides are 2 and 1 away from 0, on one side of it."""
    return Piecewise((2 * x, x < 0), (x, True))

@loss
def norms(x=Prediction("feature")):
    """The Euclidean norm."""
    d = index("feature", "d")
    return Norm(x[d], d)

@loss
def taxicab(x=Prediction("feature")):
    """The 1-norm."""
    d = index("feature", "d")
    return Norm(x[d], d, p=1)

@loss
def chebyshev(x=Prediction("feature")):
    """The maximum norm."""
    d = index("feature", "d")
    return Norm(x[d], d, p=oo)

@loss
def volume(x=Prediction("feature")):
    """A product."""
    d = index("feature", "d")
    return Prod(x[d], d)

@loss
def frozen(x=Prediction()):
    """One factor is taken as it is."""
    return x * stop_gradient(x) ** 2

@loss
def signed(x=Prediction(), *, sign=Param(1, values={-1, 1})):
    """Turns a number round."""
    return sign * x

@loss
def padded(x=Prediction("list"), valid=Mask("list")):
    """Padding is left out."""
    k = index("list", "k")
    return Sum(where(valid[k], exp(x[k]), 0), k)

@loss
def regularised(x=Prediction(), y=Target(), prior=Target(optional=True)):
    """A prior, if there is one."""
    cost = (x - y) ** 2
    return cost if prior is None else cost + 2 * (x - prior) ** 2

@loss
def picked(
    x=Prediction("list"), valid=Mask("list", optional=True), w=Target("list", optional=True)
):
    """Two optional inputs."""
    k = index("list", "k")
    term = x[k] ** 2 if w is None else w[k] * x[k] ** 2
    return Sum(term if valid is None else where(valid[k], term, 0), k)

@loss
def tempered(x=Prediction(), y=Target(), *, log_scale=Param(0, learnable=True)):
    """A learnable noise level."""
    return exp(-log_scale) * (x - y) ** 2 + log_scale

@loss
def scaled_classes(
    x=Prediction("class"),
    *,
    bias=Param(0, axes="class"),
    scale=Param(1, learnable=True, axes="class"),
):
    """Parameters per class."""
    k = index("class", "k")
    return Sum(scale[k] * (x[k] - bias[k]) ** 2, k)

@loss
def named(
    np=Prediction(), fn=Prediction(), tf=Target(), *, torch=Param(2), jnp=Param(3), lax=Param(1)
):
    """Inputs that are called like modules."""
    return torch * np**2 + jnp * fn * tf + lax * log(1 + exp(fn))

@loss
def size(sigmoid=Prediction("axis_name"), zeros=Target("axis_name"), *, max=Param(2), sum=Param(1)):
    """Names of helpers and builtins."""
    k = index("axis_name", "k")
    return Sum(softplus(max * sigmoid[k]) * zeros[k], k) + sum
'''

BASE = '''"""What other files import."""
from losscompiler.spec import *

def gap(a, b):
    return a - b

@loss
def scaled_error(x=Prediction(), y=Target(), *, scale=Param(2)):
    """A scaled squared error."""
    return scale * gap(x, y) ** 2

@loss
def top(x=Prediction("class")):
    """The sum of squares over the classes."""
    k = index("class", "k")
    return Sum(x[k] ** 2, k)

@loss
def vision(x=Prediction()):
    """Called like a subfolder."""
    return x**4
'''

COMPOSED = '''"""Losses of losses."""
from losscompiler.spec import *
from .base import gap, scaled_error, top

@loss
def composed(x=Prediction(), y=Target(), *, factor=Param(10)):
    """A default, a number, a parameter and an expression."""
    return (
        scaled_error(x, y) + scaled_error(x, 0, scale=1)
        + factor * scaled_error(gap(x, y), 1, scale=factor)
    )

@loss
def renamed(z=Prediction("feature"), y=Target("feature")):
    """An axis stands for another one; an elementwise loss is summed over it."""
    d = index("feature")
    return top(z) + Sum(scaled_error(z[d], y[d]), d)
'''

NESTED = '''"""In a subfolder."""
from losscompiler.spec import *
from ..base import scaled_error
from ..composed import composed

@loss
def nested(x=Prediction(), y=Target()):
    """From two files above."""
    return scaled_error(x, y, scale=1) + composed(x, y)
'''

DEEPER = '''"""Two subfolders down."""
from losscompiler.spec import *
from ._sibling import doubled
from ..nested import nested

@loss
def deeper(x=Prediction(), y=Target()):
    """From beside and above."""
    return doubled(nested(x, y))
'''

SIBLING = '''"""Only helpers."""

def doubled(e):
    return 2 * e
'''

SPECS = {
    "axes.py": AXES,
    "values.py": VALUES,
    "corners.py": CORNERS,
    "base.py": BASE,
    "composed.py": COMPOSED,
    "vision/nested.py": NESTED,
    "vision/deep/deeper.py": DEEPER,
    "vision/deep/_sibling.py": SIBLING,
}


def write(root: Path, specs: dict[str, str]) -> BuildRequest:
    """Writes spec files and asks for their build, without cross-validation."""
    for name, text in specs.items():
        path = root / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return BuildRequest(root / "specs", root / PACKAGE, verify=False)
