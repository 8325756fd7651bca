"""What is decided about kinks from numbers: many points, in two precisions."""

from __future__ import annotations

from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp

from losscompiler.analysis import arrays, evaluate
from losscompiler.backends import kernel_views
from losscompiler.ir.operators import Magnitude, Maximum, Minimum, Sign
from losscompiler.passes import compile_loss
from losscompiler.passes.samples import DoubtfulError, Sides, alike
from losscompiler.spec.expressions import Piecewise
from losscompiler.spec.loader import load_file

X, Y = sp.symbols("x y", real=True)
EXPRESSIONS = [head(X) for head in arrays.FUNCTIONS if getattr(head, "nargs", None) == {1}] + [
    X + 2 * Y,
    X * Y,
    (1 + X**2) ** Y,
    Maximum(X, Y) - Minimum(X, 2 * Y),
    Sign(X - Y) * Magnitude(Y),
    Piecewise((sp.log(X), (X > 0) & (Y > 0)), (X**2, X < Y), (sp.oo, sp.true)),
    sp.erf(X) + sp.pi * Y,
]


@pytest.mark.parametrize("e", EXPRESSIONS, ids=str)
def test_arrays_of_numbers_are_those_of_one_point_after_the_other(e: sp.Expr) -> None:
    points = {X: np.array([-0.75, 0.25, 0.5, 2.0]), Y: np.array([0.5, 0.25, 0.75, -1.0])}
    found = np.broadcast_to(arrays.values(e, points), 4)
    for n in range(4):
        try:
            one = evaluate.evaluate(e, {s: mpmath.mpf(float(a[n])) for s, a in points.items()})
        except evaluate.UndefinedError:
            assert not np.isfinite(found[n])
        else:
            np.testing.assert_allclose(found[n], float(one), rtol=1e-14)


def test_differences_that_rounding_may_explain_are_left_to_more_digits() -> None:
    sides = Sides({}, {}, {}, same=1e-10, doubt=1e-5)
    one = np.ones(3)
    assert alike(sides, one, one + 1e-12)
    assert not alike(sides, one, one + np.array([0, 1e-3, 0]))
    with pytest.raises(DoubtfulError):
        alike(sides, one, one + np.array([0, 1e-7, 0]))


def test_kinks_inside_kinks_are_short_to_read() -> None:
    file = load_file(Path("specs/detection.py"), Path("specs"))
    (ciou,) = (loss for loss in file.losses if loss.name == "ciou")
    (kernels,) = kernel_views("numpy", compile_loss(ciou)).values()
    assert max(len(kernel.lines) for kernel in kernels) < 250
