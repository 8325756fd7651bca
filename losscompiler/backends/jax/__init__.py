"""The JAX backend: operator spellings, and the files that every generated package holds."""
