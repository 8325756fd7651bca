"""Losses whose convexity is known, as specs, written as authors do."""

from __future__ import annotations

from typing import Any

from losscompiler.spec import (
    Abs,
    Interval,
    Loss,
    Max,
    Param,
    Piecewise,
    Prediction,
    Rational,
    Target,
    atan,
    cosh,
    exp,
    log,
    loss,
    oo,
    sigmoid,
    sqrt,
)

CONVEX: dict[str, Loss] = {}
NONCONVEX: dict[str, Loss] = {}
REAL, LOGIT = {"p": Prediction()}, {"z": Prediction()}
OPEN = Interval.open(0, 1)
PROBABILITY = {"q": Prediction(domain=OPEN)}
PAIR = {"p": Prediction(), "y": Target()}
SIGNED = {"p": Prediction(), "y": Target(values={-1, 1})}
RATE = {"mu": Prediction(positive=True), "t": Target(positive=True)}
THREE = {f"z{n}": Prediction() for n in (1, 2, 3)}
TWO = {"p1": Prediction(domain=OPEN), "p2": Prediction(domain=OPEN)}


def positive(name: str) -> dict[str, Any]:
    return {name: Param(1, positive=True)}


def add(table: dict[str, Loss], name: str, formula: Any, *inputs: dict[str, Any]) -> None:
    """Declares a loss from a formula over its inputs."""
    roles = {n: r for given in inputs for n, r in given.items()}
    ordered = sorted(roles, key=lambda n: roles[n].kind == "param")
    given = ", ".join(f"{n}=roles[{n!r}]" for n in ordered if roles[n].kind != "param")
    named = ", ".join(f"{n}=roles[{n!r}]" for n in ordered if roles[n].kind == "param")
    signature = ", ".join(part for part in (given, named and f"*, {named}") if part)
    passed = ", ".join(f"{n}={n}" for n in roles)
    namespace: dict[str, Any] = {"roles": roles, "formula": formula}
    exec(f"def {name}({signature}):\n    return formula({passed})", namespace)
    table[name] = loss(namespace[name])


def lse(*scores: Any) -> Any:
    return log(sum(exp(s) for s in scores))


def convex(name: str, formula: Any, *inputs: dict[str, Any]) -> None:
    add(CONVEX, name, formula, *inputs)


def nonconvex(name: str, formula: Any, *inputs: dict[str, Any]) -> None:
    add(NONCONVEX, name, formula, *inputs)


TAU = {"tau": Param(Rational(1, 2), domain=OPEN)}
SOFT = {"y": Target(interval=(0, 1))}
COUNT = {"t": Target(nonnegative=True)}
convex("mse", lambda p, y: (p - y) ** 2, PAIR)
convex("mae", lambda p, y: Abs(p - y), PAIR)
convex(
    "huber",
    lambda p, y, delta: Piecewise(
        ((p - y) ** 2 / 2, Abs(p - y) <= delta), (delta * (Abs(p - y) - delta / 2), True)
    ),
    PAIR,
    positive("delta"),
)
convex(
    "smooth_l1",
    lambda p, y, beta: Piecewise(
        ((p - y) ** 2 / (2 * beta), Abs(p - y) < beta), (Abs(p - y) - beta / 2, True)
    ),
    PAIR,
    positive("beta"),
)
convex("logcosh", lambda p, y: log(cosh(p - y)), PAIR)
convex("quantile", lambda p, y, tau: Max(tau * (y - p), (tau - 1) * (y - p)), PAIR, TAU)
convex(
    "expectile",
    lambda p, y, tau: Piecewise((tau * (y - p) ** 2, y >= p), ((1 - tau) * (y - p) ** 2, True)),
    PAIR,
    TAU,
)
convex("bce_prob", lambda q, y: -y * log(q) - (1 - y) * log(1 - q), PROBABILITY, SOFT)
convex(
    "bce_logit_naive",
    lambda z, y: -y * log(1 / (1 + exp(-z))) - (1 - y) * log(1 - 1 / (1 + exp(-z))),
    LOGIT,
    SOFT,
)
convex("bce_logit_stable", lambda z, y: Max(z, 0) - z * y + log(1 + exp(-Abs(z))), LOGIT, SOFT)
convex("softmax_ce3", lambda z1, z2, z3: lse(z1, z2, z3) - z1, THREE)
convex(
    "softmax_ce3_naive",
    lambda z1, z2, z3: -log(exp(z1) / (exp(z1) + exp(z2) + exp(z3))),
    THREE,
)
convex("hinge", lambda p, y: Max(0, 1 - y * p), SIGNED)
convex("squared_hinge", lambda p, y: Max(0, 1 - y * p) ** 2, SIGNED)
convex(
    "modified_huber",
    lambda p, y: Piecewise((Max(0, 1 - y * p) ** 2, y * p >= -1), (-4 * y * p, True)),
    SIGNED,
)
convex("multiclass_hinge3", lambda z1, z2, z3: Max(0, 1 + z2 - z1, 1 + z3 - z1), THREE)
convex("focal_prob", lambda q, gamma: -((1 - q) ** gamma) * log(q), PROBABILITY, positive("gamma"))
nonconvex("focal_logit", lambda z: (1 - sigmoid(z)) ** 2 * log(1 + exp(-z)), LOGIT)
convex(
    "kl_in_q", lambda q, t: t * log(t / q), {"q": Prediction(positive=True)},
    {"t": Target(positive=True)},
)  # fmt: skip
convex(
    "kl_joint", lambda w, q: w * log(w / q), {"w": Prediction(positive=True)},
    {"q": Prediction(positive=True)},
)  # fmt: skip
convex("poisson_log", lambda z, t: exp(z) - t * z, LOGIT, COUNT)
convex("poisson_rate", lambda mu, t: mu - t * log(mu), {"mu": Prediction(positive=True)}, COUNT)


