from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from losscompiler.analysis.certificate import certificate
from losscompiler.analysis.report import analyse
from losscompiler.crosscheck.proofs.certificates import recheck
from losscompiler.spec import Loss
from losscompiler.spec.loader import load_file
from tests.cli import Run
from tests.proofs import truths

ROOT = Path(__file__).resolve().parents[2]
CLAIMING = '''"""Claims."""

from losscompiler.spec import Prediction, Target, exp, loss
from losscompiler.spec.claims import convex, proper, smooth


@loss(claims=[convex, smooth(1)])
def right(x=Prediction(), y=Target()):
    """Convex."""
    return (x - y) ** 2


@loss(claims=[convex])
def wrong(x=Prediction(), y=Target()):
    """Not convex."""
    return 1 - exp(-((x - y) ** 2))


@loss(claims=[proper])
def strange(x=Prediction(), y=Target()):
    """No question."""
    return (x - y) ** 2
'''


def told(loss: Loss) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(certificate(loss, analyse(loss))))
    return data


@pytest.mark.parametrize("name", ["huber", "bce_prob", "cauchy", "focal_prob", "multiclass_hinge3"])
def test_certificates_stand(name: str) -> None:
    loss = truths.ALL[name]
    assert recheck(loss, told(loss)).contradictions == []


def test_losses_over_axes_stand() -> None:
    specs = ROOT / "specs"
    for loss in load_file(specs / "classification_sparse.py", specs).losses:
        assert recheck(loss, told(loss)).contradictions == []


def test_a_false_obligation_is_noticed() -> None:
    loss = truths.ALL["huber"]
    data = told(loss)
    data["properties"]["convex"]["proof"]["obligations"][0]["claim"] = ["error - delta", ">"]
    assert any("fails at" in text for text in recheck(loss, data).contradictions)


def test_a_false_verdict_is_noticed() -> None:
    data = told(truths.ALL["mse"])
    assert recheck(truths.ALL["cauchy"], {**data, "properties": {
        "convex": {**data["properties"]["convex"], "proof": {"obligations": [], "steps": []}}
    }}).contradictions  # fmt: skip


def test_a_false_witness_is_noticed() -> None:
    loss = truths.ALL["cauchy"]
    data = told(loss)
    data["properties"]["convex"]["witness"]["gap"] = "1000"
    assert any("witness" in text for text in recheck(loss, data).contradictions)


def test_a_false_constant_is_noticed() -> None:
    loss = truths.ALL["huber"]
    data = told(loss)
    data["properties"]["lipschitz"]["constant"] = "delta/2"
    assert any("lipschitz" in text for text in recheck(loss, data).contradictions)


def test_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(capsys)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "claims.py").write_text(CLAIMING)
    done = run("prove", "--jobs", "1")
    assert done.status == 1
    assert "LC701" in done.out
    assert "`wrong` is not convex" in done.out
    assert "LC702" in done.out
    kept = json.loads((tmp_path / "generated" / "proofs.json").read_text())
    assert [one["name"] for one in kept["losses"]] == ["right", "strange", "wrong"]
    done = run("prove", "--recheck", "--jobs", "1")
    assert done.status == 0, done.out
    assert "obligations" in done.err
    other = (tmp_path / "specs" / "claims.py").read_text().replace("(x - y) ** 2", "(x - y) ** 4")
    (tmp_path / "specs" / "claims.py").write_text(other)
    done = run("prove", "--recheck", "--jobs", "1")
    assert "the certificate is about another formula" in done.out
    (tmp_path / "generated" / "proofs.json").unlink()
    assert "there are no proofs to check" in run("prove", "--recheck", "--jobs", "1").err
    (tmp_path / "specs" / "claims.py").write_text(CLAIMING)
    run("prove", "--jobs", "1")
    done = run("explain", "right", "--property", "strong_convexity")
    assert "strong_convexity: proved, 2" in done.out
