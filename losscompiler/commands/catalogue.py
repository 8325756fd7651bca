"""Many losses at a glance: for a terminal, and as a page of documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from losscompiler.commands.answer import count, table

Losses = Sequence[Mapping[str, Any]]
"""Facts about losses, sorted by `family`."""


def listing(losses: Losses, width: int | None = None) -> str:
    """Names, signatures and summaries by family, cut off at a width."""
    rows = [(f"  {loss['name']}", loss["signature"], _summary(loss)) for loss in losses]
    lines = iter(table(rows).splitlines())
    parts: list[str] = []
    for family, same in _by_family(losses):
        parts += [f"{family} ({len(same)})", *(_cut(next(lines), width) for _ in same), ""]
    return "\n".join(parts).rstrip()


def counts(losses: Losses) -> str:
    """The families and how many losses each has."""
    numbers = Counter(loss["family"] for loss in losses)
    return table((family, str(number)) for family, number in numbers.items())


def page(losses: Losses) -> str:
    """A page in Markdown: one table per family."""
    families = len({loss["family"] for loss in losses})
    told = f"{count(len(losses), 'loss', 'losses')} in {count(families, 'family', 'families')}."
    head = (
        f"# The catalogue\n\n{told} `losscompiler show NAME` tells more about one.\n\n"
        "`losscompiler list --format markdown` prints this page.\n"
    )
    return "\n".join([head, *(_section(family, same) for family, same in _by_family(losses))])


def _section(family: str, losses: Iterable[Mapping[str, Any]]) -> str:
    rows = [("loss", "also called", "signature", "what it is"), ("---",) * 4]
    rows += [
        (
            f"`{loss['name']}`",
            ", ".join(f"`{alias}`" for alias in loss["aliases"]),
            f"`{loss['signature']}`",
            _summary(loss).replace("|", r"\|"),
        )
        for loss in losses
    ]
    lines = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    return f"## {family}\n\n{lines}"


def _by_family(losses: Losses) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for family, same in groupby(losses, key=lambda loss: str(loss["family"])):
        yield family, list(same)


def _summary(loss: Mapping[str, Any]) -> str:
    if loss["deprecated"]:
        return f"Deprecated: {loss['deprecated']}. {loss['summary']}"
    return str(loss["summary"])


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else f"{line[: width - 1]}…"
