"""NumPy's file of this name, which is copied in place of this one."""

from losscompiler.backends.numpy.runtime._deprecation import former_names, warn_deprecated

__all__ = ["former_names", "warn_deprecated"]
