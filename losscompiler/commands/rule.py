"""`losscompiler rule`: what a code means."""

from __future__ import annotations

import textwrap

import click

from losscompiler.commands import options
from losscompiler.commands.answer import Answer, failure, table
from losscompiler.rules import FAMILIES, RULES, Rule
from losscompiler.suggest import did_you_mean


@click.command("rule")
@click.argument("code", required=False)
@click.option("--all", "every", is_flag=True, help="List every code.")
@options.output
def command(code: str | None, every: bool) -> Answer:
    """Explain the code of a finding, such as LC104."""
    if every == (code is not None):
        raise click.UsageError("give one code, or --all")
    if code is None:
        return Answer({"rules": [rule.to_json() for rule in RULES.values()]}, _all())
    rule = RULES.get(code.upper()) or next((r for r in RULES.values() if r.name == code), None)
    if rule is None:
        remedy = did_you_mean(code.upper(), RULES, "`losscompiler rule --all` lists every code")
        raise failure("LC605", f"there is no rule `{code}`", remedy)
    return Answer({"rules": [rule.to_json()]}, page(rule))


def _all() -> str:
    parts = []
    for family, title in FAMILIES.items():
        rows = [(r.code, r.summary) for r in RULES.values() if r.code.startswith(family)]
        parts.append(f"{family}xx {title}\n{textwrap.indent(table(rows), '  ')}")
    return "\n\n".join(parts)


def page(rule: Rule) -> str:
    """A rule as a page for the terminal."""
    return "\n\n".join(
        (
            f"{rule.code} {rule.name} ({rule.severity})",
            f"{rule.summary[0].upper()}{rule.summary[1:]}.",
            textwrap.fill(rule.why, width=88),
            "Instead of\n\n" + textwrap.indent(rule.bad, "    "),
            "write\n\n" + textwrap.indent(rule.good, "    "),
        )
    )
