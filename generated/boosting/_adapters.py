"""An objective as CatBoost wants it, and as an evaluation metric of each booster.

Nothing here is frozen: CatBoost writes attributes of its own into what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ._batch import laid_out
from ._options import Array, ArrayLike

if TYPE_CHECKING:
    from ._objective import Objective


@dataclass
class CatBoostObjective:
    """An objective of one raw score per object, for CatBoost's `loss_function`.

    CatBoost maximises: its derivatives are those of minus the loss.
    """

    objective: Objective

    def calc_ders_range(
        self, approxes: Sequence[float], targets: Sequence[float], weights: ArrayLike | None
    ) -> Array:
        """First and second derivative of minus the weighted loss, a row for each object."""
        scores = np.asarray(approxes, np.float64).reshape(-1)
        gradient, curvature = self.objective(np.asarray(targets), scores, weights)
        return -np.stack([gradient, curvature], axis=1)


@dataclass
class CatBoostClasses:
    """An objective of one raw score per class, for CatBoost's `loss_function`."""

    objective: Objective

    def calc_ders_multi(
        self, approx: Sequence[float], target: float, weight: float
    ) -> tuple[list[float], list[list[float]]]:
        """Gradient and Hessian of minus one object's weighted loss."""
        task = self.objective.task
        scores = np.asarray(approx, np.float64).reshape(1, -1)
        batch = laid_out(task, np.atleast_1d(np.asarray(target)), scores, [weight])
        gradient, _ = self.objective(np.atleast_1d(np.asarray(target)), scores, [weight])
        hessian = self.objective.full_hessian(batch.scores[0], batch.truth[0], float(weight))
        return (-gradient[0]).tolist(), (-hessian).tolist()


@dataclass
class Metric:
    """The weighted mean of a loss of raw scores, which is better the smaller it is."""

    objective: Objective
    style: str = "lightgbm"

    def __post_init__(self) -> None:
        """Checks the style."""
        if self.style not in ("lightgbm", "xgboost", "catboost"):
            raise ValueError(
                f"{self.__name__}(): `style` is {self.style!r}, but must be 'lightgbm', 'xgboost' "
                "or 'catboost'"
            )

    @property
    def __name__(self) -> str:
        """The name under which boosters report it."""
        return self.objective.task.name

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None) -> Any:
        """The mean loss, with the name and more as the style asks for it."""
        batch = laid_out(self.objective.task, y_true, y_pred, sample_weight)
        total = float(np.sum(self.objective.loss(batch.truth, batch.scores, batch.weight)))
        mean = total / float(np.sum(batch.weight))
        if hasattr(y_pred, "num_col"):  # an XGBoost DMatrix
            return self.__name__, mean
        return mean if self.style == "xgboost" else (self.__name__, mean, False)

    def is_max_optimal(self) -> bool:
        """CatBoost: whether larger is better."""
        return False

    def evaluate(
        self, approxes: Sequence[Sequence[float]], target: Any, weight: ArrayLike | None
    ) -> tuple[float, float]:
        """CatBoost: sum of the weighted losses and of the weights; `approxes` has a row a class."""
        scores = np.asarray(approxes, np.float64).T
        scores = scores if self.objective.task.classes else scores[:, 0]
        batch = laid_out(self.objective.task, np.asarray(target), scores, weight)
        loss = self.objective.loss(batch.truth, batch.scores, batch.weight)
        return float(np.sum(loss)), float(np.sum(batch.weight))

    def get_final_error(self, error: float, weight: float) -> float:
        """CatBoost: the mean from the two sums."""
        return error / weight if weight else 0.0
