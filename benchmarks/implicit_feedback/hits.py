"""Hit rates at 10 of a random tenth of the pairs, beside the model of ratings and popularity.

The split and the lists are those of `benchmarks.popularity`: all items except those of the user's
training pairs are ranked. Relevant are either all held-out pairs or those rated 4 or higher.
Settings are the defaults, and those of a search on a tenth of the training pairs.
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
        _print_row(name, "ratings, factorate", {}, by_rating)
        shape = int(ratings.users.max()) + 1, int(ratings.items.max()) + 1
        sets = [_distinct(*split, shape) for split in splits]
        validation = random_split(sets[0][0], seed=100)
        for model in options.models:
            settings = default_and_tuned(model, validation[0], partial(_ndcg, validation), options)
            for chosen in settings:
                found = []
                for seed, (training, *tests) in enumerate(sets):
                    with Trainer(model, training, options.environments) as trainer:
                        trained = trainer.train(chosen, seed=seed)
                    found.append([_rank(trained, training, test) for test in tests])
                _print_row(name, model, chosen, found)


def _rank(trained: Trained, training: Interactions, test: Interactions) -> dict[str, float]:
    known = np.bincount(training.items, minlength=training.shape[1]) > 0
    Q = np.where(known[:, None], trained.Q, np.nan)
    return rank_all(trained.P, Q, training, test, (N,))[0]


def _ndcg(validation: tuple[Interactions, Interactions], trained: Trained) -> float:
    return _rank(trained, *validation)["ndcg"]


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

    They are sorted by user, and test pairs that are also in the training set are left out.
    """
    known = _codes(training, shape)
    all_of_test, liked = (
        np.setdiff1d(_codes(part, shape), known, assume_unique=True)
        for part in (test, test.take(test.ratings >= LIKED))
    )
    return _pairs(known, shape), _pairs(all_of_test, shape), _pairs(liked, shape)


def _codes(ratings: Ratings, shape: tuple[int, int]) -> NDArray[np.int64]:
    return np.unique(ratings.users * np.int64(shape[1]) + ratings.items)


def _pairs(codes: NDArray[np.int64], shape: tuple[int, int]) -> Interactions:
    users, items = np.divmod(codes, shape[1])
    return Interactions(users.astype(np.int32), items.astype(np.int32), shape)


def _print_row(
    name: str, model: str, settings: dict[str, Any], found: list[list[dict[str, float]]]
) -> None:
    """Print the means over the seeds, each of which has metrics of two test sets."""
    columns = " | ".join(
        f"{statistics.mean(values):.3f} ± {np.std(values):.3f}"
        for each in zip(*found, strict=True)
        for values in ([metrics[key] for metrics in each] for key in ("hit_rate", "ndcg"))
    )
    print(f"| {name} | {model} | {show_settings(settings)} | {columns} |", flush=True)
