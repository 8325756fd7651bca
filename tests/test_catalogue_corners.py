"""Corners of losses of images, boxes, policies and preferences, against numbers by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.equality.compare import BACKENDS, ours
from tests.test_catalogue_values import Case

LOG2 = math.log(2)
BOX = [0.0, 0.0, 2.0, 1.0]
EMPTY = [[[0.0, 0.0, 0.0, 0.0]]]
SPOT = [[[1.0, 0.0, 0.0, 0.0]]]
SMALL = {"epsilon": 1e-8}

CASES = [
    # ---- boxes: identical, touching, apart, without area ----
    Case("identical", "iou", (BOX, BOX), 0.0),
    Case("identical", "diou", (BOX, BOX), 0.0),
    Case("identical", "ciou", (BOX, BOX), 0.0),
    Case("touching", "iou", (BOX, [2.0, 0, 4, 1]), 1.0),
    Case("apart", "iou", (BOX, [3.0, 0, 4, 1]), 1.0, [0.0, 0, 0, 0]),
    Case("apart", "log_iou", (BOX, [3.0, 0, 4, 1]), 6 * math.log(10), [0.0, 0, 0, 0]),
    Case("apart", "diou", ([0.0, 0, 1, 1], [2.0, 0, 3, 1]), 1 + 4 / 10),
    Case("a box without area", "iou", ([1.0, 0, 1, 1], BOX), 1.0),
    Case("one proportion", "ciou", ([0.0, 0, 2, 2], [0.0, 0, 1, 1]), 0.75 + 0.5 / 8),
    # ---- regions: absent, empty, found exactly ----
    Case("nothing there, nothing found", "generalized_dice", (EMPTY, EMPTY), 0.0),
    Case("found exactly", "generalized_dice", (SPOT, SPOT), 0.0),
    Case("nothing there, nothing found", "squared_dice", (EMPTY, EMPTY), 0.0),
    Case("nothing there, nothing found", "log_cosh_dice", (EMPTY, EMPTY), 0.0),
    Case("nothing there, nothing found", "matthews_correlation", (EMPTY, EMPTY), 0.6, None,
         {"smooth": 0.5}),
    Case("found exactly", "focal_tversky", (SPOT, SPOT), 0.0),
    Case("far logits", "binary_dice", ([[900.0, -900.0]], [[1.0, 0.0]]), 0.0, [[0.0, 0.0]]),
    Case("far logits", "binary_dice_cross_entropy", ([[900.0, -900.0]], [[1.0, 0.0]]), 0.0),
    # ---- signals: silent, equal, constant ----
    Case("a silent target", "si_sdr", ([1.0, -1.0], [0.0, 0.0]), 10 * math.log10(2e8 + 1), None,
         SMALL),
    Case("both silent", "si_sdr", ([0.0, 0.0], [0.0, 0.0]), 0.0, [0.0, 0.0]),
    Case("both silent", "signal_to_noise", ([0.0, 0.0], [0.0, 0.0]), 0.0, [0.0, 0.0]),
    Case("exact", "signal_to_noise", ([1.0, -1.0], [1.0, -1.0]), -10 * math.log10(2e8 + 1),
         [0.0, 0.0], SMALL),
    Case("both silent", "error_to_signal", ([0.0, 0.0], [0.0, 0.0]), 0.0, [0.0, 0.0]),
    Case("exact", "spectral_convergence", ([[1.0, 2.0]], [[1.0, 2.0]]), 0.0, [[0.0, 0.0]]),
    Case("another scale", "pearson_correlation", ([[1.0, 2, 4]], [[3.0, 5, 9]]), 0.0),
    Case("upside down", "pearson_correlation", ([[1.0, 2, 4]], [[3.0, 2, 0]]), 2.0),
    Case("constants", "concordance_correlation", ([[2.0, 2.0]], [[2.0, 2.0]]), 1.0),
    Case("one pixel", "edge_aware_smoothness", ([[2.0]], [[[1.0]]]), 0.0, [[0.0]]),
    # ---- policies: where a ratio is clipped and where not ----
    Case("gained enough", "ppo_clip", (LOG2, 0.0, 3.0), -3.6, 0.0),
    Case("grew though bad", "ppo_clip", (LOG2, 0.0, -3.0), 6.0, 6.0),
    Case("shrank enough", "ppo_clip", (-LOG2, 0.0, -3.0), 2.4, 0.0),
    Case("shrank though good", "ppo_clip", (-LOG2, 0.0, 3.0), -1.5, -1.5),
    Case("at the old policy", "ppo_clip", (-1.0, -1.0, 3.0), -3.0, -3.0),
    Case("stopped by the clip", "ppo_value_clip", (1.0, 0.0, 2.0), 1.62, 0.0),
    Case("far off the other way", "ppo_value_clip", (-1.0, 0.0, 2.0), 4.5, -3.0),
    Case("no reference", "grpo", ([[LOG2, 0.0]], [[0.0, 0.0]], [1.0]), -1.1, [[0.0, -0.5]]),
    Case("no tokens", "gspo", ([[1.0, 2.0]], [[0.0, 0.0]], [[False, False]], [3.0]), -3.0,
         [[0.0, 0.0]]),
    Case("equal values", "double_q_learning",
         ([0.0, 0.0], 0, 0.0, 1.0, [1.0, 3.0], [5.0, 5.0]), 2.0, [-2.0, 0.0]),
    # ---- preferences and scores: undecided, and far out ----
    Case("undecided", "dpo", (-1.0, -2.0, -3.0, -4.0), LOG2, -0.05),
    Case("far out", "dpo", (-9000.0, 0.0, 0.0, 0.0), 900.0, -0.1),
    Case("a negative baseline is none", "kto", (-1.0, -1.0, True, -5.0), 0.5, -0.025),
    Case("a padded ranking", "plackett_luce", ([[0.0, 0.0, 7.0]], [[True, True, False]]), LOG2,
         [[-0.5, 0.5, 0.0]]),
    Case("found out", "gan_generator", (-800.0,), 800.0, -1.0),
    Case("found out", "gan_generator_minimax", (-800.0,), 0.0, 0.0),
    Case("no gradient at all", "gradient_penalty", ([[0.0, 0.0]],), 1.0, [[0.0, 0.0]]),
    Case("exact", "consistency", ([[1.0, 2.0]], [[1.0, 2.0]]), 0.0, [[0.0, 0.0]]),
]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", CASES, ids=[f"{case.loss}-{case.name}" for case in CASES])
def test_value_by_hand(case: Case, backend: str) -> None:
    value, gradients = ours(backend, case.loss, map(np.asarray, case.inputs), case.options)
    np.testing.assert_allclose(value, case.value, rtol=1e-12, atol=1e-14)
    assert all(np.isfinite(g).all() for g in gradients) or case.loss == "focal_tversky"
    if case.gradient is not None:
        np.testing.assert_allclose(gradients[0], case.gradient, rtol=1e-12, atol=1e-14)
