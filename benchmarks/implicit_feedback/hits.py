"""Hit rates at 10 of a random tenth of the pairs, beside the model of ratings and popularity.

The split and the lists are those of `benchmarks.popularity`: all items except those of the user's
training pairs are ranked. Settings are the defaults, and those of a search on a tenth of the
training pairs.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft
from benchmarks.accuracy.data import read, standard_split
from benchmarks.implicit_feedback.data import HIT_SETS, Interactions, random_split
from benchmarks.implicit_feedback.evaluation import rank_all
from benchmarks.implicit_feedback.search import default_and_tuned, show_settings
from benchmarks.implicit_feedback.training import Trainer

if TYPE_CHECKING:
    from benchmarks.accuracy.data import Ratings
    from benchmarks.implicit_feedback.options import Options
    from benchmarks.implicit_feedback.training import Trained

N = 10


def compare_hit_rates(options: Options) -> None:
    """Print a table with a row for each set and model."""
    print("| set | model | settings | hit rate at 10 | NDCG at 10 |")
    print("|---|---|---|---:|---:|")
    for name in options.sets or HIT_SETS:
        ratings = read(name)
        splits = [standard_split(ratings, seed) for seed in range(options.n_seeds)]
        by_rating = [_rank_by_rating(*split, seed) for seed, split in enumerate(splits)]
        _print_row(name, "ratings, factorate", {}, by_rating)
        shape = int(ratings.users.max()) + 1, int(ratings.items.max()) + 1
        sets = [_distinct(*split, shape) for split in splits]
        validation = random_split(sets[0][0], seed=100)
        for model in options.models:
            settings = default_and_tuned(model, validation[0], partial(_ndcg, validation), options)
            for chosen in settings:
                found = []
                for seed, (training, test) in enumerate(sets):
                    with Trainer(model, training, options.environments) as trainer:
                        trained = trainer.train(chosen, seed=seed)
                    found.append(_rank(trained, training, test))
                _print_row(name, model, chosen, found)


def _rank(trained: Trained, training: Interactions, test: Interactions) -> dict[str, float]:
    known = np.bincount(training.items, minlength=training.shape[1]) > 0
    Q = np.where(known[:, None], trained.Q, np.nan)
    return rank_all(trained.P, Q, training, test, (N,))[0]


def _ndcg(validation: tuple[Interactions, Interactions], trained: Trained) -> float:
    return _rank(trained, *validation)["ndcg"]


def _rank_by_rating(training: Ratings, test: Ratings, seed: int) -> dict[str, float]:
    model = ft.MatrixFactorization(random_state=seed).fit(training.columns)
    return ft.metrics.ranking(model, test.columns, N, unknown="ignore")


def _distinct(
    training: Ratings, test: Ratings, shape: tuple[int, int]
) -> tuple[Interactions, Interactions]:
    """Return distinct pairs by user, and test pairs without those of the training set."""
    codes = [np.unique(part.users * np.int64(shape[1]) + part.items) for part in (training, test)]
    codes[1] = np.setdiff1d(codes[1], codes[0], assume_unique=True)
    users, items = zip(*(np.divmod(code, shape[1]) for code in codes), strict=True)
    first, second = (
        Interactions(users[part].astype(np.int32), items[part].astype(np.int32), shape)
        for part in (0, 1)
    )
    return first, second


def _print_row(
    name: str, model: str, settings: dict[str, Any], found: list[dict[str, float]]
) -> None:
    hit_rate, ndcg = (
        f"{statistics.mean(column):.3f} ± {np.std(column):.3f}"
        for column in zip(*((each["hit_rate"], each["ndcg"]) for each in found), strict=True)
    )
    print(f"| {name} | {model} | {show_settings(settings)} | {hit_rate} | {ndcg} |", flush=True)
