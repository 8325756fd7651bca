"""Certificates with one fault each: the checker has to find all of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from losscompiler.analysis.certificate import certificate
from losscompiler.analysis.report import analyse
from losscompiler.crosscheck.proofs import witnesses
from losscompiler.crosscheck.proofs.certificates import recheck
from losscompiler.crosscheck.proofs.composed import Steps
from losscompiler.spec import Loss
from losscompiler.spec.loader import load_file

SPECS = Path(__file__).resolve().parents[2] / "specs"
Proof = dict[str, Any]
NEEDED = ("curvature", "continuous", "slope rises", "monotone")
"""Purposes of inequalities that the theorem asks for; where formulas are defined is seen.

One between numbers may stand for another."""


@cache
def found(file: str, name: str) -> tuple[Loss, str]:
    loss = next(one for one in load_file(SPECS / f"{file}.py", SPECS).losses if one.name == name)
    return loss, json.dumps(certificate(loss, analyse(loss)))


def given(file: str, name: str) -> tuple[Loss, dict[str, Any]]:
    loss, text = found(file, name)
    return loss, json.loads(text)["properties"]


def faults(loss: Loss, proof: Proof) -> list[str]:
    wrt = [n for n, r in loss.inputs.items() if r.kind == "prediction"]
    return list(Steps(loss, wrt, proof).faults())


PIECES = (("regression", "huber"), ("classification", "hinge"))
COMPOSED = (("classification", "softmax_cross_entropy"), ("margin", "multi_margin"))
PROOFS = (*PIECES, *COMPOSED)


@pytest.mark.parametrize(("file", "name"), PROOFS)
def test_what_is_sound_stands(file: str, name: str) -> None:
    loss, properties = given(file, name)
    assert faults(loss, properties["convex"]["proof"]) == []


def without(proof: Proof, path: tuple[Any, ...]) -> Proof:
    """The proof without one entry of a list in it."""
    changed = copy.deepcopy(proof)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return changed


def pieces(proof: Proof) -> Iterator[tuple[int, int]]:
    for a, argument in enumerate(proof["arguments"]):
        for p in range(len(argument["pieces"])):
            yield a, p


@pytest.mark.parametrize(("file", "name"), PROOFS)
def test_a_dropped_obligation_is_missed(file: str, name: str) -> None:
    loss, properties = given(file, name)
    proof = properties["convex"]["proof"]
    needed = [
        n
        for n, o in enumerate(proof["obligations"])
        if o["purpose"].startswith(NEEDED) and o["symbols"]
    ]
    assert needed
    for n in needed:
        same = [o["claim"] for o in proof["obligations"]].count(proof["obligations"][n]["claim"])
        missed = faults(loss, without(proof, ("obligations", n)))
        assert missed or same > 1, proof["obligations"][n]


@pytest.mark.parametrize(("file", "name"), PROOFS)
def test_a_dropped_step_is_missed(file: str, name: str) -> None:
    loss, properties = given(file, name)
    proof = properties["convex"]["proof"]
    for n, argument in enumerate(proof["arguments"]):
        if argument["kind"] != "affine":
            assert faults(loss, without(proof, ("arguments", n))), argument["rule"]


@pytest.mark.parametrize(("file", "name"), PIECES)
def test_a_cell_too_few_is_missed(file: str, name: str) -> None:
    loss, properties = given(file, name)
    proof = properties["convex"]["proof"]
    for a, p in pieces(proof):
        cells = proof["arguments"][a]["pieces"][p]["cells"]
        for c, cell in enumerate(cells):
            if all(side for _, side in cell["sides"]):
                assert faults(loss, without(proof, ("arguments", a, "pieces", p, "cells", c)))


def test_a_case_too_few_is_missed() -> None:
    loss, properties = given("classification", "hinge")
    proof = properties["convex"]["proof"]
    for a, p in pieces(proof):
        assert faults(loss, without(proof, ("arguments", a, "pieces", p)))


@pytest.mark.parametrize(("file", "name"), PIECES)
def test_another_piece_is_seen(file: str, name: str) -> None:
    loss, properties = given(file, name)
    proof = properties["convex"]["proof"]
    for a, p in pieces(proof):
        cells = proof["arguments"][a]["pieces"][p]["cells"]
        for c, cell in enumerate(cells):
            if all(side for _, side in cell["sides"]):
                changed = copy.deepcopy(proof)
                piece = changed["arguments"][a]["pieces"][p]["cells"][c]
                piece["value"] = f"({piece['value']}) + 1/1000"
                assert any("is not the formula" in text for text in faults(loss, changed))


def test_an_obligation_under_more_conditions_does_not_count() -> None:
    loss, properties = given("regression", "huber")
    proof = properties["convex"]["proof"]
    for o in proof["obligations"]:
        if o["purpose"].startswith("curvature"):
            o["where"].append(["error - 7", ">"])
    assert any("no proof of curvature" in text for text in faults(loss, proof))


def test_a_weaker_claim_does_not_count() -> None:
    loss, properties = given("regression", "huber")
    proof = properties["convex"]["proof"]
    for o in proof["obligations"]:
        o["claim"][0] = f"({o['claim'][0]}) + 1"
    assert any("no proof of curvature" in text for text in faults(loss, proof))


def test_a_variable_that_is_left_out_is_missed() -> None:
    loss, properties = given("regression", "huber")
    proof = properties["convex"]["proof"]
    proof["arguments"][-1]["pieces"][0]["variables"] = []
    assert any("among the variables" in text for text in faults(loss, proof))


def test_a_symbol_that_means_something_else_is_seen() -> None:
    loss, properties = given("regression", "huber")
    proof = properties["convex"]["proof"]
    proof["arguments"][-1]["symbols"]["error"] = ["Element", "prediction"]
    assert any("is not the formula" in text for text in faults(loss, proof))


@pytest.mark.parametrize(("file", "name"), COMPOSED)
def test_a_part_of_another_curvature_is_seen(file: str, name: str) -> None:
    loss, properties = given(file, name)
    proof = properties["convex"]["proof"]
    for n, argument in enumerate(proof["arguments"]):
        changed = copy.deepcopy(proof)
        changed["arguments"][n]["kind"] = "concave" if argument["kind"] == "convex" else "convex"
        if argument["kind"] != "affine":
            assert faults(loss, changed), argument


def test_another_formula_is_seen() -> None:
    loss, _ = given("regression", "absolute_error")
    _, properties = given("regression", "squared_error")
    assert any("about the loss" in text for text in faults(loss, properties["convex"]["proof"]))


def test_a_composition_that_no_rule_allows_is_refused() -> None:
    """The smallest of convex entries is not convex, whatever its steps say."""
    loss, properties = given("margin", "multi_margin")
    text = json.dumps(properties["convex"]["proof"])
    assert any("no rule says" in f for f in faults(loss, json.loads(text.replace(
        '["Sum", ', '["AxisMin", '
    ))))  # fmt: skip


# ---- witnesses ----------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "a segment that does not bend": (
        "robust", "cauchy", "convex",
        {"points": [{"prediction": "-1/8"}, {"prediction": "1/8"}], "fixed": {"target": "0",
         "c": "1"}, "gap": "1/1000"},
    ),
    "an end for a middle": (
        "robust", "cauchy", "quasi_convex",
        {"points": [{"prediction": "-1"}, {"prediction": "1"}], "fixed": {"target": "0", "c": "1"},
         "gap": "1/1000"},
    ),
    "a gap of nothing": (
        "regression", "absolute_error", "convex",
        {"points": [{"prediction": "-1"}, {"prediction": "1"}], "fixed": {"target": "5"},
         "gap": "0"},
    ),
    "one point for a segment": (
        "regression", "huber", "strictly_convex",
        {"points": [{"prediction": "3"}, {"prediction": "3"}], "fixed": {"target": "0",
         "delta": "1"}, "gap": "0"},
    ),
    "a segment that bends": (
        "regression", "squared_error", "strictly_convex",
        {"points": [{"prediction": "3"}, {"prediction": "1"}], "fixed": {"target": "0"},
         "gap": "0"},
    ),
    "a point outside": (
        "regression", "poisson_nll_rate", "convex",
        {"points": [{"rate": "-1"}, {"rate": "1"}], "fixed": {"target": "1"}, "gap": "1/1000"},
    ),
    "a shift that changes nothing": (
        "regression", "huber", "translation_invariant",
        {"point": {"prediction": "3", "target": "1", "delta": "1"}, "shift": "1"},
    ),
    "no shift": (
        "regression", "linex", "translation_invariant",
        {"point": {"prediction": "3", "target": "1", "a": "1"}, "shift": "0"},
    ),
    "sums that are equal": (
        "margin", "soft_margin", "symmetric",
        {"points": [{"prediction": "1/2"}, {"prediction": "-1/2"}], "fixed": {}},
    ),
    "a probability that is best": (
        "scoring", "brier_score", "proper",
        {"probability": "1/4", "better": "1/2", "fixed": {}, "gap": "1/1000"},
    ),
    "a kink that is none": (
        "margin", "soft_margin", "calibrated", {"margin": "0", "slopes": ["-1", "0"], "fixed": {}},
    ),
    "probabilities that add up": (
        "margin", "soft_margin", "likelihood", {"predictions": ["0", "1", "-2"], "fixed": {}},
    ),
    "a loss that grows": (
        "regression", "squared_error", "likelihood", {"error": "oo", "loss": "1"},
    ),
    "no numbers": ("regression", "squared_error", "convex", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_witness_that_shows_nothing_is_refused(name: str) -> None:
    file, of, kind, witness = WRONG[name]
    loss, _ = given(file, of)
    assert witnesses.fault(loss, kind, {"verdict": "refuted", "witness": witness})


def test_each_kind_of_witness_has_a_wrong_one() -> None:
    kinds = {kind for _, _, kind, _ in WRONG.values()}
    same = {"convex_in", "log_convex"}
    assert kinds | same == set(witnesses.WITNESSES)


def test_a_refutation_of_what_nothing_refutes_is_refused() -> None:
    loss, _ = given("regression", "huber")
    assert witnesses.fault(loss, "influence", {"verdict": "refuted", "witness": {}})


def test_a_verdict_without_an_argument_is_refused() -> None:
    loss, properties = given("regression", "huber")
    properties["convex"]["proof"]["arguments"] = []
    told = recheck(loss, {"properties": properties}, 100).contradictions
    assert "convex: there is no argument for it" in told
