"""Nodes that switch between smooth pieces of an expression, and what they switch at."""

from __future__ import annotations

import sympy as sp
from sympy.core.relational import Relational

from losscompiler.ir.operators import Magnitude, Maximum, Minimum, Sign

CONTINUOUS = (Magnitude, Maximum, Minimum)
ORDERED = (sp.Lt, sp.Le, sp.Gt, sp.Ge)
JUMPING = (Sign, *ORDERED)
KINKED = (*CONTINUOUS, *JUMPING)
"""What switches where a guard changes its sign; an equation holds only where that vanishes."""


def is_switch(node: sp.Basic) -> bool:
    """Whether a node is one thing on one side of a guard, and another on the other or on it."""
    return isinstance(node, (*KINKED, Relational))


def guard_of(node: sp.Basic) -> sp.Expr:
    """What has another sign, or vanishes, where a switch turns."""
    if isinstance(node, Magnitude | Sign):
        return node.args[0]
    return node.args[0] - node.args[1]
