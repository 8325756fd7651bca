"""LC1xx: a declaration or a formula has no meaning."""

from __future__ import annotations

from losscompiler.rules.rule import Rule

FORMULAS = (
    Rule(
        "LC101",
        "reserved-name",
        "an input or a loss has a name that generated code uses otherwise",
        "Every generated function takes weight, mask, reduction and normalizer; some take "
        "ignore_index, class_weight, axis, batch_axes and vector. An input of that name would "
        "hide the option. A loss whose name, alias or former name is no name in Python, starts "
        "with an underscore, or is used by generated modules themselves, could not be imported. "
        "`aliases` and `former` are tuples of names, and `deprecated` is one line of text.",
        """@loss
def weighted(prediction=Prediction(), weight=Target()):
    return weight * prediction**2""",
        """@loss
def weighted(prediction=Prediction(), importance=Target()):
    return importance * prediction**2""",
    ),
    Rule(
        "LC102",
        "undeclared-input",
        "an input does not say what it is",
        "Each parameter of the function is an input, and its default value is its declaration: "
        "Prediction, Target, Mask, Label or Param. Params come after a bare *.",
        """@loss
def squared(prediction, target=Target()):
    return (prediction - target) ** 2""",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2""",
    ),
    Rule(
        "LC103",
        "no-prediction",
        "a loss has no prediction",
        "A loss is differentiated by its predictions; without one there is nothing to train.",
        """@loss
def squared(target=Target()):
    return target**2""",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2""",
    ),
    Rule(
        "LC105",
        "missing-index",
        "an input with axes is used without an index",
        "Formulas are written per entry, as on paper. An input with core axes is an array, and its "
        "entries are reached through indices over its axes.",
        """@loss
def energy(logits=Prediction("class")):
    return logits**2""",
        """@loss
def energy(logits=Prediction("class")):
    k = index("class")
    return Sum(logits[k] ** 2, k)""",
    ),
    Rule(
        "LC106",
        "wrong-number-of-indices",
        "an input is given more or fewer indices than it has axes",
        "One index per declared core axis. Batch axes are implicit and take none.",
        """@loss
def energy(logits=Prediction("class")):
    i, k = index("class", "i k")
    return Sum(logits[i, k] ** 2, i, k)""",
        """@loss
def energy(logits=Prediction("class")):
    k = index("class")
    return Sum(logits[k] ** 2, k)""",
    ),
    Rule(
        "LC107",
        "index-outside-axis",
        "a constant index is outside its axis",
        "Constant indices count from 0; negative ones do not count from the end.",
        """@loss
def last(box=Prediction("coordinate")):
    return box[-1] ** 2""",
        """@loss
def first(box=Prediction("coordinate")):
    return box[0] ** 2""",
    ),
    Rule(
        "LC108",
        "axis-mismatch",
        "one axis is used where another is declared",
        "Two axes may have different sizes, so an index over one must not point into the other, "
        "and one axis of a composed loss cannot stand for two.",
        """@loss
def squared(prediction=Prediction("class"), target=Target("feature")):
    k = index("class")
    return Sum((prediction[k] - target[k]) ** 2, k)""",
        """@loss
def squared(prediction=Prediction("class"), target=Target("class")):
    k = index("class")
    return Sum((prediction[k] - target[k]) ** 2, k)""",
    ),
    Rule(
        "LC109",
        "not-an-index",
        "something that is no index stands where one is needed",
        "An index is one that index() returns, a constant, a Label, or an index plus a constant.",
        """@loss
def odd(x=Prediction("time")):
    t = index("time")
    return Sum(x[2 * t], t)""",
        """@loss
def total(x=Prediction("time")):
    t = index("time")
    return Sum(x[t], t)""",
    ),
    Rule(
        "LC110",
        "constant-condition",
        "a condition is always true, or always false",
        "Python's == and != compare how two expressions are written, at once, so `i != j` is True "
        "for two different indices. Eq and Ne make a condition that is decided per entry. "
        "Comparisons are decided at once, too, where all numbers agree: every number in a formula "
        "is finite, so `x < oo` is true, and a domain such as positive=True settles signs.",
        """@loss
def others(x=Prediction("class")):
    i, j = index("class", "i j")
    return Sum(where(i != j, x[i] * x[j], 0), i, j)""",
        """@loss
def others(x=Prediction("class")):
    i, j = index("class", "i j")
    return Sum(where(Ne(i, j), x[i] * x[j], 0), i, j)""",
    ),
    Rule(
        "LC111",
        "incomplete-piecewise",
        "a Piecewise does not cover all cases",
        "A loss has a value for all data. The last pair holds for everything else: (value, True).",
        """@loss
def hinge(margin=Prediction()):
    return Piecewise((1 - margin, margin < 1))""",
        """@loss
def hinge(margin=Prediction()):
    return Piecewise((1 - margin, margin < 1), (0, True))""",
    ),
    Rule(
        "LC112",
        "not-a-formula",
        "a condition, or nothing, stands where a number is needed",
        "A loss returns one real number per entry, and a sum adds numbers. indicator(condition) "
        "makes 1 and 0 of a condition.",
        """@loss
def wrong(prediction=Prediction(), target=Target()):
    return prediction * target < 0""",
        """@loss
def wrong(prediction=Prediction(), target=Target()):
    return indicator(prediction * target < 0)""",
    ),
    Rule(
        "LC113",
        "raw-piecewise",
        "SymPy's own Piecewise stands below an axis reduction",
        "SymPy folds its Piecewise into a sum when both are built, and loses conditions on the "
        "index. Those of losscompiler.spec are left alone.",
        """import sympy


@loss
def hinge(margin=Prediction("class")):
    k = index("class")
    return Sum(sympy.Piecewise((1 - margin[k], margin[k] < 1), (0, True)), k)""",
        """@loss
def hinge(margin=Prediction("class")):
    k = index("class")
    return Sum(Piecewise((1 - margin[k], margin[k] < 1), (0, True)), k)""",
    ),
    Rule(
        "LC114",
        "reduction-without-index",
        "an axis reduction is not given an index",
        "Sum(e, k) sums over the axis of k. Which axis is meant cannot be guessed.",
        """@loss
def energy(logits=Prediction("class")):
    k = index("class")
    return Sum(logits[k] ** 2)""",
        """@loss
def energy(logits=Prediction("class")):
    k = index("class")
    return Sum(logits[k] ** 2, k)""",
    ),
    Rule(
        "LC116",
        "bad-domain",
        "a declared domain is unknown or empty",
        "A domain is given by a known assumption (positive=True, ...), interval=(low, high), "
        "domain= any SymPy set of real numbers, or values=.",
        """@loss
def squared(prediction=Prediction(), *, scale=Param(1, positiv=True)):
    return scale * prediction**2""",
        """@loss
def squared(prediction=Prediction(), *, scale=Param(1, positive=True)):
    return scale * prediction**2""",
    ),
    Rule(
        "LC117",
        "bad-axis",
        "an axis is not named as one",
        "An axis is a Python identifier in quotes. A starred one stands for all remaining array "
        "axes, so it comes last. The size of an axis is read off the inputs that have it.",
        """@loss
def energy(image=Prediction("*spatial", "class")):
    return 0""",
        """@loss
def energy(image=Prediction("class", "*spatial")):
    c, s = index("class"), index("spatial")
    return Sum(image[c, s] ** 2, c, s)""",
    ),
    Rule(
        "LC118",
        "default-outside-domain",
        "a parameter's default is outside its own domain",
        "Generated functions check parameters, so a call that leaves this one out would fail.",
        """@loss
def scaled(prediction=Prediction(), *, scale=Param(-1, positive=True)):
    return scale * prediction**2""",
        """@loss
def scaled(prediction=Prediction(), *, scale=Param(1, positive=True)):
    return scale * prediction**2""",
    ),
    Rule(
        "LC119",
        "composition-axes",
        "a loss is called with an input that lacks its axes",
        "When one loss is used inside another, a tensor or an expression with one free index per "
        "axis takes the place of each input.",
        """@loss
def energy(logits=Prediction("class")):
    k = index("class")
    return Sum(logits[k] ** 2, k)


@loss
def half(x=Prediction()):
    return energy(x**2) / 2""",
        """@loss
def energy(logits=Prediction("class")):
    k = index("class")
    return Sum(logits[k] ** 2, k)


@loss
def half(x=Prediction("class")):
    return energy(x) / 2""",
    ),
    Rule(
        "LC120",
        "composition-inputs",
        "a loss is called with inputs it does not have, or without ones it needs",
        "A loss inside another is called with its inputs in their order, or by name. Parameters "
        "have defaults; inputs need optional=True to be left out.",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2


@loss
def half(prediction=Prediction(), target=Target()):
    return squared(prediction) / 2""",
        """@loss
def squared(prediction=Prediction(), target=Target()):
    return (prediction - target) ** 2


@loss
def half(prediction=Prediction(), target=Target()):
    return squared(prediction, target) / 2""",
    ),
    Rule(
        "LC121",
        "not-real",
        "a formula contains a constant that is not a real number",
        "A division by zero, sqrt(-1) or the log of a negative constant makes the loss "
        "meaningless for all data.",
        """@loss
def broken(prediction=Prediction()):
    return sqrt(-2) * prediction""",
        """@loss
def scaled(prediction=Prediction()):
    return sqrt(2) * prediction""",
    ),
    Rule(
        "LC130",
        "unsupported",
        "a formula uses something that cannot be compiled",
        "The compiler knows the functions that losscompiler.spec exports. Others of SymPy, such as "
        "its own Sum, have no meaning over axes, no exact derivative here, or no counterpart in "
        "the frameworks.",
        """import sympy


@loss
def special(prediction=Prediction()):
    return sympy.zeta(prediction)""",
        """@loss
def ordinary(prediction=Prediction()):
    return log(1 + prediction**2)""",
    ),
    Rule(
        "LC131",
        "shift-outside-axis",
        "a shifted index can leave its axis",
        "There is no entry x[t + 1] where t is the last position. A condition on the index, above "
        "or around the entry, has to say where it is meant; conditions on data do not count.",
        """@loss
def roughness(prediction=Prediction("time")):
    t = index("time")
    return Sum((prediction[t + 1] - prediction[t]) ** 2, t)""",
        """@loss
def roughness(prediction=Prediction("time")):
    t = index("time")
    step = prediction[t + 1] - prediction[t]
    return Sum(where(t + 1 < size(t), step**2, 0), t)""",
    ),
    Rule(
        "LC132",
        "step-of-a-recurrence",
        "a scan has no step from one carry to the next",
        "A step gets the former carries, in the form of `init`, and returns the next ones in the "
        "same form. What it starts from is known before the first position, so it cannot depend on "
        "the index. A carry is read at another place by one index for each that it varies over.",
        """@loss
def drift(prediction=Prediction("time")):
    t = index("time")
    level = scan(lambda level, x: (level + x, x), prediction[t], t, init=0)
    return Sum(level**2, t)""",
        """@loss
def drift(prediction=Prediction("time")):
    t = index("time")
    level = scan(lambda level, x: level / 2 + x, prediction[t], t, init=0)
    return Sum(level**2, t)""",
    ),
)
