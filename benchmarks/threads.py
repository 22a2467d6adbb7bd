"""Compare training with one and two threads: time per epoch, and equality of the results.

Run: python -m benchmarks.threads [--libmf PATH]
"""

import argparse
import statistics
from typing import Any

import numpy as np

import factorate as ft
from benchmarks.engines import ENGINES, Job
from factorate import datasets

N_USERS, N_ITEMS = 69_878, 10_677
EPOCHS = {"factorate": (2, 14), "LIBMF": (2, 6)}
RUNS = 5


def epoch(engine: str, job: dict[str, Any]) -> float:
    """Return the seconds of an epoch, from the difference of a long and a short training."""
    few, many = EPOCHS[engine]
    short, long = (ENGINES[engine](Job(**job, n_epochs=n)).seconds for n in (few, many))
    return (long - short) / (many - few)


def is_deterministic(columns: Any, n_factors: int) -> bool:
    """Return whether results with one and two threads are bit-for-bit identical."""
    one, two = (
        ft.MatrixFactorization(n_factors, 3, random_state=0, n_threads=n).fit(columns)
        for n in (1, 2)
    )
    names = "user_factors_", "item_factors_", "user_bias_", "item_bias_"
    return all(np.array_equal(getattr(one, name), getattr(two, name)) for name in names)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--libmf", metavar="PATH", help="shared library of LIBMF")
    parser.add_argument("--factors", type=int, nargs="+", default=[32, 64, 128])
    arguments = parser.parse_args()
    columns = datasets.synthetic(10_000_000, N_USERS, N_ITEMS)
    engines = ["factorate"] if arguments.libmf is None else list(EPOCHS)
    base: dict[str, Any] = dict(zip(("users", "items", "ratings"), columns, strict=True))
    base |= {"n_users": N_USERS, "n_items": N_ITEMS, "libmf": arguments.libmf}
    for n_factors in arguments.factors:
        seconds: dict[tuple[str, int], list[float]] = {}
        for _ in range(RUNS):
            for engine in engines:
                for n_threads in (1, 2):
                    job = base | {"n_factors": n_factors, "n_threads": n_threads}
                    seconds.setdefault((engine, n_threads), []).append(epoch(engine, job))
        for engine in engines:
            one, two = seconds[engine, 1], seconds[engine, 2]
            ratios = [a / b for a, b in zip(one, two, strict=True)]
            print(
                f"K={n_factors:<4} {engine:<10} one thread {statistics.median(one):.4f} s/epoch, "
                f"two {statistics.median(two):.4f}; speed-up {statistics.median(ratios):.2f} "
                f"({min(ratios):.2f} to {max(ratios):.2f})",
                flush=True,
            )
        print(
            f"K={n_factors:<4} identical results: {is_deterministic(columns, n_factors)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
