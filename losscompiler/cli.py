"""The command line: `losscompiler build`, `check`, `verify`, `prove`, and those of `COMMANDS`.

Commands return an `Answer`; this module alone prints and decides on the exit status. Nothing slow
is imported before a command needs it: `--help` is instant.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence

import click

from losscompiler.commands.answer import INTERNAL, Answer, Failure, emit, failure
from losscompiler.suggest import did_you_mean

COMMANDS = {
    "build": "Compile the specs that changed, cross-validate them and write the code.",
    "check": "Report mistakes in specs and facts about losses; write nothing.",
    "verify": "Cross-validate the generated code against arbitrary precision.",
    "prove": "Prove or refute properties of losses; keep the proofs.",
    "explain": "Print the proofs behind the properties of a loss.",
    "show": "Print what a loss is, its formula, or what the compiler made of it.",
    "list": "List the losses of the project.",
    "init": "Start a project: configuration, an example spec, git attributes.",
    "new": "Start a spec file from a template.",
    "rule": "Explain the code of a finding, such as LC104.",
}


class Verbs(click.Group):
    """Imports a command when it is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a project's life, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Looks for a module of the command's name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"losscompiler.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggests a command where there is none of that name."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            known = f"the commands are {', '.join(COMMANDS)}"
            raise failure(
                "LC605", f"there is no command `{name}`", did_you_mean(name, COMMANDS, known)
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"losscompiler {version('losscompiler')}")
        ctx.exit()


@click.group(cls=Verbs, no_args_is_help=False, context_settings={"max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version.",
)
def cli() -> None:
    """Write a loss once, as mathematics; get tested code for NumPy, PyTorch, TensorFlow and JAX."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    if arguments is None:
        _end_in_order()
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = next((word for word in given if not word.startswith("-")), "")
    try:
        answer = _answer(given)
        if isinstance(answer, int):
            return answer
        wanted = {option: f"--{option}" in given for option in ("json", "traceback")}
        return emit(answer, command, as_json=wanted["json"], traceback=wanted["traceback"])
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        sys.stderr.close()
        return 1


def _end_in_order() -> None:
    """Makes a request to end run our `finally`s: they stop processes and undo half a write."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)


def _answer(given: list[str]) -> Answer | int:
    try:
        answer = cli.main(given or ["--help"], prog_name="losscompiler", standalone_mode=False)
    except Failure as problem:
        return problem.answer
    except click.UsageError as error:
        usage = error.ctx.get_usage() if error.ctx else ""
        return failure("LC605", error.format_message(), usage).answer
    except click.ClickException as error:
        return failure("LC605", error.format_message()).answer
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        if "--traceback" in given:
            raise
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        return failure(INTERNAL, f"internal error of losscompiler: {said}").answer
    return answer if isinstance(answer, Answer | int) else 0
