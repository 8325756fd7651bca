"""How long work tells how far it is: only a command decides whether and how to show it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told what is being done, and how much of it is."""

    def __call__(self, doing: str, done: int, total: int) -> None:
        """Of `total` steps, `done` are."""


def silent(doing: str, done: int, total: int) -> None:
    """Tells nobody."""


class Counter:
    """Called for every step that is done, tells how many are."""

    def __init__(self, progress: Progress, doing: str, total: int) -> None:
        """Announces the work, if there is any."""
        self.progress, self.doing, self.done, self.total = progress, doing, 0, total
        if total:
            progress(doing, 0, total)

    def __call__(self, step: object) -> None:
        """Counts one step."""
        self.done += 1
        self.progress(self.doing, self.done, self.total)
