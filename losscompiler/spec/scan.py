"""`scan`: a recurrence over an axis, its step written as a formula."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec.conditions import is_condition
from losscompiler.spec.expressions import Index, not_a_number
from losscompiler.spec.recurrence import Carry, finding_axes, recurrence
from losscompiler.spec.substitute import free_indices
from losscompiler.spec.tensors import Tensor

_running: ContextVar[tuple[Index, ...]] = ContextVar("running", default=())


def scan(
    step: Callable[[Any, Any], Any], xs: Any, k: Any, *, init: Any, reverse: bool = False
) -> Any:
    """A recurrence over the axis of the index `k`: `carry = step(carry, x)`, from first to last.

    `init` is the carry before the first step. It and `xs` are formulas or tuples of them; what the
    step returns has the form of `init`. `xs` is handed to the step as it is: there, `k` is the
    current position. A carry varies over the free indices of `init` and of the step, and
    `carry[s - 1]` is its entry at another place. With `reverse` the recurrence runs from the last
    position to the first.

    Returns:
        The carry after the step at position `k`, in the form of `init`.
    """
    if not isinstance(k, Index):
        raise SpecError(
            "LC114",
            f"`{k}` is not an index",
            help='run over an index that index("axis", "name") returns',
        )
    inits = _formulas(init)
    for formula in inits:
        if k in free_indices(formula):
            raise SpecError(
                "LC132",
                f"the initial value `{formula}` depends on `{k}`, the index of the recurrence",
                help="it is the carry before the first step; what changes from step to step "
                "belongs into `xs`",
            )
    own = [_sorted(free_indices(formula) - {k, *_running.get()}) for formula in inits]
    grown: list[list[Index]] = []
    while grown != own:
        own = grown or own
        with _inside(k, finding=True):
            _, steps = _stepped(step, xs, k, own, init)
        around = {k, *_running.get()}
        grown = [
            _sorted({*known, *free_indices(formula)} - around)
            for known, formula in zip(own, steps, strict=True)
        ]
    with _inside(k):
        carries, steps = _stepped(step, xs, k, own, init)
    bound = _sorted({i for indices in own for i in indices})
    results = recurrence(steps, (k, *bound), inits, carries, reverse)
    return tuple(results) if isinstance(init, tuple | list) else results[0]


def _stepped(
    step: Callable[[Any, Any], Any], xs: Any, k: Index, own: Sequence[Sequence[Index]], init: Any
) -> tuple[list[Carry], list[sp.Expr]]:
    """Former carries that vary over the indices `own`, and what the step makes of them."""
    carries = [_carry(n, k, indices) for n, indices in enumerate(own)]
    returned = step(tuple(carries) if isinstance(init, tuple | list) else carries[0], xs)
    return carries, _returned(returned, init)


def _carry(number: int, k: Index, own: Sequence[Index]) -> Carry:
    axes = tuple(i.axis for i in (k, *own))
    return Carry(Tensor(f"carry_{number}", "carry", axes, sp.Symbol("carry", real=True)), k, *own)


@contextmanager
def _inside(k: Index, *, finding: bool = False) -> Iterator[None]:
    """A recurrence inside the step has the index of this one fixed."""
    running = _running.set((*_running.get(), k))
    found = finding_axes.set(finding_axes.get() or finding)
    try:
        yield
    finally:
        finding_axes.reset(found)
        _running.reset(running)


def _sorted(indices: set[Index]) -> list[Index]:
    return sorted(indices, key=lambda i: (i.axis, i.name))


def _formulas(given: Any) -> list[sp.Expr]:
    """The formulas of one or of a tuple."""
    found = [sp.sympify(e) for e in (given if isinstance(given, tuple | list) else (given,))]
    for e in found:
        if is_condition(e):
            raise not_a_number(e)
        if isinstance(e, Tensor):
            e._no_arithmetic()
    return found


def _returned(returned: Any, init: Any) -> list[sp.Expr]:
    """What a step returned, if it has the form of the initial value."""
    wanted = len(init) if isinstance(init, tuple | list) else None
    found = len(returned) if isinstance(returned, tuple | list) else None
    if returned is None or wanted != found:
        raise SpecError(
            "LC132",
            f"the step returns {_counted(returned, found)}, and `init` is {_counted(init, wanted)}",
            help="a step returns the next carries, as many as `init` has and in the same order",
        )
    return _formulas(returned)


def _counted(given: Any, count: int | None) -> str:
    if given is None:
        return "nothing"
    return "one formula" if count is None else f"a tuple of {count}"
