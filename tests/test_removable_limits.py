"""Losses with a shape parameter, at and near the values where their formula is 0 / 0."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from generated import numpy as losses

mp = mpmath.mp
ALPHAS = (2.0, 2 + 1e-9, 2 - 1e-9, 0.0, 1e-9, -1e-9, 1.0, -2.0, 5.0, 1e15, -1e15)
RESIDUALS = (0.0, 1e-8, 0.3, -1.7, 6.0)


def barron(r: Any, alpha: Any) -> Any:
    """Barron's definition (2019, equation 8) in many digits, his limits included."""
    z = r**2
    if alpha == 2:
        return z / 2
    if alpha == 0:
        return mp.log1p(z / 2)
    b = abs(alpha - 2)
    return b / alpha * ((z / b + 1) ** (alpha / 2) - 1)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_barrons_loss_by_the_residual(alpha: float) -> None:
    r = np.array(RESIDUALS)
    options: dict[str, Any] = {"alpha": alpha, "c": 1.0, "reduction": "none"}
    value, (slope, _) = losses.barron_general_value_and_grad(r, np.zeros(5), **options)
    curvature, _ = losses.barron_general_hessian_diagonal(r, np.zeros(5), **options)
    with mp.workdps(400), np.errstate(all="ignore"):
        for k, exact in enumerate(map(mp.mpf, RESIDUALS)):
            at: Any = lambda x: barron(x, mp.mpf(alpha))  # noqa: E731
            if alpha > 1e9 and abs(exact) > 1:
                continue  # exp(r**2 / 2) as a power of 1e15: not conditioned
            step = mp.mpf(10) ** -100
            wanted = at(exact)
            first = (at(exact + step) - at(exact - step)) / (2 * step)
            second = (at(exact + step) - 2 * wanted + at(exact - step)) / step**2
            np.testing.assert_allclose(value[k], float(wanted), rtol=1e-14)
            np.testing.assert_allclose(slope[k], float(first), rtol=1e-13, atol=1e-90)
            np.testing.assert_allclose(curvature[k], float(second), rtol=1e-12)


@pytest.mark.parametrize("power", [1.0, 2.0, 1 + 1e-12, 2 - 1e-12, 0.0, 1.5, 3.0])
def test_tweedies_deviance_is_smooth_in_the_power(power: float) -> None:
    """The limits are those of Poisson and gamma, up to what the target fixes."""
    z, y = np.array([-1.3, 0.0, 0.7, 3.0]), np.array([0.0, 1.0, 2.5, 4.0])
    value, slope = losses.tweedie_deviance_value_and_grad(z, y, power=power, reduction="none")
    np.testing.assert_allclose(slope, np.exp((2 - power) * z) - y * np.exp((1 - power) * z))
    near = {1.0: np.exp(z) - 1 - y * z, 2.0: z + y * (np.exp(-z) - 1)}
    for limit, expected in near.items():
        if abs(power - limit) < 1e-9:
            np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-15)
