"""`@loss`: turns a function into a traced formula that can be compiled and composed."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, overload

import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec.broken import Broken
from losscompiler.spec.claims import Claimed, check_claims
from losscompiler.spec.conditions import is_condition
from losscompiler.spec.expressions import (
    Element,
    Index,
    MaskElement,
    Size,
    Tensor,
    not_a_number,
)
from losscompiler.spec.names import NO_OTHERS, Names, check_names
from losscompiler.spec.roles import Role
from losscompiler.spec.substitute import Substitution, free_indices

RESERVED = frozenset(
    {
        "weight", "mask", "reduction", "normalizer", "ignore_index", "class_weight", "axis",
        "batch_axes", "vector",
    }
)  # fmt: skip
# Class forms keep parameters as attributes, beside those of Keras losses and of PyTorch modules.
ATTRIBUTES = frozenset(
    {
        "name", "dtype", "call", "get_config", "from_config", "per_sample", "forward", "training",
        "extra_repr", "apply", "bfloat16", "buffers", "children", "compile", "cpu", "cuda",
        "double", "eval", "float", "half", "modules", "parameters", "state_dict", "to", "train",
        "type",
    }
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Loss:
    """A traced loss: its inputs in the author's order, and its formula per unreduced entry.

    `roles` maps input names to roles (parameters included); `expression` is over their tensors;
    `variants` holds, for each set of omitted optional inputs, the formula without them.
    """

    name: str
    doc: str
    roles: dict[str, Role]
    expression: sp.Expr
    variants: dict[frozenset[str], sp.Expr]
    path: str
    line: int
    names: Names = NO_OTHERS
    claims: tuple[Claimed, ...] = ()

    @property
    def inputs(self) -> dict[str, Role]:
        """The arrays."""
        return {n: r for n, r in self.roles.items() if r.kind != "param"}

    @property
    def params(self) -> dict[str, Role]:
        """The hyperparameters, learnable ones included."""
        return {n: r for n, r in self.roles.items() if r.kind == "param"}

    @property
    def differentiated(self) -> tuple[str, ...]:
        """Inputs with a gradient: predictions in order, then learnable parameters."""
        return tuple(n for n, r in self.roles.items() if r.differentiated and n in self.inputs) + (
            tuple(n for n, r in self.params.items() if r.learnable)
        )

    @property
    def axis_order(self) -> tuple[str, ...]:
        """The core axes in the order in which the signature first names them."""
        axes: dict[str, None] = {}
        for role in self.roles.values():
            for axis in role.axes:
                axes.setdefault(axis.removeprefix("*"))
        return tuple(axes)

    @property
    def free_indices(self) -> tuple[Index, ...]:
        """The core axes of the unreduced loss."""
        order = self.axis_order
        return tuple(
            sorted(free_indices(self.expression), key=lambda i: (order.index(i.axis), i.name))
        )

    @property
    def signature(self) -> str:
        """As a NumPy generalised ufunc: `(class),(class)->()`."""
        inside = ",".join(f"({','.join(role.axes)})" for role in self.inputs.values())
        return f"{inside}->({','.join(i.axis for i in self.free_indices)})"

    def __call__(self, *args: Any, **kwargs: Any) -> sp.Expr:
        """The formula for other inputs: tensors, expressions or numbers."""
        given = _bind(self, args, kwargs)
        tensors: dict[Tensor, Any] = {}
        axes: dict[str, str] = {}
        absent = frozenset(n for n, value in given.items() if value is None)
        if absent and absent not in self.variants:
            raise SpecError(
                "LC120", f"{self.name}() needs {', '.join(sorted(absent))}: not optional"
            )
        for name, value in given.items():
            if value is None:
                continue
            own = self.roles[name].tensor(name)
            tensors[own] = _replacement(own, value, axes)
        return Substitution(tensors, axes)(self.variants[absent] if absent else self.expression)


def _replacement(own: Tensor, value: Any, axes: dict[str, str]) -> Any:
    if isinstance(value, Element) and not value.indices and not own.axes:
        value = value.tensor
    if not isinstance(value, Tensor):
        return _entry(own, exact(sp.sympify(value)))
    if (value.role == "mask") != (own.role == "mask"):
        raise _wrong_kind(own, value)
    if len(value.axes) != len(own.axes):
        raise SpecError(
            "LC119",
            f"`{value.name}` has the axes ({', '.join(value.axes)}), where `{own.name}` has "
            f"({', '.join(own.axes)})",
            help="index it down to the axes that are wanted",
        )
    for mine, theirs in zip(own.axes, value.axes, strict=True):
        renamed = axes.setdefault(mine.removeprefix("*"), theirs.removeprefix("*"))
        if renamed != theirs.removeprefix("*"):
            raise SpecError(
                "LC108",
                f"axis `{mine}` stands for `{renamed}` and for `{theirs}` in one call",
                help="give both axes one name: they must have one size",
            )
    return value


def _entry(own: Tensor, value: sp.Basic) -> sp.Basic:
    """An expression in the place of an input: a condition for a mask, else a number."""
    if is_condition(value) != (own.role == "mask"):
        raise _wrong_kind(own, value)
    return value


def _wrong_kind(own: Tensor, value: sp.Basic) -> SpecError:
    if own.role != "mask":
        return not_a_number(value)
    return SpecError(
        "LC112",
        f"`{own.name}` is a mask, and `{value}` is not a condition",
        help=f"compare it with something, such as Ne({value}, 0)",
    )


def _bind(spec: Loss, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    names = list(spec.inputs)
    if len(args) > len(names):
        raise SpecError("LC120", f"{spec.name}() takes {len(names)} inputs, not {len(args)}")
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in spec.roles or name in given:
            raise SpecError(
                "LC120",
                f"{spec.name}() has no input `{name}` left",
                help=f"its inputs are {', '.join(spec.roles)}",
            )
        given[name] = value
    for name, role in spec.roles.items():
        if name in given:
            continue
        if role.default is None and not role.optional:
            raise SpecError("LC120", f"{spec.name}() needs `{name}`")
        given[name] = role.default
    return given


def exact(e: sp.Basic) -> sp.Basic:
    """Floats as the decimals that were written: 0.1 becomes 1/10."""
    floats = {f: sp.Rational(str(f)) for f in e.atoms(sp.Float)}
    return e.xreplace(floats) if floats else e


Trace = Callable[[Callable[..., Any]], Loss]
_declare: ContextVar[Callable[[Callable[..., Any], Trace], Any]] = ContextVar("declare")


@contextmanager
def declaring(declare: Callable[[Callable[..., Any], Trace], Any]) -> Iterator[None]:
    """While this holds, `declare(function, trace)` decides what a decorated function becomes.

    The loader collects losses and mistakes through it; without it a mistake is an exception.
    """
    token = _declare.set(declare)
    try:
        yield
    finally:
        _declare.reset(token)


@overload
def loss(function: Callable[..., Any], /) -> Loss: ...
@overload
def loss(
    *,
    aliases: tuple[str, ...] = (),
    former: tuple[str, ...] = (),
    deprecated: str = "",
    claims: Sequence[Claimed] = (),
) -> Callable[[Callable[..., Any]], Loss]: ...
def loss(
    function: Callable[..., Any] | None = None,
    /,
    *,
    aliases: tuple[str, ...] = (),
    former: tuple[str, ...] = (),
    deprecated: str = "",
    claims: Sequence[Claimed] = (),
) -> Any:
    """Declares a loss; the function's parameters are its inputs, its result the formula.

    Args:
        function: The function, where `@loss` is written without parentheses.
        aliases: Other names of the loss, under which all its generated code is found, too.
        former: Names that the loss had before: they still work, and warn.
        deprecated: What to use in its place; the loss still works, and warns.
        claims: Properties of `losscompiler.spec.claims` that the loss is to have.
    """
    read = partial(trace, names=Names(aliases, former, deprecated), claims=tuple(claims))

    def declared(function: Callable[..., Any]) -> Any:
        declare = _declare.get(None)
        return declare(function, read) if declare else read(function)

    return declared if function is None else declared(function)


def trace(
    function: Callable[..., Any], names: Names = NO_OTHERS, claims: tuple[Claimed, ...] = ()
) -> Loss:
    """Calls a spec function with symbolic inputs, and keeps what it returns."""
    name = function.__name__
    check_names(name, names)
    check_claims(name, claims)
    roles = _roles(name, function)
    optional = [n for n, role in roles.items() if role.optional]
    variants = {
        absent: _trace(name, function, roles, absent)
        for absent in map(frozenset, _subsets(optional))
        if absent
    }
    return Loss(
        name=name,
        doc=inspect.cleandoc(function.__doc__ or ""),
        roles=roles,
        expression=_trace(name, function, roles, frozenset()),
        variants=variants,
        path=function.__code__.co_filename,
        line=function.__code__.co_firstlineno,
        names=names,
        claims=claims,
    )


def _subsets(names: list[str]) -> list[tuple[str, ...]]:
    subsets: list[tuple[str, ...]] = [()]
    for name in names:
        subsets += [(*subset, name) for subset in subsets]
    return subsets


def _roles(name: str, function: Callable[..., Any]) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    for parameter in inspect.signature(function).parameters.values():
        role = parameter.default
        if parameter.name in RESERVED or keyword.iskeyword(parameter.name):
            raise SpecError(
                "LC101",
                f"`{parameter.name}` is reserved for an option of the generated functions",
                help=f"call the input something else, such as `{parameter.name}s`",
                about=parameter.name,
            )
        if isinstance(role, Broken):
            role.refuse()
        is_param = isinstance(role, Role) and role.kind == "param"
        if parameter.name == "self" or (is_param and parameter.name in ATTRIBUTES):
            raise SpecError(
                "LC101",
                f"`{parameter.name}` is an attribute of the class forms of a loss",
                help=f"call the parameter something else, such as `{name}_{parameter.name}`",
                about=parameter.name,
            )
        if not isinstance(role, Role):
            raise SpecError(
                "LC102",
                f"`{parameter.name}` of `{name}` does not say what it is",
                help=f"write {parameter.name}=Prediction(), Target(), Mask(), Label() or Param()",
                about=parameter.name,
            )
        if role.kind == "param" and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise SpecError(
                "LC102",
                f"parameter `{parameter.name}` of `{name}` must be keyword-only",
                help="put a bare * before the first Param",
                about=parameter.name,
            )
        roles[parameter.name] = role
    if not any(role.kind == "prediction" for role in roles.values()):
        raise SpecError(
            "LC103",
            f"`{name}` has no prediction, so there is nothing to differentiate by",
            help="declare one input as Prediction()",
        )
    return roles


def _trace(
    name: str, function: Callable[..., Any], roles: dict[str, Role], absent: frozenset[str]
) -> sp.Expr:
    arguments = {n: None if n in absent else r.argument(n) for n, r in roles.items()}
    returned = function(**arguments)
    if returned is None or isinstance(returned, str):
        raise SpecError(
            "LC112",
            f"`{name}` returns {returned!r}, not a formula",
            help="return the formula; a function without `return` gives None",
            about="return",
        )
    expression = exact(sp.sympify(returned))
    check_formula(name, expression)
    _check_axes(expression, [r for n, r in roles.items() if n not in absent])
    return expression


def _check_axes(e: sp.Expr, roles: Sequence[Role]) -> None:
    """Raises a diagnostic if a formula asks for the size of an axis that no input has."""
    axes = dict.fromkeys(axis.removeprefix("*") for role in roles for axis in role.axes)
    for node in sorted(e.atoms(Index, Size), key=str):
        if node.axis not in axes:
            raise SpecError(
                "LC117",
                f"no input has the axis {node.axis!r}, so that nothing tells its size",
                help=f"the axes of the inputs are: {', '.join(axes) or 'none'}",
                about="return",
            )


def check_formula(name: str, e: Any) -> None:
    """Raises a diagnostic if a formula is not one real number per entry."""
    if isinstance(e, Tensor):
        e._no_arithmetic()
    if is_condition(e):
        raise SpecError(
            "LC112",
            f"`{name}` returns a condition, not a number",
            help="indicator(condition) is 1 where it holds and 0 elsewhere",
            about="return",
        )
    if not isinstance(e, sp.Expr):
        raise SpecError(
            "LC112",
            f"`{name}` returns {type(e).__name__}, not a formula",
            help="return one SymPy expression",
            about="return",
        )
    for node in sp.preorder_traversal(e):
        if not isinstance(node, Element | MaskElement):
            for tensor in (a for a in node.args if isinstance(a, Tensor)):
                tensor._no_arithmetic()
    if e.has(sp.I, sp.zoo, sp.nan) or e.is_real is False:
        raise SpecError(
            "LC121",
            f"`{name}` contains a constant that is not a real number",
            help="look for a division by zero, a log of a negative constant or sqrt(-1)",
            about="return",
        )
