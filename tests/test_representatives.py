"""The losses that stand for the catalogue have everything that is in it."""

from __future__ import annotations

from tests.catalogue_cases import facts
from tests.representatives import features, one_per_structure, representatives


def test_every_feature_of_any_loss_is_there() -> None:
    chosen = set[str]().union(*(features()[name] for name in representatives()))
    assert chosen == set[str]().union(*features().values())


def test_every_structure_and_role_is_a_feature() -> None:
    everything = set().union(*features().values())
    assert {f"structure {loss['structure']}" for loss in facts().values()} <= everything
    for loss in facts().values():
        for given in loss["inputs"]:
            assert any(feature.startswith(given["role"]) for feature in features()[loss["name"]])


def test_what_kernels_call_is_found() -> None:
    assert "calls fn.softplus" in features()["binary_cross_entropy_with_logits"]
    assert "calls fn.logsumexp" in features()["softmax_cross_entropy"]
    assert "calls np.maximum" in features()["hinge"]


def test_one_per_structure() -> None:
    assert [facts()[name]["structure"] for name in one_per_structure()] == list(
        dict.fromkeys(facts()[name]["structure"] for name in representatives())
    )


def test_they_are_few() -> None:
    assert len(representatives()) <= 25
