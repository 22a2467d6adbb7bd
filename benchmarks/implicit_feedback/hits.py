"""Hit rates at 10 of a random tenth of the pairs, beside the model of ratings and popularity.

The split and the lists are those of `benchmarks.popularity`: all items except those of the user's
training pairs are ranked, for users who have any. Relevant are either all held-out pairs or those
rated 4 or higher. Settings are the defaults, and those of a search on random tenths of the training
pairs of the first seed, without pairs that are held out with another seed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import factorate as ft
from benchmarks.accuracy.data import read, standard_split
from benchmarks.implicit_feedback.data import (
    HIT_SETS,
    Interactions,
    count_validations,
    random_split,
)
from benchmarks.implicit_feedback.evaluation import mean_and_deviation, rank_all
from benchmarks.implicit_feedback.search import Choice, Validation, default_and_tuned
from benchmarks.implicit_feedback.training import Trainer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.accuracy.data import Ratings
    from benchmarks.implicit_feedback.options import Options
    from benchmarks.implicit_feedback.training import Trained

N, LIKED = 10, 4  # length of the lists, minimum rating


def compare_hit_rates(options: Options) -> None:
    """Print a table with a row for each set and model."""
    print("| set | model | settings | hit rate | NDCG | hit rate, rated ≥ 4 | NDCG, rated ≥ 4 |")
    print("|---|---|---|---:|---:|---:|---:|")
    for name in options.sets or HIT_SETS:
        ratings = read(name)
        splits = [standard_split(ratings, seed) for seed in range(options.n_seeds)]
        by_rating = [_rank_by_rating(*split, seed) for seed, split in enumerate(splits)]
        _print_row(name, "ratings, factorate", Choice(), by_rating)
        shape = int(ratings.users.max()) + 1, int(ratings.items.max()) + 1
        sets = [_distinct(*split, shape) for split in splits]
        validations = [_validation(sets, seed) for seed in range(count_validations(sets[0][0]))]
        for model in options.models:
            for choice in default_and_tuned(model, validations, options):
                found = []
                for seed, (training, *tests) in enumerate(sets):
                    with Trainer(model, training, options.environments) as trainer:
                        trained = trainer.train(choice.settings, seed=seed)
                    found.append([_rank(trained, training, test) for test in tests])
                _print_row(name, model, choice, found)


def _rank(trained: Trained, training: Interactions, test: Interactions) -> dict[str, float]:
    known = np.bincount(training.items, minlength=training.shape[1]) > 0
    Q = np.where(known[:, None], trained.Q, np.nan)
    return rank_all(trained.P, Q, training, test, (N,))[0]


def _validation(
    sets: list[tuple[Interactions, Interactions, Interactions]], seed: int
) -> Validation:
    training, held_out = random_split(sets[0][0], 100 + seed)
    tests = np.concatenate([_codes(test) for _, test, _ in sets])
    held_out = _of_known_users(held_out.take(~np.isin(_codes(held_out), tests)), training)
    return Validation(training=training, score=partial(_ndcg, training, held_out))


def _ndcg(training: Interactions, held_out: Interactions, trained: Trained) -> float:
    return _rank(trained, training, held_out)["ndcg"]


def _rank_by_rating(training: Ratings, test: Ratings, seed: int) -> list[dict[str, float]]:
    model = ft.MatrixFactorization(random_state=seed).fit(training.columns)
    return [
        ft.metrics.ranking(model, test.columns, N, minimum, unknown="ignore")
        for minimum in (None, LIKED)
    ]


def _distinct(
    training: Ratings, test: Ratings, shape: tuple[int, int]
) -> tuple[Interactions, Interactions, Interactions]:
    """Return distinct pairs: of the training set, of the test set, and of high test ratings.

    They are sorted by user. Test pairs that are also in the training set are left out.
    """
    known = _pairs(training, shape)
    all_of_test, liked = (_pairs(part, shape) for part in (test, test.take(test.ratings >= LIKED)))
    new, new_liked = (
        _of_known_users(part.take(~np.isin(_codes(part), _codes(known))), known)
        for part in (all_of_test, liked)
    )
    return known, new, new_liked


def _pairs(ratings: Ratings, shape: tuple[int, int]) -> Interactions:
    codes = np.unique(_codes(Interactions(ratings.users, ratings.items, shape)))
    users, items = np.divmod(codes, shape[1])
    return Interactions(users.astype(np.int32), items.astype(np.int32), shape)


def _codes(pairs: Interactions) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = pairs.users * np.int64(pairs.shape[1]) + pairs.items
    return codes


def _of_known_users(held_out: Interactions, training: Interactions) -> Interactions:
    return held_out.take(np.isin(held_out.users, training.users))


def _print_row(name: str, model: str, choice: Choice, found: list[list[dict[str, float]]]) -> None:
    """Print the means over the seeds, each of which has metrics of two test sets."""
    columns = " | ".join(
        mean_and_deviation(values)
        for each in zip(*found, strict=True)
        for values in ([metrics[key] for metrics in each] for key in ("hit_rate", "ndcg"))
    )
    print(f"| {name} | {model} | {choice} | {columns} |", flush=True)
