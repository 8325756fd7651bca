"""What workers share: started from a process that has compiled a loss, they need not learn again.

Templates, the names that run-time files define, facts about common domains, SymPy's own tables: a
forked worker inherits all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from losscompiler.backends import obstacle, render_module
from losscompiler.passes import compile_loss
from losscompiler.spec import Label, Max, Param, Prediction, Sum, Target, exp, index, log, loss


def elementwise(
    prediction: Any = Prediction(),
    target: Any = Target(interval=(0, 1)),
    *,
    delta: Any = Param(1, positive=True),
) -> Any:
    """A loss of one entry."""
    return Max(prediction - target, 0) ** 2 / delta - target * log(1 + exp(prediction))


def categorical(
    logits: Any = Prediction("class"),
    label: Any = Label("class"),
    *,
    scale: Any = Param(1, nonnegative=True),
) -> Any:
    """A loss of one label."""
    k = index("class")
    return scale * (log(Sum(exp(logits[k]), k)) - logits[label])


def warm_up(*, targets: Sequence[str]) -> None:
    """Compiles and renders two small losses, and forgets them."""
    for declared in (elementwise, categorical):
        one = compile_loss(loss(declared))
        for target in targets:
            if not obstacle(target, one.loss):
                render_module(target, [one], "", "specs/warmup.py")
