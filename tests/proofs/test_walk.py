"""What the analysis evaluates is what the spec says: compared with ball arithmetic."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from losscompiler.analysis.exact import high, low
from losscompiler.analysis.instance import Instance
from losscompiler.analysis.walk import UndefinedError
from losscompiler.crosscheck.proofs.target import Target
from losscompiler.spec import Loss
from losscompiler.spec.loader import load_file

SPECS = Path(__file__).resolve().parents[2] / "specs"
FILES = ("sequence", "ranking_lists", "survival", "segmentation_sets", "alignment", "audio")


def losses(name: str) -> tuple[Loss, ...]:
    return load_file(SPECS / f"{name}.py", SPECS).losses


@pytest.mark.parametrize("name", FILES)
def test_values_agree_with_the_oracle(name: str) -> None:
    for loss in losses(name):
        target = Target(loss, 3)
        made = Instance(loss, loss.expression, tuple(target.sizes.items()))
        points = target.draw(tuple(loss.roles), 2, np.random.default_rng(3), None)
        first = {slot: x[0] if np.ndim(x) else x for slot, x in points.items()}
        expected = float(target.exact(first))
        exact = {
            slot: x if isinstance(x, bool | int) else Fraction(float(x))
            for slot, x in first.items()
        }
        value = np.broadcast_to(made.evaluate(points), 2)[0]
        assert value == pytest.approx(expected, rel=1e-6, nan_ok=True)
        value = np.broadcast_to(target.floats(points), 2)[0]
        assert value == pytest.approx(expected, rel=1e-6, nan_ok=True)
        try:
            found = made.evaluate(exact, exactly=True)
        except UndefinedError:
            continue
        near = 1e-12 * abs(expected) + 1e-300
        assert float(low(found)) <= expected + near
        assert float(high(found)) >= expected - near
