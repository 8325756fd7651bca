"""The expression nodes that SymPy does not have: indexed tensors, axis reductions, opaque `Piecewise`.

They are genuine SymPy expressions, so that arithmetic, printing and substitution work, but SymPy
never evaluates through them: `sympy.Sum` folds a `Piecewise` below it wrongly, ours does not look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sympy as sp
from sympy.logic.boolalg import Boolean, BooleanAtom

from losscompiler.diagnostics import SpecError


class Index(sp.Symbol):
    """An index that ranges over a named axis; two indices are equal if name and axis are."""

    __slots__ = ("axis",)
    axis: str

    def __new__(cls, name: str, axis: str) -> Index:
        symbol = sp.Symbol.__xnew__(cls, name, integer=True, nonnegative=True)
        symbol.axis = axis
        return symbol

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, Any]]:
        return (self.name, self.axis), {}

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.axis)


class Size(sp.Symbol):
    """The number of entries of a named axis."""

    __slots__ = ("axis",)
    axis: str

    def __new__(cls, axis: str) -> Size:
        symbol = sp.Symbol.__xnew__(cls, f"size_{axis}", integer=True, positive=True)
        symbol.axis = axis
        return symbol

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (self.axis,), {}

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.axis)


class Tensor(sp.Atom):
    """A named input with named axes. It is not a number: index it, once per axis.

    `role` is one of prediction, target, mask, label, param; `symbol` is a scalar stand-in that
    carries the SymPy assumptions of one entry; `label_axis` is the axis that a label points into.
    """

    __slots__ = ("axes", "label_axis", "name", "role", "symbol")
    # SymPy asks by calling `iter`, which is an author's mistake and raises below.
    _iterable = False
    name: str
    role: str
    axes: tuple[str, ...]
    symbol: sp.Symbol
    label_axis: str | None

    def __new__(
        cls,
        name: str,
        role: str,
        axes: tuple[str, ...],
        symbol: sp.Symbol,
        label_axis: str | None = None,
    ) -> Tensor:
        tensor = sp.Atom.__new__(cls)
        tensor.name, tensor.role, tensor.axes = name, role, axes
        tensor.symbol, tensor.label_axis = symbol, label_axis
        return tensor

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (self.name, self.role, self.axes, self.symbol, self.label_axis)

    def _hashable_content(self) -> tuple[Any, ...]:
        return (self.name, self.role, self.axes, self.symbol, self.label_axis)

    def __getitem__(self, indices: Any) -> sp.Basic:
        given = indices if isinstance(indices, tuple) else (indices,)
        return element(self, *given)

    def __iter__(self) -> Iterator[Any]:
        raise SpecError(
            "LC105",
            f"`{self.name}` cannot be iterated over: its size is not known when the spec is read",
            help=f'index it instead: k = index("{self.axes[0]}"), then `{self.name}[k]`',
        )

    def _no_arithmetic(self, *_: Any) -> Any:
        raise SpecError(
            "LC105",
            f"`{self.name}` has the axes ({', '.join(self.axes)}) and is used without an index",
            help=f'write index("{self.axes[0]}", "k") and `{self.name}[k]`: formulas are written '
            "per entry",
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _no_arithmetic
    __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __neg__ = __abs__ = _no_arithmetic
    __lt__ = __le__ = __gt__ = __ge__ = _no_arithmetic

    def _sympystr(self, printer: Any) -> str:
        return self.name


def _check_indices(tensor: Tensor, indices: tuple[sp.Basic, ...]) -> None:
    if len(indices) != len(tensor.axes):
        raise SpecError(
            "LC106",
            f"`{tensor.name}` has {len(tensor.axes)} axes ({', '.join(tensor.axes) or 'none'}) "
            f"and is given {len(indices)} indices",
            help="give one index per named axis; batch axes are implicit and take no index",
        )
    for axis, position in zip(tensor.axes, indices, strict=True):
        _check_index(tensor, axis, position)


def _check_index(tensor: Tensor, axis: str, position: sp.Basic) -> None:
    name = axis.removeprefix("*")
    if isinstance(position, sp.Integer):
        if position < 0:
            raise SpecError(
                "LC107",
                f"index {position} is outside axis `{name}` of `{tensor.name}`",
                help="constant indices count from 0",
            )
        return
    if isinstance(position, Element) and position.tensor.role == "label":
        if position.tensor.label_axis != name:
            raise SpecError(
                "LC108",
                f"label `{position.tensor.name}` points into axis "
                f"`{position.tensor.label_axis}`, but is used on axis `{name}` of `{tensor.name}`",
                help=f'declare it as Label("{name}") or index another axis with it',
            )
        return
    index, shift = split_shift(position)
    if index is None:
        raise SpecError(
            "LC109",
            f"`{position}` cannot index axis `{name}` of `{tensor.name}`",
            help=f'use index("{name}"), a constant, a Label("{name}", ...), or an index plus a '
            "constant",
        )
    if index.axis != name:
        raise SpecError(
            "LC108",
            f"`{index}` ranges over axis `{index.axis}`, but is used on axis `{name}` of "
            f"`{tensor.name}`: the two may have different sizes",
            help=f'take index("{name}") for it, or give both axes one name',
        )


def split_shift(position: sp.Basic) -> tuple[Index | None, int]:
    """Splits `t + 3` into the index and its constant shift; (None, 0) for anything else."""
    if isinstance(position, Index):
        return position, 0
    if isinstance(position, sp.Add) and len(position.args) == 2:
        shift, index = position.args
        if isinstance(shift, sp.Integer) and isinstance(index, Index):
            return index, int(shift)
    return None, 0


def element(tensor: Tensor, *indices: Any) -> sp.Basic:
    """The entry of `tensor` at `indices`: a real number, or a truth value for a mask."""
    positions = tuple(sp.sympify(i) for i in indices)
    _check_indices(tensor, positions)
    cls = MaskElement if tensor.role == "mask" else Element
    return cls(tensor, *positions)


def _delegate(assumption: str) -> Any:
    return lambda self: getattr(self.tensor.symbol, f"is_{assumption}")


# A base class, because SymPy collects these methods once, when `Element` is created.
_Assumptions = type(
    "_Assumptions",
    (),
    {
        f"_eval_is_{fact}": _delegate(fact)
        for fact in (
            "real extended_real finite positive negative zero nonzero nonnegative nonpositive "
            "integer extended_positive extended_negative extended_nonnegative "
            "extended_nonpositive rational irrational even odd"
        ).split()
    },
)


class Element(_Assumptions, sp.Expr):  # type: ignore[valid-type,misc]
    """A real entry of a tensor; its assumptions are those of the tensor's domain."""

    is_commutative = True

    def __new__(cls, tensor: Tensor, *indices: sp.Basic) -> Element:
        return sp.Expr.__new__(cls, tensor, *indices)

    @property
    def tensor(self) -> Tensor:
        return self.args[0]

    @property
    def indices(self) -> tuple[sp.Basic, ...]:
        return self.args[1:]

    def __getitem__(self, indices: Any) -> sp.Basic:
        given = indices if isinstance(indices, tuple) else (indices,)
        _check_indices(self.tensor, tuple(sp.sympify(i) for i in (*self.indices, *given)))
        raise AssertionError("an element has all its indices")

    def _sympystr(self, printer: Any) -> str:
        if not self.indices:
            return self.tensor.name
        return f"{self.tensor.name}[{', '.join(printer._print(i) for i in self.indices)}]"

    def _latex(self, printer: Any) -> str:
        name = printer._print(sp.Symbol(self.tensor.name))
        if not self.indices:
            return name
        return f"{name}_{{{','.join(printer._print(i) for i in self.indices)}}}"

    def _eval_derivative(self, symbol: Any) -> sp.Expr:
        return sp.S.Zero


