"""Fixtures of more than one test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends import BACKENDS, Backend, entered


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Each backend in turn, able to hold float64."""
    with entered(request.param) as found:
        yield found
