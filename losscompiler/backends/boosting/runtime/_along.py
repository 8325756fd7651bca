"""NumPy's file of this name, which is copied in place of this one."""

from losscompiler.backends.numpy.runtime import _along as along

__all__ = ["along"]
