"""Which losses a booster can train: one raw score, or one per class, against one truth."""

from __future__ import annotations

from losscompiler.spec.decorator import Loss

CLASS_AXIS = "class"
TAKEN = frozenset(
    ("task", "hessian", "loss", "init_score", "predict", "metric", "catboost", "full_hessian")
)
"""Names of an objective's own attributes, which no parameter can have."""


def parts(loss: Loss) -> tuple[str, str]:
    """The names of the prediction and of the truth of a loss that can be expressed."""
    prediction = next(n for n, r in loss.inputs.items() if r.kind == "prediction")
    truth = next(n for n, r in loss.inputs.items() if r.kind in ("target", "label"))
    return prediction, truth


def absent(loss: Loss) -> tuple[str, ...]:
    """The optional inputs, which a booster cannot pass."""
    return tuple(name for name, role in loss.inputs.items() if role.optional)


def obstacle(loss: Loss) -> str:
    """Why a loss is no objective of a booster; empty if it is one."""
    required = {n: r for n, r in loss.inputs.items() if not r.optional}
    predictions = [n for n, r in required.items() if r.kind == "prediction"]
    truths = [n for n, r in required.items() if r.kind in ("target", "label")]
    others = [n for n in required if n not in (*predictions, *truths)]
    if len(predictions) != 1:
        return f"it has {len(predictions)} predictions, and a booster has one"
    if others or len(truths) != 1:
        shown = ", ".join(f"`{n}`" for n in required if n not in predictions) or "nothing"
        return f"a booster passes one target or label beside the prediction, not {shown}"
    if loss.free_indices:
        return "it has several entries per sample"
    if any(role.axes for role in loss.params.values()):
        return "a parameter of it is an array"
    for name in (n for n, role in loss.params.items() if role.learnable):
        return f"its parameter `{name}` is learnable, and a booster learns nothing but scores"
    axes = {axis for role in required.values() for axis in role.axes}
    if axes - {CLASS_AXIS}:
        return f"its axes ({', '.join(sorted(axes))}) are not samples and classes"
    prediction, truth = loss.roles[predictions[0]], loss.roles[truths[0]]
    wanted = () if truth.kind == "label" or not prediction.axes else (CLASS_AXIS,)
    if len(prediction.axes) > 1 or truth.axes != wanted:
        return "its prediction and its truth have different axes"
    if truth.kind == "label" and not prediction.axes:
        return "its label points into no scores"
    for name in TAKEN.intersection(loss.params):
        return f"its parameter `{name}` is called like an attribute of every objective"
    return ""
