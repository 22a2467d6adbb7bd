"""Time to save and load a model of half a gigabyte, memory-mapped and copied.

Run: python -m benchmarks.files [folder]
"""

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import factorate as ft
from factorate._fitted.rating_file import FACTORS
from factorate._fitted.rating_state import HISTORY, RatingState
from factorate._input.id_column import read_ids
from factorate._input.make_index import make_index
from factorate._training.factors import Factors
from factorate._training.update_rule import UpdateRule

N_USERS, N_ITEMS, K, RUNS = 1_900_000, 100_000, 64, 7


def make_ids(n: int, text: bool) -> Any:
    """Return n text or integer ids."""
    return np.array([f"id-{row:08}" for row in range(n)], object) if text else np.arange(n)


def model(text: bool) -> ft.MatrixFactorization:
    """Return a model with random factors and text or integer ids."""
    generator = np.random.default_rng(0)
    users, items = (
        make_index(read_ids(make_ids(n, text), "ids"), "ids")[0] for n in (N_USERS, N_ITEMS)
    )
    P, Q = (generator.standard_normal((n, K), np.float32) for n in (N_USERS, N_ITEMS))
    user_bias, item_bias = (np.zeros(n, np.float32) for n in (N_USERS, N_ITEMS))
    factors = Factors(
        user_factors=P,
        item_factors=Q,
        user_bias=user_bias,
        item_bias=item_bias,
        mean=3.5,
        scale=1.0,
    )
    made = ft.MatrixFactorization(K)
    history = {name: np.empty(0, np.int64 if name == "epoch" else np.float64) for name in HISTORY}
    made._fitted = RatingState(
        factors=factors,
        user_index=users,
        item_index=items,
        history=history,
        library=None,
        seen=None,
        progress=(np.zeros((N_USERS, 2)), np.zeros((N_ITEMS, 2))),
        accumulators=None,
        seed=0,
        n_partial_fits=0,
        best_epoch=0,
        bounds=(1.0, 5.0),
        rule=UpdateRule(),
    )
    return made


def load_with_numpy(path: Path) -> None:
    """Load the factors and biases with NumPy."""
    with np.load(path) as members:
        for name in FACTORS:
            members[name]


def main() -> None:
    """Print the median of each time with its spread."""
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name, "model.npz")
        for text in (False, True):
            made = model(text)
            operations: dict[str, partial[Any]] = {
                "save": partial(made.save, path),
                "numpy.load, factors only": partial(load_with_numpy, path),
                "load": partial(ft.load, path),
                "load, mmap=True": partial(ft.load, path, mmap=True),
            }
            seconds: dict[str, list[float]] = {operation: [] for operation in operations}
            for _ in range(RUNS):
                for operation, function in operations.items():
                    start = time.perf_counter()
                    function()
                    seconds[operation].append(time.perf_counter() - start)
            size = path.stat().st_size / 1e6
            print(f"{'text' if text else 'integer'} ids, {size:.0f} MB")
            for operation, values in seconds.items():
                middle = statistics.median(values)
                print(f"  {operation:<28} {middle:7.3f} s ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
