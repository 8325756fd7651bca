"""A loss over a class axis of any size, written in the entry of the true class and power sums.

    softmax cross-entropy        log(T) - u          with T = sum of exp(v) over the classes
    Brier's score                T - 2 u + 1         with T = sum of v**2

`u` is the prediction for the true class, `v` that for any class. Each sum over the classes is
expanded into sums of terms of `v` alone, each of which is a symbol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import sympy as sp

from losscompiler.analysis.cells import TooManyCellsError, cells
from losscompiler.analysis.claims import Context
from losscompiler.analysis.composition import plain
from losscompiler.analysis.elementary import elementary, positive
from losscompiler.analysis.ledger import InapplicableError, OpenError
from losscompiler.analysis.limits import SINGULAR
from losscompiler.analysis.problem import COUNTS
from losscompiler.spec import expressions as ex
from losscompiler.spec.decorator import Loss
from losscompiler.spec.roles import assumptions_of
from losscompiler.spec.tensors import Index, Size

UNIT = sp.Interval(0, 1)
OPEN_UNIT = sp.Interval.open(0, 1)
HIT = sp.Symbol("_hit", integer=True, nonnegative=True)
"""1 at the true class, else 0."""
MOST_TERMS = 40


@dataclass(frozen=True)
class Roles:
    """Which input is the prediction over the classes, and which one names the true class."""

    prediction: str
    target: str
    axis: str
    dense: bool


def class_roles(loss: Loss) -> Roles:
    """The roles in a loss of one prediction per class and one true class.

    Raises:
        InapplicableError: If the loss is another.
    """
    predictions = [(n, r) for n, r in loss.inputs.items() if r.kind == "prediction"]
    others = [(n, r) for n, r in loss.inputs.items() if r.kind != "prediction"]
    if len(predictions) != 1 or len(others) != 1 or loss.free_indices:
        raise InapplicableError
    ((prediction, role),), ((target, given),) = predictions, others
    if len(role.axes) != 1 or role.axes[0].startswith("*"):  # pixels are no classes
        raise InapplicableError
    axis = role.axes[0]
    label = given.kind == "label" and given.label_axis == axis and not given.axes
    dense = given.kind == "target" and given.axes == role.axes and given.domain == UNIT
    if not (label or dense):
        raise InapplicableError
    return Roles(prediction, target, axis, dense)


@dataclass
class Sums:
    """Symbols for the sums over the classes; on the simplex predictions add up to 1."""

    domain: sp.Set
    simplex: bool
    symbols: dict[sp.Expr, sp.Symbol] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Makes the symbols of the prediction and of the number of classes."""
        self.v = self.entry("v")
        self.u = self.entry("u")
        self.size = sp.Symbol("K", integer=True, positive=True)

    def entry(self, name: str) -> sp.Symbol:
        """A symbol that lies where predictions lie."""
        return sp.Symbol(name, **assumptions_of(self.domain))

    def total(self, e: sp.Expr, v: sp.Symbol) -> sp.Expr:
        """The sum over all classes of a formula of the prediction `v` for the class.

        Raises:
            OpenError: If it does not come apart into terms of `v` alone.
        """
        terms = sp.Add.make_args(_valued(sp.expand(self.smooth(e, v))))
        if len(terms) > MOST_TERMS:
            raise OpenError("a sum of too many terms")
        found = sp.S.Zero
        for term in terms:
            factor, own = term.as_independent(v, as_Add=False)
            if own.free_symbols & set(self.symbols.values()):
                raise OpenError(f"the sum over classes of {own}")
            found += factor * self._symbol(own.subs(v, self.v))
        return found

    def smooth(self, e: sp.Expr, v: sp.Symbol) -> sp.Expr:
        """A formula without kinks that the domain of the prediction decides."""
        made = elementary(e)
        try:
            pieces = cells(made, self.context(v))
        except TooManyCellsError:
            raise OpenError("the formula has too many pieces") from None
        if len(pieces) != 1:
            raise OpenError("a kink in the prediction for a class")
        return pieces[0].value

    def _symbol(self, own: sp.Expr) -> sp.Expr:
        if own == 1:
            return self.size
        if own == self.v and self.simplex:
            return sp.S.One
        if own not in self.symbols:
            assumed = {"positive": True} if positive(own) else {"real": True}
            self.symbols[own] = sp.Symbol(f"T{len(self.symbols)}", **assumed)
        return self.symbols[own]

    def context(self, *entries: sp.Symbol, domains: Mapping[sp.Symbol, sp.Set] = {}) -> Context:
        """What is known of predictions, sums and the number of classes."""
        sums = {s: sp.Interval.open(0, sp.oo) if s.is_positive else sp.S.Reals
                for s in self.symbols.values()}  # fmt: skip
        own = dict.fromkeys(entries, OPEN_UNIT if self.domain.is_subset(UNIT) else self.domain)
        return Context.over({**domains, **sums, **own, self.size: COUNTS})


@dataclass(frozen=True)
class Form:
    """The loss `formula` in `u` and sums, and where its parameters lie."""

    formula: sp.Expr
    sums: Sums
    parameters: Mapping[sp.Symbol, sp.Set]

    def context(self, *entries: sp.Symbol) -> Context:
        """What is known of all symbols."""
        return self.sums.context(*entries, domains=self.parameters)


