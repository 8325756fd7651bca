"""The common file of this name, which is copied in place of this one."""

from losscompiler.backends.common._descriptors import Argument, Definition, Kernels, Parameter

__all__ = ["Argument", "Definition", "Kernels", "Parameter"]
