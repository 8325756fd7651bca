"""All rows: every module of this folder whose name ends in `_rows` has a list `ROWS`."""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.equality.rows import Row

MODULES = tuple(sorted(path.stem for path in Path(__file__).parent.glob("*_rows.py")))
ROWS: tuple[Row, ...] = tuple(
    row for name in MODULES for row in importlib.import_module(f"tests.equality.{name}").ROWS
)
