"""Random losses agree with arbitrary precision in every quantity, in NumPy and PyTorch.

`LOSSCOMPILER_RANDOM_SPECS=3000 pytest tests/test_random_specs.py` tries other ones each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from losscompiler.diagnostics import SpecError
from tests.random_rounds import Workshop
from tests.random_specs import spec_texts

ALWAYS_TRUE = "LC110"  # a condition that happens to hold, which is refused
BY_HAND = os.environ.get("LOSSCOMPILER_RANDOM_SPECS")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("random"))


@settings(
    max_examples=int(BY_HAND or 200),
    derandomize=not BY_HAND,
    database=None,
    deadline=None,
    phases=[Phase.generate],  # shrinking takes longer than reading
    suppress_health_check=list(HealthCheck),
)
@given(text=spec_texts())
def test_random_losses_are_what_their_formulas_say(workshop: Workshop, text: str) -> None:
    try:
        found = workshop.findings(text)
    except SpecError as error:
        found = [] if error.code == ALWAYS_TRUE else [str(error)]
    assert found == [], text
