"""The steps of a build, in which `build.py` is the order: one step or one worry per module."""
