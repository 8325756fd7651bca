"""Losses to test the spec language with, and a way to declare one in a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy as sp

from losscompiler.diagnostics import SpecError
from losscompiler.spec import (
    Loss,
    Mask,
    Param,
    Prediction,
    Sum,
    Target,
    exp,
    index,
    log,
    loss,
    where,
)
from losscompiler.spec.expressions import Element


def declare(body: Callable[..., Any], **roles: Any) -> Loss:
    """A loss called `some` with the given inputs; `body` gets them by name."""
    settings = {name for name, role in roles.items() if getattr(role, "kind", "") == "param"}
    given = ", ".join(f"{name}=roles[{name!r}]" for name in roles if name not in settings)
    named = ", ".join(f"{name}=roles[{name!r}]" for name in roles if name in settings)
    passed = ", ".join(f"{name}={name}" for name in roles)
    signature = ", ".join(part for part in (given, named and f"*, {named}") if part)
    namespace: dict[str, Any] = {"roles": roles, "body": body}
    exec(f"def some({signature}):\n    return body({passed})", namespace)
    return loss(namespace["some"])


def code(body: Callable[..., Any], **roles: Any) -> str:
    with pytest.raises(SpecError) as caught:
        declare(body, **roles)
    return caught.value.code


def made_element(made: Loss, name: str, *indices: Any) -> Any:
    return Element(made.roles[name].tensor(name), *map(sp.sympify, indices))


X, Y = Prediction(), Target()


@loss
def square(
    prediction: Any = Prediction(),
    target: Any = Target(),
    *,
    scale: Any = Param(2, positive=True),
) -> Any:
    return scale * (prediction - target) ** 2


@loss
def cross_entropy(
    logits: Any = Prediction("class"), target: Any = Target("class", interval=(0, 1))
) -> Any:
    c, k = index("class", "c k")
    return Sum(target[c] * (log(Sum(exp(logits[k]), k)) - logits[c]), c)


@loss
def kept(x: Any = Prediction(), m: Any = Mask()) -> Any:
    return where(m, x, 0)


@loss
def weighted_sum(x: Any = Prediction("class"), factor: Any = Prediction()) -> Any:
    k = index("class", "k")
    return Sum(factor * x[k], k)
