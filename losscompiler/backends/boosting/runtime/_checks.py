"""NumPy's file of this name, which is copied in place of this one."""

from losscompiler.backends.numpy.runtime._checks import allows, real_array

__all__ = ["allows", "real_array"]
