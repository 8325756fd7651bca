"""What is known about symbols: the sets they lie in and inequalities between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from losscompiler.analysis.elementary import elementary


@dataclass(frozen=True)
class Claim:
    """`expression relation 0`; the relation is one of >=, >, ==, !=."""

    expression: sp.Expr
    relation: str

    @property
    def is_trivial(self) -> bool:
        """Whether it holds whatever the symbols are."""
        e = self.expression
        if not e.is_number:
            return False
        return {">": e.is_positive, ">=": e.is_nonnegative, "!=": e.is_nonzero}.get(
            self.relation, e.is_zero
        ) is True  # fmt: skip

    def __str__(self) -> str:
        """As one writes it."""
        return f"{self.expression} {self.relation} 0"


@lru_cache(maxsize=10_000)
def membership(symbol: sp.Symbol, domain: sp.Set) -> tuple[Claim, ...]:
    """The inequalities that follow from lying in a set."""
    found: list[Claim] = []
    if isinstance(domain, sp.Interval):
        if domain.start.is_finite:
            found.append(Claim(symbol - domain.start, ">" if domain.left_open else ">="))
        if domain.end.is_finite:
            found.append(Claim(domain.end - symbol, ">" if domain.right_open else ">="))
        return tuple(found)
    low, high = domain.inf, domain.sup
    if low.is_finite:
        found.append(Claim(symbol - low, ">=" if domain.contains(low) == sp.true else ">"))
    if high.is_finite:
        found.append(Claim(high - symbol, ">=" if domain.contains(high) == sp.true else ">"))
    if domain.contains(0) == sp.false and not (found and low.is_nonnegative):
        found.append(Claim(symbol, "!="))
    return tuple(found)


def interior(domain: sp.Set) -> sp.Set:
    """An interval without its ends; other sets as they are."""
    if isinstance(domain, sp.Interval):
        return sp.Interval.open(domain.start, domain.end)
    return domain


@dataclass(frozen=True)
class Context:
    """Symbols with their sets, and further facts; two with equal contents are equal."""

    domains: tuple[tuple[sp.Symbol, sp.Set], ...] = ()
    facts: tuple[Claim, ...] = ()

    @staticmethod
    def over(domains: Mapping[sp.Symbol, sp.Set]) -> Context:
        """A context without further facts."""
        return Context(tuple(sorted(domains.items(), key=lambda d: str(d[0]))))

    def given(self, *facts: Claim) -> Context:
        """With further facts, in the vocabulary of the analysis; what is trivial is left out."""
        added = [Claim(elementary(f.expression), f.relation) for f in facts]
        news = (f for f in added if not f.is_trivial)
        return Context(self.domains, tuple(dict.fromkeys((*self.facts, *news))))

    def inside(self, symbols: Iterable[sp.Symbol]) -> Context:
        """The same with the ends of the sets of some symbols left out."""
        wanted = set(symbols)
        domains = tuple((s, interior(d) if s in wanted else d) for s, d in self.domains)
        return Context(domains, self.facts)

    def domain(self, symbol: sp.Symbol) -> sp.Set:
        """The set that a symbol lies in: the real numbers unless it is known better."""
        return dict(self.domains).get(symbol, sp.S.Reals)

    def about(self, symbols: Iterable[sp.Symbol]) -> tuple[Claim, ...]:
        """The facts, and what the sets of some symbols say, and those of the facts."""
        wanted = set(symbols).union(*(f.expression.free_symbols for f in self.facts))
        domains = (membership(s, d) for s, d in self.domains if s in wanted)
        return (*self.facts, *(claim for claims in domains for claim in claims))
