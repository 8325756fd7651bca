"""Progress on standard error: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from losscompiler.progress import Progress

PATIENCE = 5.0  # seconds without a word, after which a log gets a line


@contextmanager
def shown() -> Iterator[Progress]:
    """Yields what is to be told of progress; what is soon done is not worth a word."""
    if sys.stderr.isatty():
        yield from _bar()
    else:
        yield _Log()


class _Log:
    """A line when work has gone on for a while since the last, later if nothing has changed."""

    def __init__(self) -> None:
        self.spoken = time.monotonic()
        self.said = ""

    def __call__(self, doing: str, done: int, total: int) -> None:
        line = f"{doing}: {done} of {total}\n"
        now = time.monotonic()
        if now - self.spoken >= PATIENCE * (12 if line == self.said else 1):
            self.spoken, self.said = now, line
            sys.stderr.write(line)
            sys.stderr.flush()


def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(doing: str, done: int, total: int) -> None:
            bar.update(task, description=doing, completed=done, total=total)

        yield show
