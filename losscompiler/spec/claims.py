"""What an author may claim about a loss: `@loss(claims=[convex, smooth(1)])`."""

from __future__ import annotations

from dataclasses import dataclass

from losscompiler.diagnostics import SpecError


@dataclass(frozen=True)
class Claimed:
    """One claim: a property by its name in the report, and, for some, how much of it."""

    name: str
    amount: str = ""

    @property
    def text(self) -> str:
        """As one writes it."""
        return f"{self.name}({self.amount})" if self.amount else self.name


convex = Claimed("convex")
strictly_convex = Claimed("strictly_convex")
quasi_convex = Claimed("quasi_convex")
log_convex = Claimed("log_convex")
proper = Claimed("proper")
calibrated = Claimed("calibrated")
symmetric = Claimed("symmetric")
translation_invariant = Claimed("translation_invariant")


def smooth(order: int) -> Claimed:
    """Derivatives up to an order exist and are continuous."""
    return Claimed("smooth", str(int(order)))


def check_claims(name: str, claims: tuple[Claimed, ...]) -> None:
    """Raises a diagnostic for what is no claim."""
    for claim in claims:
        if not isinstance(claim, Claimed):
            raise SpecError(
                "LC101",
                f"`claims` of `{name}` has {claim!r} in it, which is no claim",
                help="import claims such as `convex` or `smooth(1)` from losscompiler.spec.claims",
            )
