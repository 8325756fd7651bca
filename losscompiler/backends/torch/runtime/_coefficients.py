"""The common file of this name, which is copied in place of this one."""

from losscompiler.backends.common._coefficients import BERNOULLI, EXCESS, ROOT_HALF_PI, STEPS

__all__ = ["BERNOULLI", "EXCESS", "ROOT_HALF_PI", "STEPS"]