class MaskElement(Boolean):
    """A truth value: one entry of a mask."""

    def __new__(cls, tensor: Tensor, *indices: sp.Basic) -> MaskElement:
        return Boolean.__new__(cls, tensor, *indices)

    @property
    def tensor(self) -> Tensor:
        return self.args[0]

    @property
    def indices(self) -> tuple[sp.Basic, ...]:
        return self.args[1:]

    _sympystr = Element._sympystr
    _latex = Element._latex


# ---- binders: nodes that bind indices -------------------------------------------------------


class Binder(sp.Expr):
    """A node that binds indices in its body. Never evaluated by SymPy."""

    is_commutative = True
    is_real = True
    is_extended_real = True
    keeps_axis = False

    def __new__(cls, body: sp.Expr, indices: sp.Tuple, *rest: sp.Basic) -> Binder:
        return sp.Expr.__new__(cls, body, indices, *rest)

    @property
    def body(self) -> sp.Expr:
        return self.args[0]

    @property
    def indices(self) -> tuple[Index, ...]:
        return tuple(self.args[1])

    @property
    def free_symbols(self) -> set[sp.Basic]:
        free = self.body.free_symbols
        return free if self.keeps_axis else free - set(self.indices)

    def _eval_derivative(self, symbol: Any) -> sp.Expr:
        raise TypeError("axis reductions are differentiated on the graph")

    def _sympystr(self, printer: Any) -> str:
        inside = ", ".join(printer._print(a) for a in (self.body, *self.indices))
        return f"{type(self).__name__}({inside})"


class _SignOfBody(Binder):
    """A reduction that keeps the sign of its body (`oo` sized or empty axes included)."""

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.body.is_nonnegative else None

    def _eval_is_nonpositive(self) -> bool | None:
        return True if self.body.is_nonpositive else None


class Sum(_SignOfBody):
    """Sum of the body over the indices' axes."""

    def _latex(self, printer: Any) -> str:
        below = ",".join(printer._print(i) for i in self.indices)
        return rf"\sum_{{{below}}} {printer.parenthesize(self.body, 50)}"


