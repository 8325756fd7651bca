"""Measurements that are run by hand: they need more than the tests do."""
