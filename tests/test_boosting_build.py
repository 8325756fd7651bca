"""Builds of the boosting target: what is left out is noted, counted, explained, and no mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli import HEAD, Run, start

PAIRS = f'''"""Losses that no booster can train."""

{HEAD}def pairs(a=Prediction(), b=Prediction(), y=Target()):
    """Two predictions."""
    return (a - b - y) ** 2
'''


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


def test_what_boosters_cannot_train_is_noted(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = start(tmp_path / "project", '"boosting"')
    (root / "specs" / "pairs.py").write_text(PAIRS)
    monkeypatch.chdir(root)
    assert run("build", "--no-verify", "--strict").status == 0
    assert "no mistakes found, 1 note" in run.err
    assert "LC310" not in run.out + run.err
    names = [path.name for path in (root / "generated" / "boosting").glob("[a-z]*.py")]
    assert sorted(names) == ["axes.py", "good.py"]
    entries = json.loads((root / "generated" / "losses.json").read_text())["losses"]
    exports = {entry["name"]: entry["exports"] for entry in entries}
    assert exports == {
        "cross": {"boosting": ["CrossObjective"]},
        "doubled": {"boosting": ["DoubledObjective"]},
        "pairs": {},
    }
    for _ in ("told again", "and again"):
        assert run("build", "--no-verify", "--json").status == 0
        (note,) = run.answer["diagnostics"]
        assert (note["code"], note["severity"], note["loss"]) == ("LC310", "note", "pairs")
        assert "it has 2 predictions, and a booster has one" in note["message"]
    assert run("build", "--no-verify", "--check").status == 0
    assert run("rule", "LC310").status == 0
    assert "(note)" in run.out


def test_objectives_have_aliases_and_former_names(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = start(tmp_path / "project", '"boosting"')
    text = (root / "specs" / "good.py").read_text()
    named = text.replace("@loss\n", '@loss(aliases=("twice",), former=("double",))\n')
    (root / "specs" / "good.py").write_text(named)
    monkeypatch.chdir(root)
    assert run("build", "--no-verify").status == 0, run.err
    module = (root / "generated" / "boosting" / "good.py").read_text()
    assert "TwiceObjective = DoubledObjective" in module
    assert '{"DoubleObjective": "DoubledObjective"}' in module
