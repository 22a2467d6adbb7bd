"""Benchmarks; `python -m benchmarks` compares factorate with other libraries."""
