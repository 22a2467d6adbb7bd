"""Small fits, and calls that concern one user, one item or a few ratings.

Each round measures every call several times and takes the median; the output is the median of the
rounds, with their minimum and maximum. The script reads ml-100k.npz and ml-1m.npz from the folder
FACTORATE_TEST_DATA (default ../shared/data).

Run: python -m benchmarks.small [CALL ...]
"""

import functools
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import factorate as ft

DEFAULT_FOLDER = Path(__file__).parents[2] / "shared" / "data"
ROUNDS = 7
ROUND_SECONDS = 0.1  # of the calls of a round
BATCH = 2001

Call = Callable[[], object]


def data(name: str) -> Any:
    """Return the arrays of a rating set."""
    folder = Path(os.environ.get("FACTORATE_TEST_DATA", DEFAULT_FOLDER))
    return np.load(folder / f"{name}.npz")


@functools.cache
def ratings(n: int | None) -> Any:
    """Return n synthetic ratings of 943 users and 1682 items, or those of MovieLens 100K."""
    if n is not None:
        return ft.datasets.synthetic(n, 943, 1682)
    return tuple(data("ml-100k")[name] for name in ("user", "item", "rating"))


def fit(n: int | None, n_factors: int, **parameters: Any) -> Call:
    """Return a fit."""
    columns = ratings(n)
    model = ft.MatrixFactorization(n_factors, random_state=0, n_threads=1, **parameters)
    return lambda: model.fit(columns)


def fit_textbook() -> Call:
    """Return a fit to the matrix of the textbook."""
    R, _, _ = ft.datasets.textbook()
    model = ft.MatrixFactorization(3, random_state=0, n_threads=1)
    return lambda: model.fit(R)


@functools.cache
def model(large: bool = False) -> ft.MatrixFactorization:
    """Return a fitted model whose tables of ids exist."""
    columns = ft.datasets.synthetic(1_000_000, 60_000, 10_000) if large else ratings(None)
    fitted = ft.MatrixFactorization(64, 3, random_state=0, n_threads=1).fit(columns)
    fitted.predict(([0], [0]))
    return fitted


def changing(fitted: ft.MatrixFactorization, call: Callable[[], object]) -> Call:
    """Return a call that begins with the same fitted state each time."""
    before = fitted._fitted

    def begin_again() -> None:
        fitted._fitted = before
        call()

    return begin_again


def partial_fit(*, new: bool = False, large: bool = False) -> Call:
    """Return a `partial_fit` of one rating, by a known or a new user."""
    fitted = model(large)
    user = len(fitted.users_) if new else 7
    return changing(fitted, lambda: fitted.partial_fit(([user], [9], [4.0])))


def partial_fit_batch() -> Call:
    """Return a `partial_fit` of the ratings that follow 80 % of MovieLens 1M in time."""
    arrays = data("ml-1m")
    order = np.argsort(arrays["timestamp"], kind="stable")
    columns = [arrays[name][order] for name in ("user", "item", "rating")]
    n = 8 * len(order) // 10
    fitted = ft.MatrixFactorization(n_epochs=2, random_state=0, n_threads=1)
    fitted.fit(tuple(column[:n] for column in columns))
    batch = tuple(column[n : n + BATCH] for column in columns)
    return changing(fitted, lambda: fitted.partial_fit(batch))


def add_users(*, large: bool = False) -> Call:
    """Return the addition of one user with 20 ratings."""
    fitted = model(large)
    columns = [len(fitted.users_)] * 20, list(range(20)), [4.0, 2.0] * 10
    return changing(fitted, lambda: fitted.add_users(columns))


@functools.cache
def saved_model() -> Any:
    """Return a temporary folder with a file of the model."""
    folder = tempfile.TemporaryDirectory()
    model().save(Path(folder.name, "model.npz"))
    return folder


def load(*, mmap: bool = False) -> Call:
    """Return the loading of a model from a file."""
    path = Path(saved_model().name, "model.npz")
    return lambda: ft.load(path, mmap=mmap)


CALLS: dict[str, Callable[[], Call]] = {
    "fit, 100,000 ratings, K = 16": lambda: fit(None, 16),
    "fit, 100,000 ratings, K = 64": lambda: fit(None, 64),
    "fit, 100,000 synthetic ratings, K = 16": lambda: fit(100_000, 16),
    "fit, 100,000 synthetic ratings, K = 64": lambda: fit(100_000, 64),
    "fit, early stopping, K = 16": lambda: fit(None, 16, early_stopping=True),
    "fit, SVD++ terms, K = 16": lambda: fit(None, 16, svdpp=True),
    "fit, SVD++ terms, K = 64": lambda: fit(None, 64, svdpp=True),
    "fit, 10,000 ratings, K = 16": lambda: fit(10_000, 16),
    "fit, 10,000 ratings, K = 64": lambda: fit(10_000, 64),
    "fit, 6 × 4 matrix, K = 3": fit_textbook,
    "partial_fit, one rating": partial_fit,
    "partial_fit, one rating, new user": lambda: partial_fit(new=True),
    "partial_fit, one rating, 60,000 users": lambda: partial_fit(large=True),
    "partial_fit, 2,001 ratings, new users": partial_fit_batch,
    "add_users, one user": add_users,
    "add_users, one user, 60,000 users": lambda: add_users(large=True),
    "recommend_for, 20 ratings": lambda: functools.partial(
        model().recommend_for, dict.fromkeys(range(20), 4.0)
    ),
    "predict, one pair": lambda: functools.partial(model().predict, ([7], [9])),
    "recommend, one user": lambda: functools.partial(model().recommend, 7),
    "similar_items, one item": lambda: functools.partial(model().similar_items, 9),
    "evaluate, five ratings": lambda: functools.partial(
        model().evaluate, ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [4.0] * 5)
    ),
    "load": load,
    "load, memory-mapped": lambda: load(mmap=True),
}


def microseconds(call: Call) -> float:
    """Return the median time of a call, which is repeated for `ROUND_SECONDS`."""
    times: list[float] = []
    while sum(times) < ROUND_SECONDS or len(times) < 3:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e6 * statistics.median(times)


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore", ft.UnknownIdWarning)
    chosen = {name: make() for name, make in CALLS.items() if name in (sys.argv[1:] or CALLS)}
    runs: dict[str, list[float]] = {name: [] for name in chosen}
    for call in chosen.values():
        call()
    for _ in range(ROUNDS):
        for name, call in chosen.items():
            runs[name].append(microseconds(call))
    for name, times in runs.items():
        middle = statistics.median(times)
        print(f"{name:<40} {middle:9,.0f} µs ({min(times):,.0f} to {max(times):,.0f})")


if __name__ == "__main__":
    main()
