"""Compare the compiled textbook algorithm with the reference, in result and in time.

Run: python -m benchmarks.textbook
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import factorate as ft
from factorate import reference

RUNS = 5
STEPS = 5000
CALLS = 50  # of the compiled function per run; one takes half a millisecond


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return the seconds of a call and its result."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def repeat(times: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function several times and return its last result."""
    for _ in range(times):
        result = function(*arguments)
    return result


def main() -> None:
    """Print the largest relative difference and the ratio of the times."""
    arguments = (*ft.datasets.textbook(), 3, STEPS)
    plain, compiled = [], []
    for _ in range(RUNS):
        seconds, expected = timed(reference.matrix_factorization, *arguments)
        plain.append(seconds)
        seconds, got = timed(repeat, CALLS, ft.matrix_factorization, *arguments)
        compiled.append(seconds / CALLS)
    difference = max(
        float(np.max(np.abs(a - b) / np.abs(b))) for a, b in zip(got, expected, strict=True)
    )
    ratios = [a / b for a, b in zip(plain, compiled, strict=True)]
    R = arguments[0]
    largest_error = np.abs(got[0] @ got[1].T - R)[R > 0].max()
    print(f"steps                          {STEPS}")
    print(f"largest relative difference    {difference:.1e}")
    print(f"largest error of a rating      {largest_error:.3f}")
    print(f"reference                      {statistics.median(plain):.3f} s")
    print(f"compiled                       {statistics.median(compiled) * 1e3:.3f} ms")
    print(
        f"ratio, median of {RUNS}             {statistics.median(ratios):.0f} "
        f"({min(ratios):.0f} to {max(ratios):.0f})"
    )


if __name__ == "__main__":
    main()
