"""Proof that emitted code agrees with the formula its author wrote, to the last bits."""
