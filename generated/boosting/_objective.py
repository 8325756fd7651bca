"""The class that every objective extends: what boosters call, on the kernels of one loss."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from ._adapters import CatBoostClasses, CatBoostObjective, Metric
from ._batch import laid_out
from ._checks import allows, real_array
from ._constant import best_constant
from ._links import LINKS
from ._options import Array, ArrayLike, Scalar
from ._task import Task

Hessian: TypeAlias = Literal["exact", "clamp", "upper_bound"]

# What a curvature is raised to, unless it is to be exact: boosters divide by sums of curvatures.
FLOOR = 1e-16


class Objective:
    """A loss for gradient boosting, called as boosters call one; it keeps nothing but settings."""

    task: ClassVar[Task]

    def __init__(self, hessian: Hessian) -> None:
        """Checks which curvature is asked for."""
        known = ("exact", "clamp", "upper_bound")
        if hessian not in known:
            raise ValueError(
                f"{self.task.name}(): `hessian` is {hessian!r}, but must be one of "
                f"{', '.join(map(repr, known))}"
            )
        if hessian == "upper_bound" and self.task.upper_bound is None:
            raise ValueError(
                f'{self.task.name}(): there is no hessian="upper_bound": {self.task.without_bound}'
            )
        self.hessian = hessian

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None
    ) -> tuple[Array, Array]:
        """Gradient and curvature of each sample's weighted loss, shaped like the raw scores.

        Args:
            y_true: Targets or labels `(samples,)`; the raw scores if `y_pred` is a data set.
            y_pred: Raw scores `(samples,)` or `(samples, classes)`, or the `Dataset` of LightGBM or
                `DMatrix` of XGBoost that native training functions pass, with its own weights.
            sample_weight: Factor of each sample's loss. None: 1.

        Raises:
            ValueError: If shapes do not fit, or a target or label lies outside its domain.
        """
        batch = laid_out(self.task, y_true, y_pred, sample_weight)
        gradient = self._run("vjp", batch.scores, batch.truth, batch.weight)
        curvature = self._curvature(batch.scores, batch.truth, batch.weight)
        return batch.restore(gradient), batch.restore(curvature)

    def loss(self, y_true: Any, y_pred: Any, sample_weight: ArrayLike | None = None) -> Array:
        """The weighted loss of each sample; the arguments are those of a call."""
        batch = laid_out(self.task, y_true, y_pred, sample_weight)
        with np.errstate(all="ignore"):
            inputs = self.task.inputs(batch.scores, batch.truth)
            found = self.task.value(*inputs, *self._numbers())
        full = np.broadcast_to(np.asarray(found, np.float64), batch.weight.shape)
        return full * batch.weight

    def init_score(
        self, y_true: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float | Array:
        """The constant raw score of least weighted loss; one for each class if there are classes.

        Boosters start an objective that is not their own at 0. Start from this instead (LightGBM's
        `init_score`, XGBoost's `base_margin`, CatBoost's `baseline`), and add it to their raw
        scores where they do not. Where no finite score is best (all labels 1), probabilities and
        rates are taken to lie 1e-15 from the end of their range.

        Raises:
            ValueError: If there is no sample, none of positive weight, or one outside its domain.
        """
        return best_constant(self.task, self._numbers(), y_true, sample_weight)

    def predict(self, raw_score: ArrayLike) -> Array:
        """Predictions of raw scores: the inverse of the link in which the loss takes its score."""
        raw = real_array(self.task.name, "raw_score", raw_score).astype(np.float64)
        with np.errstate(all="ignore"):
            return np.asarray(LINKS[self.task.link].mean(raw))

    def metric(self, style: Literal["lightgbm", "xgboost", "catboost"] = "lightgbm") -> Metric:
        """The weighted mean of this loss, as an evaluation metric of raw scores.

        Args:
            style: `"lightgbm"` gives `(name, value, False)`, and `(name, value)` when it is called
                by `xgboost.train`; `"xgboost"` gives the value alone, as XGBoost's scikit-learn
                interface wants it. The object is CatBoost's `eval_metric` whatever the style.
        """
        return Metric(self, style)

    def catboost(self) -> Any:
        """The objective for CatBoost, which maximises minus the loss: its `loss_function`."""
        return CatBoostClasses(self) if self.task.classes else CatBoostObjective(self)

    def __repr__(self) -> str:
        """The call that makes an equal objective."""
        settings = [f"{p.name}={getattr(self, p.name)!r}" for p in self.task.parameters]
        return f"{type(self).__name__}({', '.join([*settings, f'hessian={self.hessian!r}'])})"

    def __eq__(self, other: object) -> bool:
        """Whether the other is an objective of the same loss with the same settings."""
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """A hash of the settings."""
        return hash((type(self), *sorted(vars(self).items())))

    def full_hessian(self, scores: Array, truth: Array, weight: float) -> Array:
        """The Hessian of one sample over the classes, or the diagonal that stands for it."""
        count = scores.size
        rows = np.broadcast_to(scores, (count, count))
        truths = np.broadcast_to(truth, (count, *np.shape(truth)))
        weights = np.full(count, weight)
        if self.hessian == "exact":
            return self._run("hvp", rows, truths, weights, np.eye(count))
        return np.diag(self._curvature(rows[:1], truths[:1], weights[:1])[0])

    def _curvature(self, scores: Array, truth: Array, weight: Array) -> Array:
        if self.hessian == "exact":
            return self._run("hessian_diagonal", scores, truth, weight)
        ones = np.ones_like(weight)
        if self.hessian == "clamp" and self.task.flat:
            found = np.ones_like(scores)
        else:
            kernel = "hessian_diagonal" if self.hessian == "clamp" else "upper_bound"
            found = self._run(kernel, scores, truth, ones)
        columns = weight[:, None] if self.task.classes else weight
        return np.asarray(np.maximum(found, FLOOR) * columns)

    def _run(self, kernel: str, scores: Array, truth: Array, *more: Array) -> Array:
        """A kernel's result for the scores, a new array of their shape."""
        function = getattr(self.task, kernel)
        with np.errstate(all="ignore"):
            result = function(*self.task.inputs(scores, truth), *self._numbers(), *more)[0]
        return np.array(np.broadcast_to(np.asarray(result, np.float64), scores.shape))

    def _numbers(self) -> tuple[Array, ...]:
        return tuple(np.asarray(getattr(self, p.name), np.float64) for p in self.task.parameters)

    def _number(self, name: str, value: Scalar) -> float:
        """A parameter's value, if its domain allows it."""
        (parameter,) = (p for p in self.task.parameters if p.name == name)
        array = real_array(self.task.name, name, value, "prediction")
        if array.ndim or not allows(parameter, float(array)):
            raise ValueError(
                f"{self.task.name}(): parameter `{name}` is {value!r}, but must satisfy "
                f"{parameter.domain or 'being a finite number'}"
            )
        return float(array)
