"""Compare lists of the highest predicted ratings with lists of the most popular items.

A random tenth of the ratings is held out, and the hit rate at 10 is that of `metrics.ranking`: the
fraction of users whose list of ten items, without those of the training ratings, holds one of their
held-out items. Values are means over seeds 0 to 2, with the default parameters.

Run: python -m benchmarks.popularity [NAME ...]
"""

import argparse
import os
import statistics
from pathlib import Path
from typing import Any

import numpy as np

import factorate as ft

SEEDS = range(3)
DEFAULT_FOLDER = Path(__file__).parents[2] / "shared" / "data"
NAMES = "ml-100k", "ml-1m", "filmtrust", "ciao", "digital_music", "steam"


def read(name: str) -> tuple[Any, Any, Any]:
    """Return users, items and ratings; for steam, whose ratings are hours, log(1 + hours)."""
    folder = Path(os.environ.get("FACTORATE_TEST_DATA", DEFAULT_FOLDER))
    with np.load(folder / f"{name}.npz") as data:
        users, items, ratings = data["user"], data["item"], data["rating"]
    return users, items, np.log1p(ratings) if name == "steam" else ratings


def hit_rates(columns: tuple[Any, Any, Any], seed: int) -> tuple[float, float]:
    """Return the hit rates of the lists of a model and of the most popular items."""
    n = len(columns[0])
    test, training = np.split(np.random.default_rng(seed).permutation(n), [n // 10])
    model = ft.MatrixFactorization(random_state=seed)
    model.fit(tuple(column[training] for column in columns))
    held_out = tuple(column[test] for column in columns)
    found = ft.metrics.ranking(model, held_out, popular=True, unknown="ignore")
    return found["hit_rate"], found["popular_hit_rate"]


def main() -> None:
    """Print a table with a row for each data set."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.popularity")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help="data sets")
    names = parser.parse_args().names
    print("| hit rate at 10 | highest predicted ratings | most popular items |")
    print("|---|---:|---:|")
    for name in names:
        columns = read(name)
        rates = [hit_rates(columns, seed) for seed in SEEDS]
        by_rating, by_popularity = (
            f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"
            for values in zip(*rates, strict=True)
        )
        print(f"| {name} | {by_rating} | {by_popularity} |", flush=True)


if __name__ == "__main__":
    main()
