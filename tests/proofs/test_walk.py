"""What the analysis evaluates is what the spec says: compared with ball arithmetic."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from losscompiler.analysis.exact import high, low
from losscompiler.analysis.instance import Instance
from losscompiler.analysis.walk import UndefinedError
from losscompiler.crosscheck.attack import Target
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
        values = target.draw(np.random.default_rng(3), tuple(loss.roles))
        expected = float(target.value(values))
        exact: dict[Any, Any] = {}
        sampled: dict[Any, Any] = {}
        for key, value in values.items():
            for at, one in np.ndenumerate(np.asarray(value)):
                fixed = bool(one) if isinstance(one, np.bool_) else int(one)
                whole = loss.roles[key].kind in ("mask", "label")
                exact[key, at] = fixed if whole else Fraction(float(one))
                sampled[key, at] = fixed if whole else np.full(2, float(one))
        assert made.evaluate(sampled) == pytest.approx(expected, rel=1e-6, nan_ok=True)
        try:
            found = made.evaluate(exact, exactly=True)
        except UndefinedError:
            continue
        assert float(low(found)) <= expected * (1 + 1e-12) + 1e-300
        assert float(high(found)) >= expected * (1 - 1e-12) - 1e-300