def gaussian(p: Any, y: Any, s: Any) -> Any:
    return s / 2 + (p - y) ** 2 * exp(-s) / 2


convex("gauss_nll_mu", gaussian, PAIR, {"s": Target()})
convex("gauss_nll_logvar", gaussian, {"p": Target(), "y": Target(), "s": Prediction()})
nonconvex("gauss_nll_joint", gaussian, PAIR, {"s": Prediction()})
nonconvex(
    "tukey",
    lambda p, y, c: Piecewise(
        (c**2 / 6 * (1 - (1 - ((p - y) / c) ** 2) ** 3), Abs(p - y) <= c), (c**2 / 6, True)
    ),
    PAIR,
    positive("c"),
)
nonconvex("cauchy", lambda p, y, c: c**2 / 2 * log(1 + ((p - y) / c) ** 2), PAIR, positive("c"))
nonconvex(
    "geman_mcclure", lambda p, y, c: (p - y) ** 2 / ((p - y) ** 2 + c**2), PAIR, positive("c")
)
convex("charbonnier", lambda p, y, eps: sqrt((p - y) ** 2 + eps**2), PAIR, positive("eps"))
convex(
    "pseudo_huber", lambda p, y, d: d**2 * (sqrt(1 + ((p - y) / d) ** 2) - 1), PAIR, positive("d")
)
convex(
    "linex", lambda p, y, a: exp(a * (p - y)) - a * (p - y) - 1, PAIR, {"a": Param(1, real=True)}
)
nonconvex("dice2", lambda p1, p2: 1 - 2 * p1 / (p1 + p2 + 1), TWO)
nonconvex(
    "dice_squared2",
    lambda p1, p2, y1, y2: 1 - 2 * (p1 * y1 + p2 * y2) / (p1**2 + p2**2 + y1**2 + y2**2),
    TWO,
    {"y1": Target(domain=OPEN), "y2": Target(domain=OPEN)},
)
nonconvex(
    "tversky2",
    lambda p1, p2, a, b: 1 - p1 / (p1 + a * p2 + b * (1 - p1)),
    TWO,
    positive("a"),
    positive("b"),
)
convex("exponential", lambda p, y: exp(-y * p), SIGNED)
nonconvex("savage", lambda p, y: 1 / (1 + exp(y * p)) ** 2, SIGNED)
nonconvex("tangent", lambda p, y: (2 * atan(y * p) - 1) ** 2, SIGNED)
RHO = {"rho": Param(Rational(3, 2), domain=Interval.open(1, 2))}
nonconvex(
    "tweedie_mu",
    lambda mu, t, rho: -t * mu ** (1 - rho) / (1 - rho) + mu ** (2 - rho) / (2 - rho),
    RATE,
    RHO,
)
convex(
    "tweedie_log",
    lambda z, t, rho: -t * exp((1 - rho) * z) / (1 - rho) + exp((2 - rho) * z) / (2 - rho),
    LOGIT,
    COUNT,
    RHO,
)
nonconvex("gamma_nll_mu", lambda mu, t: log(mu) + t / mu, RATE)
convex("gamma_nll_log", lambda z, t: z + t * exp(-z), LOGIT, {"t": Target(positive=True)})
convex("mape", lambda p, y: Abs((y - p) / y), {"p": Prediction()}, {"y": Target(positive=True)})
nonconvex(
    "msle", lambda q, t: (log(1 + q) - log(1 + t)) ** 2, {"q": Prediction(positive=True)}, COUNT
)
convex("epsilon_insensitive", lambda p, y, e: Max(0, Abs(p - y) - e), PAIR, positive("e"))
nonconvex("brier_logit", lambda z, y: (sigmoid(z) - y) ** 2, LOGIT, {"y": Target(values={0, 1})})
convex(
    "barron",
    lambda p, y, c: (
        Rational(1, 3) * ((((p - y) / c) ** 2 / Rational(1, 2) + 1) ** Rational(3, 4) - 1)
    ),
    PAIR,
    positive("c"),
)
convex("lp", lambda p, y, k: Abs(p - y) ** k, PAIR, {"k": Param(2, domain=Interval.open(1, oo))})
convex(
    "generalised_ce", lambda q, k: (1 - q**k) / k, PROBABILITY,
    {"k": Param(Rational(1, 2), domain=OPEN)},
)  # fmt: skip
nonconvex("poly1_logit", lambda z, e: log(1 + exp(-z)) + e * (1 - sigmoid(z)), LOGIT, positive("e"))
convex("focal_prob_2", lambda q: -((1 - q) ** 2) * log(q), PROBABILITY)

ALL = {**CONVEX, **NONCONVEX}
assert len(ALL) == 50