class Prod(_SignOfBody):
    """Product of the body over the indices' axes."""

    def _eval_is_positive(self) -> bool | None:
        return True if self.body.is_positive else None

    def _latex(self, printer: Any) -> str:
        below = ",".join(printer._print(i) for i in self.indices)
        return rf"\prod_{{{below}}} {printer.parenthesize(self.body, 50)}"


class AxisMax(_SignOfBody):
    """Largest entry of the body along the indices' axes."""


class AxisMin(_SignOfBody):
    """Smallest entry of the body along the indices' axes."""


class LogSumExp(Binder):
    """log(sum(exp(body))) over the indices' axes."""


class Norm(Binder):
    """The p-norm of the body over the indices' axes: `(sum |body|^p)^(1/p)`."""

    def _eval_is_nonnegative(self) -> bool:
        return True

    @property
    def p(self) -> sp.Expr:
        return self.args[2]


class Softmax(Binder):
    """exp(body) / sum(exp(body)); keeps the axis."""

    keeps_axis = True

    def _eval_is_nonnegative(self) -> bool:
        return True


class LogSoftmax(Binder):
    """body - log(sum(exp(body))); keeps the axis."""

    keeps_axis = True

    def _eval_is_nonpositive(self) -> bool:
        return True


class Piecewise(sp.Expr):
    """The first value whose condition holds. Opaque: SymPy's own is folded wrongly below a sum."""

    is_commutative = True
    is_real = True
    is_extended_real = True

    def __new__(cls, *pairs: Any) -> sp.Expr:
        kept: list[sp.Tuple] = []
        for position, (value, condition) in enumerate(pairs):
            last = position == len(pairs) - 1
            if isinstance(condition, bool):
                if not (last and condition):
                    raise constant_condition(condition)
                condition = sp.true
            if condition == sp.false:
                continue
            kept.append(sp.Tuple(sp.sympify(value), sp.sympify(condition)))
            if condition == sp.true:
                break
        if not kept:
            raise SpecError(
                "LC111",
                "no condition of this Piecewise can hold",
                help="end it with a pair (value, True)",
            )
        if kept[0][1] == sp.true:
            return kept[0][0]
        if kept[-1][1] != sp.true:
            raise SpecError(
                "LC111",
                "this Piecewise does not say what holds when none of its conditions does",
                help="end it with a pair (value, True)",
            )
        return sp.Expr.__new__(cls, *kept)

    @property
    def pairs(self) -> tuple[tuple[sp.Expr, sp.Basic], ...]:
        return tuple((pair[0], pair[1]) for pair in self.args)

    def _eval_is_nonnegative(self) -> bool | None:
        return True if all(value.is_nonnegative for value, _ in self.pairs) else None

    def _latex(self, printer: Any) -> str:
        return printer._print(sp.Piecewise(*self.pairs, evaluate=False))


def constant_condition(condition: object) -> SpecError:
    """The diagnostic for `i != j` and `a == b`, which Python decides structurally."""
    return SpecError(
        "LC110",
        f"this condition is the constant {condition}, whatever the data",
        help="Python's == and != compare how expressions are written; use Eq(a, b) and Ne(a, b)",
    )


class sigmoid(sp.Function):  # noqa: N801 - a function's name, as SymPy spells functions
    """1 / (1 + exp(-x))."""

    nargs = 1
    is_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        (x,) = self.args
        return sigmoid(x) * sigmoid(-x)

    def _eval_rewrite_as_exp(self, x: sp.Expr, **_: Any) -> sp.Expr:
        return 1 / (1 + sp.exp(-x))


class softplus(sp.Function):  # noqa: N801
    """log(1 + exp(x))."""

    nargs = 1
    is_real = True
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sigmoid(self.args[0])

    def _eval_rewrite_as_log(self, x: sp.Expr, **_: Any) -> sp.Expr:
        return sp.log(1 + sp.exp(x))


class stop_gradient(sp.Function):  # noqa: N801
    """The value of x, constant to every derivative."""

    nargs = 1
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.S.Zero


def bound_indices(indices: Iterable[Any], body: Any) -> tuple[sp.Expr, sp.Tuple]:
    """Checks what a binder is given; raises a diagnostic for anything that is not an index."""
    expression = sp.sympify(body)
    if isinstance(expression, Boolean | BooleanAtom):
        raise SpecError(
            "LC112",
            f"`{expression}` is a condition, and a number is needed here",
            help="indicator(condition) is 1 where it holds and 0 elsewhere",
        )
    if expression.has(sp.Piecewise):
        raise SpecError(
            "LC113",
            "SymPy's own Piecewise below a sum or another axis reduction",
            help="import Piecewise (or where) from losscompiler.spec: SymPy rewrites its own "
            "wrongly below a sum",
        )
    found = tuple(indices)
    if not found:
        raise SpecError("LC114", "no index is given to reduce over", help='k = index("class")')
    for i in found:
        if not isinstance(i, Index):
            raise SpecError(
                "LC114",
                f"`{i}` is not an index",
                help='reduce over indices that index("axis", "names") returns',
            )
    return expression, sp.Tuple(*found)
