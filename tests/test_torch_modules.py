"""The module forms: generated text that is clean, trains, saves and prints."""

# mypy: allow-untyped-defs, disable-error-code=untyped-decorator

from __future__ import annotations

import copy
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from losscompiler.backends import render_module, runtime_files
from losscompiler.passes import compile_loss
from losscompiler.spec import Label, Param, Prediction, Sum, Target, exp, index, log, loss


@loss
def squared_with_a_rather_long_name(prediction=Prediction(), target=Target()):
    """Squares."""
    return (prediction - target) ** 2


@loss
def scaled(
    prediction=Prediction(), target=Target(), *, scale=Param(2, positive=True, learnable=True)
):
    """Squares over a learned scale, which it pays for."""
    return (prediction - target) ** 2 / scale + log(scale)


@loss
def tempered(
    logits=Prediction("class"), label=Label("class"), *, temperature=Param(1, positive=True)
):
    """Cross-entropy of logits over a temperature."""
    k = index("class")
    return log(Sum(exp(logits[k] / temperature), k)) - logits[label] / temperature


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("modules")
    folder = root / "generated_for_modules"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Losses."""\n')
    for name, text in runtime_files("torch").items():
        (folder / name).write_text(text)
    compiled = [compile_loss(x) for x in (squared_with_a_rather_long_name, scaled, tempered)]
    (folder / "losses.py").write_text(
        render_module("torch", compiled, "Losses.", "specs/losses.py")
    )
    return folder


@pytest.fixture(scope="module")
def losses(package: Path) -> Any:
    sys.path.insert(0, str(package.parent))
    try:
        yield importlib.import_module("generated_for_modules.losses")
    finally:
        sys.path.remove(str(package.parent))


def test_text_is_formatted_and_typed(package: Path) -> None:
    ruff = [sys.executable, "-m", "ruff", "format", "--check", "--line-length=100", str(package)]
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", package.name]
    for command in (ruff, mypy):
        done = subprocess.run(command, cwd=package.parent, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_learnable_parameter_trains(losses: Any) -> None:
    torch.manual_seed(0)
    module = losses.ScaledLoss(scale=4.0)
    assert isinstance(module, nn.Module)
    assert isinstance(module.scale, nn.Parameter)
    assert module.scale.dtype == torch.float32
    x, y = torch.randn(200, dtype=torch.float64), torch.zeros(200, dtype=torch.float64)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        module(x, y).backward()
        optimiser.step()
    assert module.scale.item() == pytest.approx(x.square().mean().item(), rel=1e-3)
    with torch.no_grad():
        module.scale.fill_(-1.0)
    with pytest.raises(ValueError, match="`scale` is -1"):
        module(x, y)


def test_settings_reach_the_function(losses: Any) -> None:
    x, label = torch.randn(2, 3, 5), torch.tensor([[0, 1, 2, 9, 1]] * 2)
    table = torch.tensor([1.0, 2.0, 0.5])
    module = losses.TemperedLoss(
        temperature=2.0, reduction="sum", ignore_index=9, class_weight=table, axis=1
    )
    expected = F.cross_entropy(x / 2, label, weight=table, ignore_index=9, reduction="sum")
    assert_close(module(x, label), expected)
    assert_close(copy.deepcopy(module)(x, label), expected)
    assert dict(module.named_buffers())["class_weight"] is module.class_weight
    other = losses.TemperedLoss(reduction="sum", class_weight=torch.ones(3))
    other.load_state_dict(module.state_dict())
    assert_close(other.class_weight, table)
    assert_close(module.double()(x.double(), label), expected.double(), rtol=1e-5, atol=1e-5)


def test_tensor_setting_is_a_buffer(losses: Any) -> None:
    module = losses.TemperedLoss(temperature=torch.tensor(2.0))
    assert list(module.state_dict()) == ["temperature"]
    assert list(module.parameters()) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own
def test_compiled_module(losses: Any) -> None:
    torch._dynamo.reset()
    module = losses.ScaledLoss()
    x, y = torch.randn(4), torch.zeros(4)
    compiled: Any = torch.compile(module, fullgraph=True, backend="aot_eager")
    compiled(x, y).backward()
    assert_close(module.scale.grad, (0.5 - x.square() / 4).mean())


def test_mistakes_are_found_when_made(losses: Any) -> None:
    with pytest.raises(ValueError, match=r"`temperature` is 0\.0"):
        losses.TemperedLoss(temperature=0.0)
    with pytest.raises(ValueError, match="`scale` is -1"):
        losses.ScaledLoss(scale=-1)
    with pytest.raises(ValueError, match="`reduction` is 'avg'"):
        losses.SquaredWithARatherLongNameLoss(reduction="avg")


def test_repr_shows_the_settings(losses: Any) -> None:
    assert repr(losses.ScaledLoss()) == "ScaledLoss(scale=2 (learnable), reduction='mean')"
    module = losses.TemperedLoss(class_weight=torch.ones(3))
    settings = "temperature=1.0, reduction='mean', class_weight=tensor of shape (3,), axis=-1"
    assert repr(module) == f"TemperedLoss({settings})"
