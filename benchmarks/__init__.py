"""Comparisons of speed and accuracy; `python -m benchmarks` runs the one with peers."""
