"""The compiled loops, and the choice among their instruction sets."""
