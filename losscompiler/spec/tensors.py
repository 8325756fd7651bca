"""Indices over named axes, and the tensors and entries that they index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp
from sympy.logic.boolalg import Boolean

from losscompiler.diagnostics import SpecError


class Index(sp.Symbol):
    """An index that ranges over a named axis; two indices are equal if name and axis are."""

    __slots__ = ("axis",)
    axis: str

    def __new__(cls, name: str, axis: str) -> Index:
        """An integer symbol that knows its axis."""
        symbol: Index = sp.Symbol.__xnew__(cls, name, integer=True, nonnegative=True)
        symbol.axis = axis
        return symbol

    def __getnewargs_ex__(self) -> tuple[tuple[str, str], dict[str, Any]]:
        """What a copy is made from."""
        return (self.name, self.axis), {}

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.axis)


class Size(sp.Symbol):
    """The number of entries of a named axis."""

    __slots__ = ("axis",)
    axis: str

    def __new__(cls, axis: str) -> Size:
        """An integer symbol that knows its axis; an axis may be empty."""
        symbol: Size = sp.Symbol.__xnew__(cls, f"size_{axis}", integer=True, nonnegative=True)
        symbol.axis = axis
        return symbol

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        """What a copy is made from."""
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
        """An atom that knows its name, role and axes."""
        tensor: Tensor = sp.Atom.__new__(cls)
        tensor.name, tensor.role, tensor.axes = name, role, axes
        tensor.symbol, tensor.label_axis = symbol, label_axis
        return tensor

    def __getnewargs__(self) -> tuple[Any, ...]:
        """What a copy is made from."""
        return (self.name, self.role, self.axes, self.symbol, self.label_axis)

    def _hashable_content(self) -> tuple[Any, ...]:
        # SymPy sorts by this content, and None has no order.
        return (self.name, self.role, self.axes, self.symbol, self.label_axis or "")

    def __getitem__(self, indices: Any) -> sp.Basic:
        """The entry at some indices."""
        given = indices if isinstance(indices, tuple) else (indices,)
        return element(self, *given)

    def __iter__(self) -> Iterator[Any]:
        """Refuses: Python would otherwise index with 0, 1, ... for ever."""
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


def check_indices(tensor: Tensor, indices: tuple[sp.Basic, ...]) -> None:
    """Raises a diagnostic unless a tensor can be indexed by these, one for each axis."""
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
    index, _shift = split_shift(position)
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
    check_indices(tensor, positions)
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
        for fact in [
            "real",
            "extended_real",
            "finite",
            "positive",
            "negative",
            "zero",
            "nonzero",
            "nonnegative",
            "nonpositive",
            "integer",
            "extended_positive",
            "extended_negative",
            "extended_nonnegative",
            "extended_nonpositive",
            "rational",
            "irrational",
            "even",
            "odd",
        ]
    },
)


# `_Assumptions` is made by `type`, one property per assumption: mypy cannot follow that.
class Element(_Assumptions, sp.Expr):  # type: ignore[valid-type,misc]
    """A real entry of a tensor; its assumptions are those of the tensor's domain."""

    is_commutative = True
    # SymPy takes what has `__getitem__` for a sequence.
    _iterable = False

    def __new__(cls, tensor: Tensor, *indices: sp.Basic) -> Element:
        """The entry; `element` has checked the indices."""
        entry: Element = sp.Expr.__new__(cls, tensor, *indices)
        return entry

    @property
    def tensor(self) -> Tensor:
        """The tensor that this is an entry of."""
        tensor: Tensor = self.args[0]
        return tensor

    @property
    def indices(self) -> tuple[sp.Basic, ...]:
        """Where the entry is, one index per axis."""
        return tuple(self.args[1:])

    def __getitem__(self, indices: Any) -> sp.Basic:
        """Refuses: an entry has all its indices already."""
        given = indices if isinstance(indices, tuple) else (indices,)
        check_indices(self.tensor, tuple(sp.sympify(i) for i in (*self.indices, *given)))
        raise AssertionError("an element has all its indices")

    def _sympystr(self, printer: Any) -> str:
        if not self.indices:
            return self.tensor.name
        return f"{self.tensor.name}[{', '.join(printer._print(i) for i in self.indices)}]"

    def _latex(self, printer: Any) -> str:
        name: str = printer._print(sp.Symbol(self.tensor.name))
        if not self.indices:
            return name
        return f"{name}_{{{','.join(printer._print(i) for i in self.indices)}}}"

    def _eval_derivative(self, symbol: Any) -> sp.Expr:
        return sp.S.Zero


class MaskElement(Boolean):
    """A truth value: one entry of a mask."""

    def __new__(cls, tensor: Tensor, *indices: sp.Basic) -> MaskElement:
        """The entry; `element` has checked the indices."""
        entry: MaskElement = Boolean.__new__(cls, tensor, *indices)
        return entry

    @property
    def tensor(self) -> Tensor:
        """The mask that this is an entry of."""
        tensor: Tensor = self.args[0]
        return tensor

    @property
    def indices(self) -> tuple[sp.Basic, ...]:
        """Where the entry is, one index per axis."""
        return tuple(self.args[1:])

    def _no_number(self, *_: Any) -> Any:
        raise not_a_number(self)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _no_number
    __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __neg__ = __abs__ = _no_number

    _sympystr = Element._sympystr
    _latex = Element._latex


def not_a_number(condition: sp.Basic) -> SpecError:
    """The diagnostic for a condition in the place of a number."""
    return SpecError(
        "LC112",
        f"`{condition}` is a condition, and a number is needed here",
        help="indicator(condition) is 1 where it holds and 0 elsewhere",
    )
