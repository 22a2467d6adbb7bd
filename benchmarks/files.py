"""What it takes to save a model of half a gigabyte and to load it, mapped and copied.

Run: python benchmarks/files.py [folder]
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
from factorate._fitted.fitted_state import HISTORY, FittedState
from factorate._fitted.model_file import FACTORS
from factorate._input.id_columns import read_ids
from factorate._input.id_index import make_index
from factorate._training.factors import Factors
from factorate._training.losses import UpdateRule

N_USERS, N_ITEMS, K, RUNS = 1_900_000, 100_000, 64, 7


def model(text: bool) -> ft.MatrixFactorization:
    """Return a model of random factors whose users have text or integer ids."""
    generator = np.random.default_rng(0)
    users, items = (
        make_index(read_ids(
            np.array([f"id-{row:08}" for row in range(n)], object) if text else np.arange(n), "ids"
        ), "ids")[0]
        for n in (N_USERS, N_ITEMS)
    )  # fmt: skip
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
    history = dict.fromkeys(HISTORY, np.empty(0))
    made._fitted = FittedState(
        factors, users, items, history, None, None, None, 0, 0, 0, (1.0, 5.0), UpdateRule()
    )
    return made


def in_numpy(path: Path) -> None:
    """Load every array as NumPy does."""
    with np.load(path) as members:
        for name in FACTORS:
            members[name]


def main() -> None:
    """Print the seconds of each, medians with their spread."""
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name, "model.npz")
        for text in (False, True):
            made = model(text)
            ways: dict[str, partial[Any]] = {
                "save": partial(made.save, path),
                "numpy.load, factors alone": partial(in_numpy, path),
                "load": partial(ft.load, path),
                "load, mmap=True": partial(ft.load, path, mmap=True),
            }
            seconds: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(RUNS):
                for way, function in ways.items():
                    began = time.perf_counter()
                    function()
                    seconds[way].append(time.perf_counter() - began)
            size = path.stat().st_size / 1e6
            print(f"{'text' if text else 'integer'} ids, {size:.0f} MB")
            for way, values in seconds.items():
                middle = statistics.median(values)
                print(f"  {way:<28} {middle:7.3f} s ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
