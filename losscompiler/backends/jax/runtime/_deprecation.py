"""The common file of this name, which is copied in place of this one."""

from losscompiler.backends.common._deprecation import former_names, warn_deprecated

__all__ = ["former_names", "warn_deprecated"]
