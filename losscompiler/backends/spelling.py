"""What a backend's table says: how each operation of the graph is spelled in its framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy as sp

Function = Callable[..., str]


@dataclass(frozen=True)
class Spelling:
    """One backend's spelling of every operation; a test asserts that the tables are complete.

    `functions` maps scalar operators to a function of finished argument strings; `reductions`
    the kinds of `Reduce` to a function of (array, axis numbers); the rest are tensor operations.
    `moveaxis(x, now, then)` takes axis numbers from the end, `cast(x, like)` gives an array the
    dtype of another, `full(n, like)` makes one of a number, and `size(x, axis, like)` is the number
    of entries of an axis, beside arrays with the dtype of like.
    """

    functions: Mapping[type[sp.Basic], Function]
    reductions: Mapping[str, Function]
    where: Function
    einsum: Function
    moveaxis: Function
    matmul: Function
    swap_last_two: Function
    cast: Function
    full: Function
    size: Function
    reserved: frozenset[str]


def call(name: str) -> Function:
    """Spells an operation as a function call."""
    return lambda *arguments: f"{name}({', '.join(map(str, arguments))})"


def chained(name: str) -> Function:
    """Spells an operation of any number of operands by a function of two."""

    def spell(first: str, *rest: str) -> str:
        return f"{name}({first}, {spell(*rest)})" if rest else first

    return spell


def plain_size(x: str, axis: int, like: str) -> str:
    """Spells a size that is a Python number, whatever it stands beside."""
    return f"fn.size({x}, {axis})"


def is_number(argument: str) -> bool:
    """Whether a finished argument is a Python number."""
    try:
        float(argument)
    except ValueError:
        return False
    return True


def axis_argument(numbers: tuple[int, ...]) -> str:
    """Axis numbers as an argument: a bare number if it is one."""
    return str(numbers[0]) if len(numbers) == 1 else f"({', '.join(map(str, numbers))})"


def reduction(name: str, keyword: str = "axis", initial: str = "") -> Function:
    """Spells a reduction over axis numbers; `initial` is the result where there are no entries."""
    more = f", initial={initial}" if initial else ""
    return lambda array, numbers: f"{name}({array}, {keyword}={axis_argument(numbers)}{more})"
