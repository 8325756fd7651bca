"""What the packages of all backends have: copied in place of the files that import it here."""
