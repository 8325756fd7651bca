"""One small module per command; each returns an `Answer` and prints nothing."""
