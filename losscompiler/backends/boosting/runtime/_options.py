"""NumPy's file of this name, which is copied in place of this one."""

from losscompiler.backends.numpy.runtime._options import Array, ArrayLike, Result, Scalar

__all__ = ["Array", "ArrayLike", "Result", "Scalar"]
