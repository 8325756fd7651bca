"""A loss's derivatives in NumPy against PyTorch's own of a formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from losscompiler.spec import Loss
from tests.compiled import gradient, hessian_diagonal, hvp, value

functional: Any = torch.autograd.functional  # has no types
CLOSE: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-11}


def checked(made: Loss, formula: Callable[..., Any], arrays: dict[str, Any]) -> None:
    """Value, gradient, a Hessian-vector product and the Hessian's diagonal by the first array."""
    first, *others = (torch.tensor(np.asarray(a)).double() for a in arrays.values())

    def total(x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = formula(x, *others).sum()
        return result

    x = first.requires_grad_()
    vector = np.random.default_rng(3).normal(size=x.shape)
    hessian = functional.hessian(total, x).reshape(x.numel(), x.numel())
    (slope,) = torch.autograd.grad(total(x), x)
    product = (hessian @ torch.tensor(vector).ravel()).reshape(x.shape)
    np.testing.assert_allclose(value(made, arrays).sum(), total(x).item(), **CLOSE)
    np.testing.assert_allclose(gradient(made, arrays), slope, **CLOSE)
    np.testing.assert_allclose(hvp(made, arrays, vector), product, **CLOSE)
    diagonal = hessian.diagonal().reshape(x.shape)
    np.testing.assert_allclose(hessian_diagonal(made, arrays), diagonal, **CLOSE)
