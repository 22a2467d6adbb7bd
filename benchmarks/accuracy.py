"""Test RMSE on MovieLens 1M, with settings chosen on a part of the training set.

Reads ml-1m.npz (user, item, rating) from the folder in FACTORATE_TEST_DATA, or ../shared/data.

Run: python benchmarks/accuracy.py
"""

import itertools
import os
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import factorate as ft

N_FACTORS = 64
SEEDS = range(5)
GRID = {
    "n_epochs": (20, 30, 40, 60),
    "learning_rate": (0.006, 0.008, 0.01, 0.012, 0.015),
    "regularization": (0.04, 0.045, 0.05, 0.055),
}
DEFAULT_FOLDER = Path(__file__).parents[2] / "shared" / "data"

Columns = tuple[Any, Any, Any]


def take(columns: Columns, rows: Any) -> Columns:
    """Return some rows of every column."""
    users, items, ratings = columns
    return users[rows], items[rows], ratings[rows]


def fit(columns: Columns, seed: int, **settings: Any) -> ft.MatrixFactorization:
    """Fit a model on one thread."""
    model = ft.MatrixFactorization(N_FACTORS, random_state=seed, n_threads=1, **settings)
    return model.fit(columns)


def choose(training: Columns) -> dict[str, Any]:
    """Return the settings with the least RMSE on a tenth of the training set."""
    held_out, known = np.split(np.arange(len(training[0])), [len(training[0]) // 10])
    candidates = [
        dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())
    ]
    errors = [
        fit(take(training, known), 0, **settings).evaluate(take(training, held_out))["rmse"]
        for settings in candidates
    ]
    return candidates[int(np.argmin(errors))]


def main() -> None:
    """Choose the settings, then read the test set once."""
    warnings.simplefilter("ignore", ft.UnknownIdWarning)
    folder = Path(os.environ.get("FACTORATE_TEST_DATA", DEFAULT_FOLDER))
    data = np.load(folder / "ml-1m.npz")
    columns = data["user"], data["item"], data["rating"]
    order = np.random.default_rng(0).permutation(len(columns[0]))
    test, training = (take(columns, rows) for rows in np.split(order, [len(order) // 10]))

    print(f"MovieLens 1M, standard split, K = {N_FACTORS}, one thread, seeds 0 to 4")
    for name, settings in {"defaults": {}, "chosen": choose(training)}.items():
        errors, seconds = [], []
        for seed in SEEDS:
            began = time.perf_counter()
            model = fit(training, seed, **settings)
            seconds.append(time.perf_counter() - began)
            scores = model.evaluate(test)
            errors.append((scores["rmse"], scores["mae"]))
        rmse, mae = zip(*errors, strict=True)
        print(
            f"{name:<9} rmse {statistics.mean(rmse):.4f} ({min(rmse):.4f} to {max(rmse):.4f})  "
            f"mae {statistics.mean(mae):.4f}  fit {statistics.median(seconds):.2f} s "
            f"({min(seconds):.2f} to {max(seconds):.2f})  {settings}"
        )


if __name__ == "__main__":
    main()
