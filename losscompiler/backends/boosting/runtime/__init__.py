"""The hand-written files that are copied beside the generated objectives.

Files of NumPy's run-time that they use are copied, too; `_checks`, `_descriptors`, `_functions` and
`_options` stand here in their place.
"""
