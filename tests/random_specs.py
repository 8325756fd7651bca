"""Random losses as spec text.

Formulas are kept where the mathematics is defined and of ordinary size: logarithms, roots and
quotients are taken of positive terms, and what grows is tamed before it is exponentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

HELPERS = """
@loss
def huber(prediction=Prediction(), target=Target(), *, delta=Param(1, positive=True)):
    r = prediction - target
    return Piecewise((r**2 / 2, Abs(r) <= delta), (delta * (Abs(r) - delta / 2), True))


@loss
def cross_entropy(logits=Prediction("class"), target=Target("class")):
    c, k = index("class", "c k")
    return Sum(target[c] * (log(Sum(exp(logits[k]), k)) - logits[c]), c)

"""


# ---- what a loss is made of ---------------------------------------------------------------------


@dataclass(frozen=True)
class Input:
    """An input of a random loss: its axes, and how the signature declares it."""

    name: str
    kind: str
    axes: tuple[str, ...]
    declared: str

    @property
    def positive(self) -> bool:
        """Whether its entries are."""
        return "positive" in self.declared


def _input(name: str, kind: str, axes: tuple[str, ...], *more: str) -> Input:
    given = [f'"{a}"' for a in axes]
    if kind == "Label":
        given.insert(0, '"class"')
    return Input(name, kind, axes, f"{kind}({', '.join([*given, *more])})")


def _param(name: str, *given: str, axes: tuple[str, ...] = ()) -> Input:
    return Input(name, "Param", axes, f"Param({', '.join(given)})")


PARAMS = (
    _param("a", "2", "positive=True"),
    _param("b", "-0.75"),
    _param("c", "1.5", "positive=True", "learnable=True"),
    _param("g", "0.5", "learnable=True"),
)
ELEMENTWISE = (
    _input("x", "Prediction", ()),
    _input("y", "Prediction", ()),
    _input("p", "Prediction", (), "positive=True"),
    _input("t", "Target", ()),
    _input("q", "Target", (), "positive=True"),
    _input("m", "Mask", ()),
)
REDUCTION = (
    _input("x", "Prediction", ("class",)),
    _input("z", "Prediction", ("class", "feature")),
    _input("s", "Prediction", ()),
    _input("f", "Prediction", ("feature",)),
    _input("p", "Prediction", ("class",), "positive=True"),
    _input("t", "Target", ("class",)),
    _input("q", "Target", ("class", "feature"), "positive=True"),
    _input("m", "Mask", ("class",)),
    _input("n", "Mask", ("class", "feature")),
    _input("label", "Label", ()),
    _input("picks", "Label", ("feature",)),
    _param("w", "1", "positive=True", 'axes=("class",)', axes=("class",)),
)
PAIRWISE = (
    _input("x", "Prediction", ("batch", "feature")),
    _input("z", "Prediction", ("batch", "feature")),
    _input("s", "Prediction", ("batch",)),
    _input("centers", "Prediction", ("class", "feature")),
    _input("t", "Target", ("batch",)),
    _input("m", "Mask", ("batch", "batch")),
    _input("n", "Mask", ("batch",)),
    _input("label", "Label", ("batch",)),
)
FAMILIES = {"elementwise": ELEMENTWISE, "reduction": REDUCTION, "pairwise": PAIRWISE}
FREE: dict[str, list[tuple[str, ...]]] = {
    "elementwise": [()],
    "reduction": [(), (), ("class",), ("feature",), ("class", "feature")],
    "pairwise": [("batch",), ("batch",), (), ("batch", "feature")],
}


@dataclass
class Writer:
    """Draws the formula of one loss. `scope` lists the indices in reach as (name, axis)."""

    draw: Draw
    inputs: tuple[Input, ...]
    used: set[str] = field(default_factory=set)
    kinks: int = 3  # left: code for kinks inside kinks grows exponentially
    indices: dict[str, str] = field(default_factory=dict)

    def one_of(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def bind(self, axis: str) -> str:
        """A new index over an axis."""
        name = f"{axis[0]}{len(self.indices)}"
        self.indices[name] = axis
        return name

    @property
    def axes(self) -> list[str]:
        return sorted({a for i in self.inputs for a in i.axes})

    # ---- entries ------------------------------------------------------------------------------

    def entry(self, i: Input, scope: tuple[str, ...]) -> str:
        """An input at indices in scope, constants or labels; binds nothing."""
        self.used.add(i.name)
        if not i.axes:
            return i.name
        return f"{i.name}[{', '.join(self.position(a, scope) for a in i.axes)}]"

    def position(self, axis: str, scope: tuple[str, ...]) -> str:
        inside = [n for n in scope if self.indices[n] == axis]
        labels = [i for i in self.inputs if i.kind == "Label"] if axis == "class" else []
        labels = [i for i in labels if all(self._in_scope(a, scope) for a in i.axes)]
        ways = ["index"] * (5 * len(inside)) + ["label"] * (2 * len(labels)) + ["constant"]
        way = self.one_of(ways)
        if way == "index":
            return str(self.one_of(inside))
        return self.entry(self.one_of(labels), scope) if way == "label" else self.one_of("01")

    def _in_scope(self, axis: str, scope: tuple[str, ...]) -> bool:
        return any(self.indices[n] == axis for n in scope)

    def among(self, scope: tuple[str, ...], *kinds: str, positive: bool = False) -> list[Input]:
        """Inputs of some kinds whose axes are all in scope."""
        return [
            i
            for i in self.inputs
            if i.kind in kinds
            and all(self._in_scope(a, scope) for a in i.axes)
            and (i.positive or not positive)
        ]

    # ---- numbers ------------------------------------------------------------------------------

    def number(self, scope: tuple[str, ...], depth: int) -> str:
        """A real number."""
        if depth <= 0:
            return self.leaf(scope)
        return str(self.one_of(NUMBERS)(self, scope, depth - 1))

    def leaf(self, scope: tuple[str, ...]) -> str:
        predictions = self.among(scope, "Prediction")
        others = self.among(scope, "Target", "Param")
        choices = predictions * 4 + others * 2
        if not choices or self.one_of(range(12)) == 0:
            any_axis = [i for i in self.inputs if i.kind == "Prediction"]
            if any_axis and self.one_of(range(2)):
                return self.entry(self.one_of(any_axis), scope)
            return str(self.one_of(["2", "Rational(1, 3)", "-1", *self.sizes(scope)]))
        return self.entry(self.one_of(choices), scope)

    def sizes(self, scope: tuple[str, ...]) -> list[str]:
        return [f"size({n})" for n in scope]

    def positive(self, scope: tuple[str, ...], depth: int) -> str:
        """A number above 0, and not by little."""
        known = self.among(scope, "Prediction", "Target", "Param", positive=True)
        if depth <= 0:
            return self.entry(self.one_of(known), scope) if known else "2"
        e = self.number(scope, depth - 1)
        ways = [f"exp({e} / 4)", f"softplus({e})", f"(1 + ({e})**2)", f"sigmoid({e})",
                f"cosh(tanh({e}))", f"(Abs({e}) + Rational(1, 2))"]  # fmt: skip
        if self.axes and self.one_of(range(3)) == 0:
            k = self.bind(self.one_of(self.axes))
            inner = self.positive((*scope, k), depth - 1)
            return f"{self.one_of(['Sum', 'Mean', 'AxisMin', 'AxisMax'])}({inner}, {k})"
        return str(self.one_of(ways))

    # ---- conditions ---------------------------------------------------------------------------

    def condition(self, scope: tuple[str, ...]) -> str | None:
        """Something that no prediction decides; None where nothing of the kind is in reach."""
        found = [self.entry(i, scope) for i in self.among(scope, "Mask")]
        found += [f"{self.entry(i, scope)} > 0" for i in self.among(scope, "Target")]
        pairs = [(j, k) for j in scope for k in scope
                 if j < k and self.indices[j] == self.indices[k]]  # fmt: skip
        for j, k in pairs:
            found += [f"Ne({j}, {k})", f"{j} <= {k}"]
            found += [f"Eq({i.name}[{j}], {i.name}[{k}])" for i in self.inputs
                      if i.kind == "Label" and i.axes == (self.indices[j],)]  # fmt: skip
        found += [f"{k} < 1" for k in scope] + [f"{k} + 1 < size({k})" for k in scope]
        for i in self.among(scope, "Label"):
            found += [
                f"Eq({self.entry(i, scope)}, {k})" for k in scope if self.indices[k] == "class"
            ]
        if not found:
            return None
        chosen = self.one_of(found)
        other = self.one_of([None, None, None, *found])
        if other and other != chosen:
            return str(self.one_of([f"And({chosen}, {other})", f"Or({chosen}, {other})"]))
        return str(self.one_of([chosen, chosen, f"Not({chosen})"]))


Scope = tuple[str, ...]


def _leaf(w: Writer, scope: Scope, depth: int) -> str:
    return w.leaf(scope)


def _sum(w: Writer, scope: Scope, depth: int) -> str:
    return f"({w.number(scope, depth)} {w.one_of('+-')} {w.number(scope, depth)})"


def _product(w: Writer, scope: Scope, depth: int) -> str:
    return f"{w.number(scope, depth)} * {w.number(scope, depth)}"


def _quotient(w: Writer, scope: Scope, depth: int) -> str:
    return f"({w.number(scope, depth)}) / {w.positive(scope, depth)}"


SMOOTH = ("tanh({})", "sin({})", "sigmoid({})", "softplus({})", "({})**2", "exp(tanh({}))",
          "atan({})", "exp(-({})**2)", "stop_gradient({})")  # fmt: skip
OF_POSITIVE = ("log({})", "sqrt({})", "1 / {}", "log(1 + {})", "{}**Rational(3, 2)")


def _smooth(w: Writer, scope: Scope, depth: int) -> str:
    return str(w.one_of(SMOOTH).format(w.number(scope, depth)))


def _of_positive(w: Writer, scope: Scope, depth: int) -> str:
    return f"({w.one_of(OF_POSITIVE).format(w.positive(scope, depth))})"


def _kinked(w: Writer, scope: Scope, depth: int) -> str:
    if w.kinks <= 0:
        return _smooth(w, scope, depth)
    w.kinks -= 1
    e = w.number(scope, depth)
    way = w.one_of(("Abs({0})", "Max({0}, 0)", "Min({0}, 1)", "Max({0}, {1})", "Min({0}, {1})",
                    "Piecewise(({0}, {0} > {1}), ({1}, True))", "huber({0}, {1})"))  # fmt: skip
    w.kinks -= way.startswith("huber")
    return str(way.format(e, w.number(scope, depth)) if "{1}" in way else way.format(e))


def _guarded(w: Writer, scope: Scope, depth: int) -> str:
    condition = w.condition(scope)
    if condition is None:
        return w.number(scope, depth)
    other = w.one_of(["0", "0", w.leaf(scope)])
    return f"where({condition}, {w.number(scope, depth)}, {other})"


REDUCTIONS = ("Sum({}, {})", "Sum({}, {})", "Mean({}, {})", "AxisMax({}, {})", "AxisMin({}, {})",
              "logsumexp({}, {})", "Norm({}, {}, p=1)", "Prod({}, {})",
              "log(Sum(exp({}), {}))", "Sum(({})**2, {})")  # fmt: skip


def _reduced(w: Writer, scope: Scope, depth: int) -> str:
    if not w.axes:
        return w.number(scope, depth)
    k = w.bind(w.one_of(w.axes))
    way, given = w.one_of(REDUCTIONS), k
    if w.one_of(range(6)) == 0:
        given = f"{k}, {w.bind(w.one_of(w.axes))}"
    inner = (*scope, *given.split(", "))
    return str(way.format(w.number(inner, depth), given))


def _norm(w: Writer, scope: Scope, depth: int) -> str:
    """A norm that is only 0 where all of its entries are."""
    inner = w.bind(w.one_of(w.axes)) if w.axes else None
    if inner is None:
        return w.number(scope, depth)
    return f"Norm({w.number((*scope, inner), depth)}, {inner})"


def _masked(w: Writer, scope: Scope, depth: int) -> str:
    """Sums and log-sum-exps over what satisfies a condition."""
    if not w.axes:
        return _guarded(w, scope, depth)
    k = w.bind(w.one_of(w.axes))
    condition, e = w.condition((*scope, k)), w.number((*scope, k), depth)
    ways = ("Sum(where({c}, {e}, 0), {k})", "Sum(indicator({c}) * {e}, {k})",
            "log(1 + Sum(where({c}, exp({e}), 0), {k}))",
            "AxisMax(where({c}, {e}, -3), {k})")  # fmt: skip
    return str(w.one_of(ways).format(c=condition, e=e, k=k))


def _shares(w: Writer, scope: Scope, depth: int) -> str:
    """Softmax and its logarithm, weighted and summed."""
    if not w.axes:
        return w.number(scope, depth)
    k = w.bind(w.one_of(w.axes))
    inner = (*scope, k)
    head = w.one_of(("softmax", "log_softmax"))
    shares = f"{head}({w.number(inner, depth)}, {k})"
    return f"Sum({shares} * {w.leaf(inner)}, {k})"


def _neighbours(w: Writer, scope: Scope, depth: int) -> str:
    """Differences of neighbours along an axis."""
    arrays = [i for i in w.inputs if i.kind == "Prediction" and i.axes]
    if not arrays:
        return w.number(scope, depth)
    chosen = w.one_of(arrays)
    axis = chosen.axes[0]
    k = w.bind(axis)
    rest = [w.position(a, scope) for a in chosen.axes[1:]]
    here, there = (f"{chosen.name}[{', '.join([at, *rest])}]" for at in (k, f"{k} + 1"))
    w.used.add(chosen.name)
    way = w.one_of(("({b} - {a})**2", "Abs({b} - {a})", "{b} * tanh({a})"))
    return f"Sum(where({k} + 1 < size({k}), {way.format(a=here, b=there)}, 0), {k})"


def _composed(w: Writer, scope: Scope, depth: int) -> str:
    """Another loss called with expressions."""
    if "class" not in w.axes:
        w.kinks -= 2
        if w.kinks < 0:
            return w.number(scope, depth)
        return f"huber({w.number(scope, depth)}, {w.leaf(scope)}, delta={w.positive(scope, 0)})"
    k = w.bind("class")
    arrays = [i for i in w.inputs if i.axes == ("class",) and i.kind in ("Prediction", "Target")]
    if not arrays:
        return w.number(scope, depth)
    logits, target = w.one_of(arrays), w.one_of(arrays)
    w.used |= {logits.name, target.name}
    return f"cross_entropy({logits.name}[{k}] * {w.one_of('23')}, {k} * {target.name}[{k}])"


NUMBERS = (
    [_leaf] + [_sum] * 3 + [_product] * 3 + [_quotient] + [_smooth] * 4 + [_of_positive] * 2
    + [_kinked] * 3 + [_guarded] * 2 + [_reduced] * 4 + [_norm] + [_masked] * 2 + [_shares] * 2
    + [_neighbours] + [_composed]
)  # fmt: skip


@st.composite
def spec_texts(draw: Draw, family: str | None = None, depth: int | None = None) -> str:
    """The text of a spec file with one random loss, `made`, behind its helpers."""
    family = family or draw(st.sampled_from(sorted(FAMILIES)))
    depth = depth or draw(st.integers(1, 4 if family == "elementwise" else 3))
    pool = FAMILIES[family]
    chosen = draw(st.sets(st.sampled_from(range(1, len(pool))), min_size=1, max_size=3))
    extra = draw(st.sets(st.sampled_from(range(len(PARAMS))), max_size=2))
    inputs = (pool[0], *(pool[n] for n in sorted(chosen)), *(PARAMS[n] for n in sorted(extra)))
    writer = Writer(draw, inputs)
    known = {a for i in inputs if i.kind != "Param" for a in i.axes}
    free = [axes for axes in FREE[family] if set(axes) <= known]
    scope = tuple(writer.bind(axis) for axis in draw(st.sampled_from(free)))
    formula = writer.number(scope, depth)
    predictions = [i for i in inputs if i.kind == "Prediction" and i.name in writer.used]
    if not predictions:
        formula = f"{formula} + {writer.entry(pool[0], scope)}**2"
    used = [i for i in inputs if i.name in writer.used]
    reached = {a for k, a in writer.indices.items() if k in formula}
    used += [i for i in inputs if i not in used and set(i.axes) & reached]
    used.sort(key=inputs.index)
    return HELPERS + _text(used, writer.indices, formula)


def _text(inputs: list[Input], indices: dict[str, str], formula: str) -> str:
    given = [f"{i.name}={i.declared}" for i in inputs if i.kind != "Param"]
    params = [f"{i.name}={i.declared}" for i in inputs if i.kind == "Param"]
    lines = ["@loss", f"def made({', '.join([*given, *(['*'] if params else []), *params])}):"]
    lines += [f'    {k} = index("{axis}", "{k}")' for k, axis in indices.items() if k in formula]
    return "\n".join([*lines, f"    return {formula}", ""])
