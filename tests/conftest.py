"""Fixtures of more than one test file."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from losscompiler.build import build
from tests.backends import BACKENDS, Backend, Check, checker, entered
from tests.contract_specs import PACKAGE, SPECS, write


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
