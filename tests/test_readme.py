"""What the README shows is what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from losscompiler.analysis.certificate import certificate
from losscompiler.analysis.report import analyse
from losscompiler.commands.explain import explained
from losscompiler.spec.loader import load_file

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_kernel_it_shows_is_generated() -> None:
    kernel = re.search(r"(def _huber_value.*?)\n```", README, re.DOTALL)
    assert kernel is not None
    assert kernel[1] in (ROOT / "generated/numpy/regression.py").read_text()


def test_the_diagnostic_it_shows_is_printed(tmp_path: Path) -> None:
    shown = re.search(r"\$ losscompiler check specs/pairs.py\n(.*?)\n```", README, re.DOTALL)
    assert shown is not None
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "pairs.py").write_text(
        '"""Pairs."""\n\n'
        "from losscompiler.spec import Prediction, Sum, index, loss, where\n\n\n"
        "@loss\n"
        'def pairs(s=Prediction("list")):\n'
        '    """All pairs."""\n'
        '    i, j = index("list", "i j")\n'
        "    return Sum(where(i != j, s[i] * s[j], 0), i, j)\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "losscompiler", "check", "specs/pairs.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "NO_COLOR": "1"},
    )
    assert run.returncode == 1
    assert shown[1].strip() in run.stdout


def test_the_explanation_it_shows_is_printed() -> None:
    shown = re.search(r"\$ losscompiler explain cauchy\n(.*?)\n```", README, re.DOTALL)
    assert shown is not None
    losses = load_file(ROOT / "specs/robust.py", ROOT / "specs").losses
    (cauchy,) = (loss for loss in losses if loss.name == "cauchy")
    assert explained(certificate(cauchy, analyse(cauchy))).startswith(shown[1])


def test_the_test_command_of_ci_is_the_one_it_gives() -> None:
    command = 'pip install -e ".[dev]" -c constraints.txt && pytest'
    assert command in README
    assert (
        command.replace("pip install", "pip install --quiet --disable-pip-version-check")
        in (ROOT / ".ci/run").read_text()
    )