def form_of(loss: Loss, roles: Roles) -> Form:
    """The loss in power sums.

    Raises:
        OpenError: If it has another form.
    """
    domain = loss.roles[roles.prediction].domain
    sums = Sums(domain, simplex=domain.is_subset(UNIT))
    writer = _Writer(loss, roles, sums)
    formula = sums.smooth(_valued(writer(plain(loss.expression), {})), sums.u)
    return Form(_valued(formula), sums, writer.parameters)


def _valued(e: sp.Expr) -> sp.Expr:
    """A formula that has a value; raises OpenError if it has none."""
    if e.has(*SINGULAR):
        raise OpenError("a part of the formula without a value")
    return e


@dataclass
class _Writer:
    loss: Loss
    roles: Roles
    sums: Sums
    parameters: dict[sp.Symbol, sp.Set] = field(default_factory=dict)

    def __call__(self, e: sp.Basic, bound: Mapping[Index, sp.Symbol]) -> sp.Expr:
        if isinstance(e, ex.Element):
            return self._entry(e, bound)
        if isinstance(e, Size):
            return self.sums.size
        if isinstance(e, ex.LogSumExp):
            return sp.log(self._sum(sp.exp(e.body), e.indices, bound))
        if isinstance(e, ex.Sum):
            return self._sum(e.body, e.indices, bound)
        if isinstance(e, ex.Norm) and e.p == 2:
            return sp.sqrt(self._sum(e.body**2, e.indices, bound))
        if isinstance(e, ex.Binder | ex.MaskElement | Index):
            raise OpenError(f"nothing is known about `{type(e).__name__}` over classes")
        if isinstance(e, sp.Eq | sp.Ne) and (truth := self._is_label(e, bound)) is not None:
            return truth
        if not e.args:
            return e
        args = [self(a, bound) for a in e.args]
        if isinstance(e, ex.Piecewise):
            return ex.Piecewise(*(tuple(pair) for pair in args))
        return e.func(*args)

    def _entry(self, e: ex.Element, bound: Mapping[Index, sp.Symbol]) -> sp.Expr:
        name, at = e.tensor.name, e.indices
        if name == self.roles.prediction:
            if at[0] in bound:
                return bound[at[0]]
            if isinstance(at[0], ex.Element) and at[0].tensor.name == self.roles.target:
                return self.sums.u
        if name == self.roles.target and self.roles.dense and at[0] in bound:
            return HIT
        if self.loss.roles[name].kind == "param" and not at:
            domain = self.loss.roles[name].domain
            symbol = sp.Symbol(name, **assumptions_of(domain))
            self.parameters[symbol] = domain
            return symbol
        raise OpenError(f"the entry {e}")

    def _is_label(self, e: sp.Basic, bound: Mapping[Index, sp.Symbol]) -> sp.Basic | None:
        """Whether a class is the true one, as a condition."""
        parts = sp.Add.make_args(sp.expand(e.args[0] - e.args[1]))
        places = [next(iter(p.free_symbols & set(bound)), p) for p in parts]
        labels = [p for p in parts if p.atoms(ex.Element)]
        classes = [i for i in places if i in bound]
        if self.roles.dense or len(parts) != 2 or len(labels) != 1 or len(classes) != 1:
            return None
        return e.func(HIT, 1)

    def _sum(
        self, body: sp.Expr, indices: tuple[Index, ...], bound: Mapping[Index, sp.Symbol]
    ) -> sp.Expr:
        if len(indices) != 1 or indices[0].axis != self.roles.axis:
            raise OpenError("a sum over several axes")
        v = self.sums.entry(f"v{len(bound)}")
        inside = self(body, {**bound, indices[0]: v})
        if not inside.has(HIT):
            return self.sums.total(inside, v)
        if bound:
            raise OpenError("the true class within two sums")
        if inside.has(sp.log):  # 0 log 0 is 0
            inside = sp.expand(sp.expand_log(inside, force=True)).subs(HIT * sp.log(HIT), 0)
        off, on = (inside.subs(HIT, n) for n in (0, 1))
        return self.sums.total(off, v) + (on - off).subs(v, self.sums.u)


def by_probabilities(form: Form) -> Form:
    """A loss of logits as one of probabilities: the logits are their logarithms.

    Raises:
        OpenError: If adding one number to all logits changes the loss.
    """
    sums, shift = form.sums, sp.Symbol("_c", real=True)
    moved = form.formula.subs(_moved(sums, sums, sums.v + shift) | {sums.u: sums.u + shift},
                              simultaneous=True)  # fmt: skip
    gap = sp.expand(sp.expand_log(elementary(sp.expand(moved - form.formula)), force=True))
    if sp.simplify(gap) != 0:
        raise OpenError("adding one number to all logits changes the loss")
    made = Sums(OPEN_UNIT, simplex=True)
    swaps = _moved(sums, made, sp.log(made.v)) | {sums.u: sp.log(made.u), sums.size: made.size}
    formula = made.smooth(sp.expand(form.formula.subs(swaps, simultaneous=True)), made.u)
    return replace(form, formula=_valued(formula), sums=made)


def _moved(old: Sums, new: Sums, entry: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    """The sums where each prediction `v` is something else."""
    return {
        symbol: new.total(sp.expand(own.subs(old.v, entry)), new.v)
        for own, symbol in list(old.symbols.items())
    }
