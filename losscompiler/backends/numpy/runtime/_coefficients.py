"""The common file of this name, which is copied in place of this one."""

from losscompiler.backends.common._coefficients import (
    BERNOULLI,
    DIGAMMA,
    DIGAMMA_ZERO,
    EXCESS,
    LGAMMA,
    LOG_ROOT_TAU,
    ROOT_HALF_PI,
    STEPS,
)

__all__ = [
    "BERNOULLI",
    "DIGAMMA",
    "DIGAMMA_ZERO",
    "EXCESS",
    "LGAMMA",
    "LOG_ROOT_TAU",
    "ROOT_HALF_PI",
    "STEPS",
]
