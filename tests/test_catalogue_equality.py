"""The catalogue equals the losses of libraries, or their published formulas, where it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.equality import table
from tests.equality.catalogue import ROWS
from tests.equality.compare import BACKENDS, assert_equal
from tests.equality.rows import Row

MANIFEST = json.loads(Path("generated/losses.json").read_text())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_value_and_gradient_equal_the_library(row: Row, backend: str) -> None:
    assert_equal(row, backend)


def test_names_of_rows_are_unique() -> None:
    names = [row.name for row in ROWS]
    assert sorted(set(names)) == sorted(names)


def test_every_loss_equals_something() -> None:
    assert {loss["name"] for loss in MANIFEST["losses"]} - {row.loss for row in ROWS} == set()


def test_every_row_names_the_function_that_it_equals() -> None:
    assert [row.name for row in ROWS if not row.function] == []


def test_the_table_of_libraries_is_up_to_date() -> None:
    assert table.FILE.read_text(encoding="utf-8") == table.text(ROWS), table.__doc__
