"""Time before the first epoch: sorting ratings into blocks, and reading text ids.

Run: python -m benchmarks.preparation
"""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import factorate as ft
from factorate import datasets
from factorate._input.ratings import read_ratings

RUNS = 5
N, N_USERS, N_ITEMS, K = 10_000_000, 69_878, 10_677, 64
FLOAT = np.dtype(np.float32)


def seconds(function: Callable[[], Any]) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def show(name: str, values: list[float]) -> None:
    """Print the median of some times with their spread."""
    middle = statistics.median(values)
    print(f"{name:<44} {middle:7.3f} s ({min(values):.3f} to {max(values):.3f})", flush=True)


def from_arrays(columns: Any, n_threads: int) -> tuple[float, float]:
    """Return the seconds before the first epoch, ids included, and those of an epoch."""
    model = ft.MatrixFactorization(K, 5, random_state=0, n_threads=n_threads)
    reading = seconds(lambda: read_ratings(columns, dtype=FLOAT))
    past = model.fit(columns).history_["seconds"]
    epoch = float(np.median(np.diff(past)))
    return reading + past[0] - epoch, epoch


def main() -> None:
    """Print the table."""
    columns = datasets.synthetic(N, N_USERS, N_ITEMS)
    print(f"{N:,} ratings of {N_USERS:,} users and {N_ITEMS:,} items, K = {K}")
    runs = [(from_arrays(columns, 1), from_arrays(columns, 2)) for _ in range(RUNS)]
    epochs = [2 * one[1] for one, _ in runs]
    show("two epochs, one thread", epochs)
    for index, n_threads in enumerate((1, 2)):
        show(f"integer arrays to blocks, {n_threads} thread(s)", [run[index][0] for run in runs])
        ratios = [run[index][0] / two for run, two in zip(runs, epochs, strict=True)]
        print(f"{'  of two epochs':<44} {statistics.median(ratios):7.2f}")

    text = np.array([f"user-{u:06}" for u in range(N_USERS)], object)[columns[0]]
    others = {"item": columns[1], "rating": columns[2]}
    for name, users, factorize in text_columns(text):
        frame = {"user": users, **others}
        times: list[tuple[float, float]] = []
        for _ in range(RUNS):
            own = seconds(partial(factorize, users))
            times.append((own, seconds(partial(read_ratings, frame, dtype=FLOAT))))
        show(f"{name}, factorize", [own for own, _ in times])
        show(f"{name}, read with items and ratings", [reading for _, reading in times])


def text_columns(text: Any) -> Iterator[tuple[str, Any, Callable[[Any], Any]]]:
    """Yield columns of the same text, with the way of each library to number its values."""

    def factorize(column: Any) -> Any:
        return pd.factorize(column, sort=True)

    def encode(column: Any) -> Any:
        return column.cast(pl.Categorical).to_physical()

    yield "NumPy objects", text, factorize
    yield "pandas, object", pd.Series(text, dtype=object), factorize
    yield "pandas, str", pd.Series(text, dtype="str"), factorize
    yield "pandas, category", pd.Series(text, dtype="category"), factorize
    yield "polars, String", pl.Series(text.tolist()), encode
    yield "pyarrow, string", pa.array(text), lambda column: column.dictionary_encode()


if __name__ == "__main__":
    main()
