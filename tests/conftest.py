"""Fixtures of more than one test file."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from losscompiler.build import build
from tests.backends import BACKENDS, Backend, Check, checker, entered
from tests.contract_specs import PACKAGE, SPECS, write

SLOWEST = (
    "test_cross_validation",
    "test_torch_compiled",
    "test_jax_features",
    "test_tensorflow_features",
    "test_jax_support",
    "test_house",
    "test_torch_features",
    "test_catalogue_equality",
)
"""Files that take long: they start first, so that no process has one left when others are idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders files by the time that they take."""
    items.sort(key=lambda item: SLOWEST.index(item.path.stem) if item.path.stem in SLOWEST else 99)


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each backend in turn, able to hold float64."""
    with entered(request.param) as found:
        yield found


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The package of the losses of `tests.contract_specs`, compiled once for all backends."""
    root = tmp_path_factory.mktemp("contract")
    result = build(write(root, SPECS))
    assert [d for d in result.diagnostics if d.severity != "note"] == []
    sys.path.insert(0, str(root))
    yield PACKAGE
    sys.path.remove(str(root))


@pytest.fixture
def check(backend: Backend, small: str) -> Check:
    """Compares a loss of `small` with numbers."""
    return checker(backend, small)
