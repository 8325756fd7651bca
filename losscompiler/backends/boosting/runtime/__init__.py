"""The hand-written files that are copied beside the generated objectives.

Files of NumPy's run-time that they use are copied, too: files that only import these stand in for
them here.
"""
