"""The options that several commands share, and the project that they speak of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from losscompiler.commands.answer import Failure, failure
from losscompiler.config import TARGETS, Config, ConfigError, load_config
from losscompiler.selection import normalise
from losscompiler.suggest import did_you_mean

Command = Callable[..., Any]


def apply(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in the order in which help lists them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


output = apply(
    click.option("--json", "as_json", is_flag=True, expose_value=False, help="Answer in JSON."),
    click.option(
        "--traceback",
        is_flag=True,
        expose_value=False,
        help="Show where an internal error comes from.",
    ),
)
specs = click.option(
    "--specs", metavar="DIR", type=click.Path(path_type=Path), help="The folder of specs."
)
out = click.option(
    "--out", metavar="DIR", type=click.Path(path_type=Path), help="The folder of generated code."
)
selection = click.argument("selection", nargs=-1, metavar="[SELECTION]...")
targets = click.option(
    "--target",
    "-t",
    "targets",
    metavar="NAME",
    multiple=True,
    help=f"A target, or several with commas: {', '.join(TARGETS)}.",
)
jobs = click.option("--jobs", "-j", type=click.IntRange(min=0), help="Parallel jobs; 0: per core.")
findings = apply(
    click.option("--strict", is_flag=True, help="Let warnings fail the command."),
    click.option(
        "--output-format",
        type=click.Choice(["full", "concise"]),
        default="full",
        help="How findings are shown.",
    ),
)


@dataclass(frozen=True)
class Project:
    """A configuration with what the command line overrides.

    `root` is the folder that holds the specs folder: paths of findings count from it. `patterns`
    is the selection as `losscompiler.selection` reads it.
    """

    config: Config
    root: Path
    patterns: tuple[str, ...] = ()


def find_project(
    *,
    specs: Path | None = None,
    out: Path | None = None,
    selection: tuple[str, ...] = (),
    targets: Iterable[str] = (),
    jobs: int | None = None,
) -> Project:
    """The project of the current folder.

    Raises:
        Failure: If its configuration is wrong or it has no folder of specs.
    """
    here = Path.cwd()
    config = _config(here)
    chosen = (here / specs).resolve() if specs else config.specs
    if not chosen.is_dir():
        raise failure(
            "LC604",
            f"there is no folder `{specs or _shown(chosen, here)}` to read specs from",
            "`losscompiler init` starts a project here; --specs DIR names another folder",
        )
    if specs and not chosen.is_relative_to(config.root):
        config = replace(config, out=chosen.parent / "generated")
    config = replace(
        config,
        specs=chosen,
        out=(here / out).resolve() if out else config.out,
        targets=known_targets(targets) or config.targets,
        jobs=config.jobs if jobs is None else jobs,
    )
    return Project(config, chosen.parent, normalise(selection, chosen.parent, here))


def _config(here: Path) -> Config:
    try:
        return load_config(here)
    except ConfigError as error:
        raise Failure(*error.diagnostics) from None


def _shown(path: Path, here: Path) -> str:
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)


def known_targets(given: Iterable[str]) -> tuple[str, ...]:
    """The targets named on the command line, in our order."""
    wanted = [name.strip() for text in given for name in text.split(",") if name.strip()]
    for name in wanted:
        if name not in TARGETS:
            known = f"the targets are {', '.join(TARGETS)}"
            raise failure(
                "LC605", f"there is no target `{name}`", did_you_mean(name, TARGETS, known)
            )
    return tuple(target for target in TARGETS if target in wanted)
