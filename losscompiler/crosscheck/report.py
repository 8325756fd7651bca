"""Verdicts as a table for people and as rows for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from losscompiler.crosscheck.judge import Report

COLUMNS = ("value", "gradient", "hvp", "hessian_diagonal", "autodiff")
_TITLES = ("value", "gradient", "hvp", "hessian", "autodiff")


def rows(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """Plain data: one row per loss, backend and dtype."""
    return [
        {
            "loss": r.loss,
            "backend": r.backend,
            "dtype": r.dtype,
            "ok": r.ok,
            "cases": r.cases,
            "nonfinite": sum(m.nonfinite for m in r.measures.values()),
            "errors": {
                quantity: {
                    "ulp": _number(m.ulp),
                    "conditioned_ulp": _number(m.conditioned),
                    "nonfinite": m.nonfinite,
                    "entries": m.compared,
                }
                for quantity, m in r.measures.items()
            },
            "failures": list(r.failures),
            "inaccuracies": list(r.inaccuracies),
        }
        for r in reports
    ]


def _number(error: float) -> float | None:
    """JSON has no infinity."""
    return float(error) if math.isfinite(error) else None


def table(reports: Sequence[Report], missing: Sequence[str] = ()) -> Group:
    """A table per loss, with a last line that counts.

    A cell is the largest error in ULP and, if that differs, in conditioned ULP.
    """
    parts: list[Any] = []
    for name in dict.fromkeys(r.loss for r in reports):
        parts += _loss_table(name, [r for r in reports if r.loss == name])
    good = sum(r.ok for r in reports)
    verdict = "PASS" if good == len(reports) else "FAIL"
    ending = f"{verdict} {good} of {len(reports)}"
    if missing:
        ending += f" (not installed: {', '.join(missing)}; --require makes that an error)"
    parts.append(Text(ending, style="bold green" if good == len(reports) else "bold red"))
    return Group(*parts)


def _loss_table(name: str, reports: Sequence[Report]) -> list[Any]:
    cases = max(r.cases for r in reports)
    title = Text.assemble((name, "bold"), f"  {cases} calls against arbitrary precision;"
                          " largest error in ULP (conditioned)")  # fmt: skip
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 1))
    grid.add_column("")
    grid.add_column("")
    for heading in _TITLES:
        grid.add_column(heading, justify="right")
    grid.add_column("finite", justify="right")
    grid.add_column("")
    for r in reports:
        lost = sum(m.nonfinite for m in r.measures.values())
        inexact = Text("inaccurate", "yellow") if r.inaccuracies else Text("ok", "green")
        mark = inexact if r.ok else Text("FAIL", "red")
        cells = [_cell(r, quantity) for quantity in COLUMNS]
        grid.add_row(r.backend, r.dtype, *cells, f"-{lost}" if lost else "yes", mark)
    failures = [
        Text(f"  {r.backend} {r.dtype}: {failure}", style="red")
        for r in reports
        for failure in r.failures
    ]
    told = [
        Text(f"  {r.backend} {r.dtype}: {inaccuracy}", style="yellow")
        for r in reports
        for inaccuracy in r.inaccuracies
    ]
    return [title, grid, *failures, *told, Text("")]


def _cell(report: Report, quantity: str) -> str:
    if quantity not in report.measures:
        return "-"
    m = report.measures[quantity]
    if m.ulp < 1.5 * max(m.conditioned, 1.0):
        return f"{m.ulp:.3g}"
    return f"{m.ulp:.3g} ({m.conditioned:.2g})"
