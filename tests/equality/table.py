"""`docs/libraries.md`: which library functions each loss equals, and where they differ.

`python -m tests.equality.table` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.equality.catalogue import ROWS
from tests.equality.rows import Row

FILE = Path("docs/libraries.md")
HEAD = """# Losses of libraries

Every loss equals the functions beside it, in value and gradient, once their arguments are mapped as
told; tests compare them in all backends. For a function marked *formula* it is the formula of its
source that is compared, as the library itself is not installed for the tests. Reductions are ours
(see the README) unless told otherwise. The last column says where the function is unlike ours
outside the compared cases, with a number that shows it.

`python -m tests.equality.table` writes this file from the rows of `tests/equality/`.
"""
COLUMNS = ("loss", "equals", "adapter", "where the library differs")


def text(rows: Iterable[Row]) -> str:
    """The page, by family and loss as in the manifest of the generated code."""
    by_loss: dict[str, list[Row]] = {}
    for row in rows:
        by_loss.setdefault(row.loss, []).append(row)
    families: dict[str, list[tuple[str, ...]]] = {}
    for loss in json.loads(Path("generated/losses.json").read_text())["losses"]:
        family = loss["path"].removeprefix("specs/").removesuffix(".py")
        families.setdefault(family, []).extend(lines(loss["name"], by_loss.get(loss["name"], ())))
    parts = [f"## {family}\n\n{_table(cells)}" for family, cells in sorted(families.items())]
    return "\n".join([HEAD, *parts])


def lines(loss: str, rows: Iterable[Row]) -> Iterator[tuple[str, ...]]:
    """The lines of one loss: one per function, whatever the number of rows that test it."""
    functions: dict[str, list[Row]] = {}
    for row in rows:
        functions.setdefault(_shown(row), []).append(row)
    for number, (function, same) in enumerate(functions.items()):
        adapters = "; ".join(dict.fromkeys(row.adapter for row in same if row.adapter))
        differences = "; ".join(dict.fromkeys(row.unlike for row in same if row.unlike))
        yield (f"`{loss}`" if number == 0 else "", function, adapters, differences)


def _shown(row: Row) -> str:
    name = row.function if " " in row.function else f"`{row.function}`"
    return f"{name} *(formula)*" if row.library == "formula" else name


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def _cell(content: str) -> str:
    return content.replace("|", r"\|")


if __name__ == "__main__":
    FILE.write_text(text(ROWS), encoding="utf-8")
