"""The losses that stand for the catalogue have everything that is in it."""

from __future__ import annotations

from tests.catalogue_cases import facts
from tests.representatives import features, one_per_structure, representatives


def test_every_feature_is_there_twice_if_two_losses_have_it() -> None:
    for feature in set().union(*features().values()):
        having = [name for name in facts() if feature in features()[name]]
        chosen = [name for name in having if name in representatives()]
        assert len(chosen) >= min(2, len(having)), feature


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
    assert len(representatives()) <= 40
