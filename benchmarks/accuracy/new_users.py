"""Users added after training from 1, 5 or 10 of their ratings.

A fifth of the users with more than 10 ratings is left out of training; where fewer than 100 users
have as many, a fifth of those with more than 5. Their ratings are put in random order. The first g
are given, those after the tenth (or fifth) are predicted, the same ones for every g. The shrunken
mean is μ + b_i + Σ (r − μ − b_i) / (g + c), with the c that is best on the predicted ratings.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft
from benchmarks.accuracy.data import Ratings, read, rmse
from benchmarks.accuracy.models import error, fit
from benchmarks.accuracy.tables import percent, print_head, print_row, spread

if TYPE_CHECKING:
    from benchmarks.accuracy.tables import Options

GIVEN = (1, 5, 10)
STRENGTHS = (1, 2, 5, 10, 20)  # c of the shrunken mean
N_USERS, N_RATINGS, N_ITEMS, RUNS = 10_000, 50, 10_677, 5


@dataclass(frozen=True)
class NewUsers:
    """Ratings of users that are left out of training, by their random rank within the user."""

    training: Ratings
    left_out: Ratings
    ranks: Any
    most: int  # given ratings

    def given(self, g: int) -> Ratings:
        """Return the first g ratings of each user."""
        return self.left_out.take(self.ranks < g)

    @property
    def test(self) -> Ratings:
        """The ratings to predict."""
        return self.left_out.take(self.ranks >= self.most)


def add_new_users(options: Options) -> None:
    """Print the RMSE of users added from few ratings, their hit rate, and the seconds."""
    print_head(
        "RMSE on the other ratings of users added from g of their ratings; mean over seeds",
        *("set", "users", "g", "nothing known", "shrunken mean", "`add_users`", "refit"),
        "`add_users` / refit",
    )
    for name in options.sets:
        seeds = options.seeds(name)
        splits = [leave_users_out(read(name), seed) for seed in seeds]
        tables = [errors(split, seed) for split, seed in zip(splits, seeds, strict=True)]
        for g in tables[0]:
            unknown, shrunken, added, refit = (
                statistics.mean(column)
                for column in zip(*(table[g] for table in tables), strict=True)
            )
            n_users = len(np.unique(splits[0].left_out.users))
            cells = unknown, shrunken, added, refit, percent(added, refit)
            print_row(name, n_users, g, *cells)
    if "ml-1m" in options.sets:
        print_hit_rates(options)
    taken = seconds()
    print(
        f"\n`add_users` of {N_USERS:,} users with {N_RATINGS} ratings each, K = 64: "
        f"{statistics.median(taken):.2f} s ({min(taken):.2f} to {max(taken):.2f})"
    )


def leave_users_out(ratings: Ratings, seed: int) -> NewUsers:
    """Split ratings by users."""
    generator = np.random.default_rng(seed)
    counts = np.bincount(ratings.users)
    most = 10 if (counts > 10).sum() >= 100 else 5
    users = generator.permutation(np.flatnonzero(counts > most))
    shuffled = ratings.take(generator.permutation(len(ratings)))
    late = np.isin(shuffled.users, users[: len(users) // 5])
    left_out = shuffled.take(late)
    left_out = left_out.take(np.argsort(left_out.users, kind="stable"))
    _, starts, counts = np.unique(left_out.users, return_index=True, return_counts=True)
    ranks = np.arange(len(left_out)) - np.repeat(starts, counts)
    return NewUsers(shuffled.take(~late), left_out, ranks, most)


def errors(split: NewUsers, seed: int) -> dict[int, tuple[float, float, float, float]]:
    """Return for each g the RMSE of nothing known, the shrunken mean, add_users and a refit."""
    test = split.test
    model = fit(split.training, seed)
    unknown = error(model, test)
    shrunken = {g: shrunken_mean(model, split.given(g), test) for g in GIVEN if g <= split.most}
    found = {}
    for g in shrunken:
        given = split.given(g)
        # Users that the model already has are computed again from these ratings only.
        added = error(model.add_users(given.columns, unknown="ignore"), test)
        refit = error(fit(joined(split.training, given), seed), test)
        found[g] = unknown, shrunken[g], added, refit
    return found


def shrunken_mean(model: ft.MatrixFactorization, given: Ratings, test: Ratings) -> float:
    """Return the RMSE of item biases plus the shrunken mean of the residuals, for the best c."""

    def base(ratings: Ratings) -> Any:
        return model.predict((ratings.users, ratings.items), unknown="ignore")

    low, high = model_range(given, test)
    sums, counts = (
        np.bincount(given.users, weights, int(test.users.max()) + 1)
        for weights in (given.ratings - base(given), None)
    )
    return min(
        rmse(np.clip(base(test) + (sums / (counts + c))[test.users], low, high), test.ratings)
        for c in STRENGTHS
    )


def model_range(*parts: Ratings) -> tuple[float, float]:
    """Return the lowest and the highest rating."""
    ratings = np.concatenate([part.ratings for part in parts])
    return float(ratings.min()), float(ratings.max())


def joined(*parts: Ratings) -> Ratings:
    """Return the ratings of all parts."""
    columns = zip(*(part.columns for part in parts), strict=True)
    return Ratings(*(np.concatenate(column) for column in columns))


def print_hit_rates(options: Options) -> None:
    """Print how many lists of ten items hold one that the user has rated, after five ratings."""
    known: list[float] = []
    unknown: list[float] = []
    for seed in options.seeds("ml-1m"):
        split = leave_users_out(read("ml-1m"), seed)
        model = fit(split.training, seed)
        given, test = split.given(5), split.left_out.take(split.ranks >= 5)
        hits = []
        for user in np.unique(given.users):
            theirs, others = given.take(given.users == user), test.items[test.users == user]
            lists = (
                model.recommend_for((theirs.items, theirs.ratings), unknown="ignore")[0],
                model.recommend(user, exclude=theirs.items, unknown="ignore")[0],
            )
            hits.append([np.isin(items, others).any() for items in lists])
        for rates, rate in zip((known, unknown), np.mean(hits, axis=0).tolist(), strict=True):
            rates.append(rate)
    print(
        f"\nHit rate at 10 on ml-1m after five ratings: `recommend_for` {spread(known)}, "
        f"the list of unknown users {spread(unknown)}"
    )


def seconds() -> list[float]:
    """Return the seconds of each run that adds many users."""
    model = ft.MatrixFactorization(n_epochs=2, random_state=0, n_threads=1)
    model.fit(ft.datasets.synthetic(500_000, 5_000, N_ITEMS))
    generator = np.random.default_rng(0)
    users = generator.permutation(np.repeat(np.arange(N_USERS), N_RATINGS)) + 5_000
    items = generator.choice(model.items_, len(users))
    ratings = generator.normal(model.global_mean_, 1.0, len(users))
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        model.add_users((users, items, ratings))
        taken.append(time.perf_counter() - start)
        model.remove_users(np.unique(users))
    return taken
