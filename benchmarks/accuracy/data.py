"""The seven sets of ratings and their standard split; imports NumPy only.

The sets are read from the folder FACTORATE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SETS = ("filmtrust", "ciao", "digital_music", "steam", "jester", "ml-100k", "ml-1m")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ratings:
    """Columns of ratings; `times` is None for sets without timestamps."""

    users: Any
    items: Any
    ratings: Any
    times: Any = None

    def __len__(self) -> int:
        """Return the number of ratings."""
        return len(self.users)

    def take(self, rows: Any) -> Ratings:
        """Select ratings by their rows or a mask."""
        times = None if self.times is None else self.times[rows]
        return Ratings(self.users[rows], self.items[rows], self.ratings[rows], times)

    @property
    def columns(self) -> tuple[Any, Any, Any]:
        """The users, items and ratings, as `fit` takes them."""
        return self.users, self.items, self.ratings


def read(name: str) -> Ratings:
    """Read a set; hours played on Steam become log(1 + hours)."""
    folder = Path(os.environ.get("FACTORATE_TEST_DATA", ROOT.parent / "shared" / "data"))
    with np.load(folder / f"{name}.npz") as file:
        ratings = np.log1p(file["rating"]) if name == "steam" else file["rating"]
        return Ratings(file["user"], file["item"], ratings, file.get("timestamp"))


def standard_split(ratings: Ratings, seed: int) -> tuple[Ratings, Ratings]:
    """Return a training set and a test set, a random tenth."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    test, training = np.split(order, [len(order) // 10])
    return ratings.take(training), ratings.take(test)


def rmse(predicted: Any, ratings: Any) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((np.asarray(ratings, np.float64) - predicted) ** 2)))
