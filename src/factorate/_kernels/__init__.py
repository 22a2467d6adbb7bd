"""The compiled loops, and the choice of their instruction set."""
