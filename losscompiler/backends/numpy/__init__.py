"""NumPy: plain functions on arrays."""
