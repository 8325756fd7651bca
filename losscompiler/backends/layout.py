"""Python text laid out as the formatter would: on one line if it fits, else one part per line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 100


@dataclass(frozen=True)
class Group:
    """Brackets around parts: a call, a tuple or a dict; `one` marks a tuple of a single part."""

    opening: str
    parts: tuple[Part, ...]
    closing: str = ")"
    one: bool = False


Part: TypeAlias = "str | Group | tuple[str, Group]"


def call(function: str, *parts: Part) -> Group:
    """A function call."""
    return Group(f"{function}(", parts)


def row(*parts: Part) -> Group:
    """A tuple."""
    return Group("(", parts, one=len(parts) == 1)


def flat(part: Part) -> str:
    """A part on one line."""
    if isinstance(part, str):
        return part
    if isinstance(part, tuple):
        return part[0] + flat(part[1])
    inside = ", ".join(flat(p) for p in part.parts)
    return part.opening + inside + ("," if part.one else "") + part.closing


def block(part: Part, indent: int = 0, prefix: str = "", suffix: str = "") -> tuple[str, ...]:
    """A part on as many lines as it needs, behind a prefix such as `return `."""
    if isinstance(part, tuple):
        return block(part[1], indent, prefix + part[0], suffix)
    line = " " * indent + prefix + flat(part) + suffix
    if isinstance(part, str) or not part.parts or len(line) <= WIDTH:
        return (line,)
    found = [" " * indent + prefix + part.opening]
    for inner in part.parts:
        found += block(inner, indent + 4, suffix=",")
    return (*found, " " * indent + part.closing + suffix)


def names(opening: str, parts: Sequence[str], closing: str) -> tuple[str, ...]:
    """A list of names, one per line if there are several."""
    inside = Group(opening, tuple(parts), closing)
    return block(inside) if parts else (f"{opening}{closing}",)
