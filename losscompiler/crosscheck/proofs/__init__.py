"""Verdicts about losses, checked by means that share nothing with what found them."""
