"""Aliases, former names and deprecated losses, from the declaration to every backend's package."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from losscompiler.build import BuildRequest, build
from losscompiler.cli import main
from losscompiler.diagnostics import SpecError
from losscompiler.public import function_names
from losscompiler.selection import duplicates, selected
from losscompiler.spec import Prediction, Target, loss
from losscompiler.spec.decorator import Loss
from tests.backends import entered

HEAD = '"""A family."""\n\nfrom losscompiler.spec import *\n\n\n'
SPECS = {
    "scores.py": f'''{HEAD}@loss(aliases=("pinball", "pinball_loss"), former=("tilted",))
def quantile(x=Prediction(), y=Target(), *, tau=Param(Rational("0.5"), interval=(0, 1))):
    """Costs of both signs.

    Use it for quantiles.
    """
    return Max(tau * (y - x), (tau - 1) * (y - x))
''',
    "sub/old.py": f'''{HEAD}@loss(deprecated="use `quantile`", former=("older",))
def old(x=Prediction(), y=Target()):
    """A square."""
    return (x - y) ** 2
''',
}
PACKAGE = "names_generated"
BACKENDS = ("numpy", "torch", "tensorflow", "jax")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("names")
    for name, text in SPECS.items():
        (root / "specs" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "specs" / name).write_text(text)
    result = build(BuildRequest(root / "specs", root / PACKAGE, verify=False))
    assert result.diagnostics == ()
    sys.path.insert(0, str(root))
    yield root
    sys.path.remove(str(root))


def package(backend: str, inside: str = "") -> Any:
    return importlib.import_module(f"{PACKAGE}.{backend}{inside}")


# ---- the declaration ---------------------------------------------------------------------------


def declared(**names: Any) -> Loss:
    def f(x=Prediction(), y=Target()):  # type: ignore[no-untyped-def]
        """A square."""
        return (x - y) ** 2

    return loss(**names)(f) if names else loss(f)


def test_a_loss_is_declared_with_and_without_parentheses() -> None:
    plain, named = declared(), declared(aliases=("g",), former=("h",), deprecated="use `i`")
    assert plain.expression == named.expression
    assert (plain.names.aliases, plain.names.deprecated) == ((), "")
    assert (named.names.aliases, named.names.former) == (("g",), ("h",))


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ({"aliases": "pinball"}, "LC101"),
        ({"aliases": ("pin-ball",)}, "LC101"),
        ({"aliases": ("lambda",)}, "LC101"),
        ({"aliases": ("_hidden",)}, "LC101"),
        ({"former": (1,)}, "LC101"),
        ({"deprecated": True}, "LC101"),
        ({"deprecated": 'use "quantile"'}, "LC101"),
        ({"aliases": ("f",)}, "LC005"),
        ({"aliases": ("f_hvp",)}, "LC005"),
        ({"aliases": ("g",), "former": ("g",)}, "LC005"),
    ],
)
def test_a_name_that_cannot_be_is_refused(names: dict[str, Any], code: str) -> None:
    with pytest.raises(SpecError) as caught:
        declared(**names)
    assert caught.value.code == code
    assert caught.value.help


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"name": "f", "aliases": ["g"]}, {"name": "g"}),
        ({"name": "f", "aliases": ["g"]}, {"name": "h", "former": ["g_hvp"]}),
        ({"name": "f"}, {"name": "h", "aliases": ["f"]}),
        ({"name": "f"}, {"name": "h", "aliases": ["f_loss"]}),  # both would be FLoss
    ],
)
def test_names_are_unique_over_all_files(first: dict[str, Any], second: dict[str, Any]) -> None:
    places = ({"path": "specs/a.py", "line": 1}, {"path": "specs/b.py", "line": 2})
    (clash,) = duplicates(({**first, **places[0]}, {**second, **places[1]}))
    assert (clash.code, clash.path, clash.loss) == ("LC005", "specs/b.py", second["name"])
    assert "`f` at specs/a.py:1" in clash.message


def test_a_loss_is_selected_by_any_of_its_names() -> None:
    facts = {"name": "f", "aliases": ["g"], "former": ["h"], "path": "specs/a.py"}
    assert [selected((name,), facts) for name in ("f", "g", "h", "i", "specs/a.py")] == [
        True,
        True,
        True,
        False,
        True,
    ]


# ---- generated code ----------------------------------------------------------------------------


@pytest.mark.parametrize("inside", ["", ".scores"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_alias_is_the_loss_itself(project: Path, backend: str, inside: str) -> None:
    found = package(backend, inside)
    names = zip(function_names("pinball_loss"), function_names("quantile"), strict=True)
    for alias, name in (*names, ("pinball", "quantile")):
        assert getattr(found, alias) is getattr(found, name)
        assert alias in found.__all__
    if hasattr(found, "QuantileLoss"):
        assert found.PinballLoss is found.QuantileLoss
        assert found.QuantileLoss.__name__ == "QuantileLoss"
    assert "Also called `pinball`, `pinball_loss`." in found.quantile.__doc__


@pytest.mark.parametrize("inside", ["", ".scores"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_former_name_works_and_warns(project: Path, backend: str, inside: str) -> None:
    found = package(backend, inside)
    for old, new in zip(function_names("tilted"), function_names("quantile"), strict=True):
        with pytest.warns(DeprecationWarning, match=f"`{old}` is called `{new}` now") as told:
            assert getattr(found, old) is getattr(found, new)
        assert told[0].filename == __file__
        assert old not in found.__all__
    with pytest.raises(AttributeError, match=r"has no attribute 'untilted'"):
        _ = found.untilted
    with pytest.warns(DeprecationWarning, match="`older`"):
        assert package(backend, ".sub").older is package(backend).old


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_deprecated_loss_works_and_warns(project: Path, backend: str) -> None:
    found = package(backend)
    with entered(backend):
        module = importlib.import_module({"jax": "jax.numpy"}.get(backend, backend))
        make = getattr(module, "constant", None) or getattr(module, "tensor", module.asarray)
        with pytest.warns(DeprecationWarning, match="`old` is deprecated: use `quantile`") as told:
            value: Any = found.old(make([1.0, 2.0]), make([0.0, 0.0]))
        assert told[0].filename == __file__
        np.testing.assert_allclose(np.asarray(value), 2.5)
    if hasattr(found, "OldLoss"):
        with pytest.warns(DeprecationWarning, match="`OldLoss` is deprecated"):
            found.OldLoss()
    assert "Deprecated: Use `quantile`." in found.old.__doc__


def test_a_deprecated_loss_compiles_into_one_graph(project: Path) -> None:
    import torch

    one, two = torch.tensor(1.0), torch.tensor(2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        compiled: Any = torch.compile(package("torch").old, fullgraph=True, backend="eager")
        assert float(compiled(one, two)) == 1.0


def test_keras_saves_a_loss_under_its_own_name(project: Path) -> None:
    keras = importlib.import_module("keras")
    found = package("tensorflow")
    saved = keras.losses.serialize(found.PinballLoss(tau=0.25))
    assert saved["class_name"] == "QuantileLoss"
    assert keras.losses.deserialize(saved).tau == 0.25


def test_generated_names_are_typed_and_clean(project: Path) -> None:
    out = str(project / PACKAGE / "numpy")
    config = f"--config={Path(__file__).parents[1] / 'pyproject.toml'}"
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run(["ruff", *check, config, out], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


# ---- tools -------------------------------------------------------------------------------------


def test_the_manifest_lists_the_names(project: Path) -> None:
    losses = json.loads((project / PACKAGE / "losses.json").read_text())["losses"]
    quantile, old = sorted(losses, key=lambda one: one["path"])
    assert quantile["aliases"] == ["pinball", "pinball_loss"]
    assert quantile["former"] == ["tilted"]
    assert old["deprecated"] == "use `quantile`"
    assert "pinball_hvp" in quantile["exports"]["numpy"]
    assert quantile["renamed"]["torch"]["TiltedLoss"] == "QuantileLoss"


@pytest.mark.parametrize("name", ["pinball", "tilted", "quantil*"])
@pytest.mark.parametrize("verb", ["list", "check", "show"])
def test_commands_select_by_any_name(
    project: Path, verb: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, name, "--specs", str(project / "specs"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["result"]["losses"]
    assert [loss["name"] for loss in told] == ["quantile"]


def test_a_build_selects_by_an_alias(project: Path) -> None:
    request = BuildRequest(
        project / "specs", project / "other", ("pinball",), targets=("numpy",), verify=False
    )
    assert [loss.name for loss in build(request).losses] == ["quantile"]
