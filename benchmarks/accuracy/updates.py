"""Continuing from a fit: nights of `warm_start`, and `partial_fit` of the newest ratings.

Ratings of the training set arrive in random order or by time. Test ratings are the random tenth of
the standard split, or, in the order "future", the last tenth by time.
"""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.accuracy.data import read, standard_split
from benchmarks.accuracy.models import error, fit
from benchmarks.accuracy.tables import percent, print_head, print_row

if TYPE_CHECKING:
    from benchmarks.accuracy.data import Ratings
    from benchmarks.accuracy.tables import Options

NIGHTS = range(1, 7)
EPOCHS = (3, 10)  # of a night
SMALLEST = 50  # test ratings of a group of users whose RMSE is printed


def repeat_nights(options: Options) -> None:
    """Print the RMSE of six nights of warm_start, on the same and on growing ratings."""
    print_head(
        "RMSE after each night of `fit` with `warm_start=True` on the same ratings",
        *("set", "epochs", "first fit", *(f"night {night}" for night in NIGHTS), "last / first"),
    )
    for name in options.sets:
        for n_epochs in EPOCHS:
            runs = [same_ratings(name, seed, n_epochs) for seed in options.seeds(name)]
            means = means_over_seeds(runs)
            print_row(name, n_epochs, *means, percent(means[-1], means[0]))
    print_head(
        "The same, from 40 % of the training ratings and with the next 10 % each night",
        *("set", "order", "epochs", "first fit", *(f"night {night}" for night in NIGHTS)),
        *("fit from nothing", "last / from nothing"),
    )
    for name in options.sets:
        for order, n_epochs in itertools.product(orders(name), EPOCHS):
            runs = [growing_ratings(name, order, seed, n_epochs) for seed in options.seeds(name)]
            means = means_over_seeds(runs)
            print_row(name, order, n_epochs, *means, percent(means[-2], means[-1]))


def same_ratings(name: str, seed: int, n_epochs: int) -> list[float]:
    """Return the RMSE after the first fit and after each night on the same ratings."""
    training, test = standard_split(read(name), seed)
    model = fit(training, seed, warm_start=True)
    first = error(model, test)
    model.set_params(n_epochs=n_epochs)
    return [first, *(error(model.fit(training.columns), test) for _ in NIGHTS)]


def growing_ratings(name: str, order: str, seed: int, n_epochs: int) -> list[float]:
    """Return the RMSE after the first fit, each night on more ratings, and a fit from nothing."""
    training, test = ordered_split(name, order, seed)
    n = len(training)
    model = fit(training.take(slice(4 * n // 10)), seed, warm_start=True)
    errors = [error(model, test)]
    model.set_params(n_epochs=n_epochs)
    for night in NIGHTS:
        model.fit(training.take(slice((4 + night) * n // 10)).columns)
        errors.append(error(model, test))
    return [*errors, error(fit(training, seed), test)]


def update_partially(options: Options) -> None:
    """Print the RMSE before and after partial_fit of a tenth of the training set."""
    print_head(
        "RMSE of a fit to 90 % of the training ratings, `partial_fit` of the others, and a refit",
        *("set", "order", "users", "test ratings", "90 %", "`partial_fit`", "refit"),
        "`partial_fit` / 90 %",
        "`partial_fit` / refit",
    )
    for name in options.sets:
        for order in orders(name):
            runs = [partial_errors(name, order, seed) for seed in options.seeds(name)]
            for users in ("all", "known", "new"):
                found = [run[users] for run in runs if users in run]
                if found:
                    n, frozen, updated, refit = means_over_seeds(found)
                    ratios = percent(updated, frozen), percent(updated, refit)
                    print_row(name, order, users, round(n), frozen, updated, refit, *ratios)


def partial_errors(name: str, order: str, seed: int) -> dict[str, list[float]]:
    """Return the number of test ratings and the RMSE of the three models, by kind of user."""
    training, test = ordered_split(name, order, seed)
    n_older = 9 * len(training) // 10
    older, newer = training.take(slice(n_older)), training.take(slice(n_older, None))
    known = np.isin(test.users, older.users)
    tests = {
        "all": test,
        "known": test.take(known),
        "new": test.take(~known & np.isin(test.users, newer.users)),
    }
    tests = {users: part for users, part in tests.items() if len(part) >= SMALLEST}
    model = fit(older, seed)
    found = {users: [float(len(part)), error(model, part)] for users, part in tests.items()}
    for later in (model.partial_fit(newer.columns), fit(training, seed)):
        for users, part in tests.items():
            found[users].append(error(later, part))
    return found


def orders(name: str) -> tuple[str, ...]:
    """Return the orders in which the ratings of a set can arrive."""
    return ("random",) if read(name).times is None else ("random", "time", "future")


def ordered_split(name: str, order: str, seed: int) -> tuple[Ratings, Ratings]:
    """Return a training set, in the order in which its ratings arrive, and a test set."""
    if order == "random":  # the order of the standard split
        return standard_split(read(name), seed)
    if order == "time":
        training, test = standard_split(read(name), seed)
        return training.take(np.argsort(training.times, kind="stable")), test
    ratings = read(name)
    by_time = np.argsort(ratings.times, kind="stable")
    older, newer = np.split(by_time, [len(by_time) - len(by_time) // 10])
    return ratings.take(older), ratings.take(newer)


def means_over_seeds(runs: list[list[float]]) -> list[float]:
    """Return the mean of each column."""
    return [statistics.mean(column) for column in zip(*runs, strict=True)]
