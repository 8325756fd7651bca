"""NumPy's file of this name, which is copied in place of this one."""

from losscompiler.backends.numpy.runtime._descriptors import Parameter

__all__ = ["Parameter"]
