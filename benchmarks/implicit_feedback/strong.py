"""Strong generalization: recommendations for users who are added after training.

The protocol is that of Liang et al., "Variational autoencoders for collaborative filtering" (WWW
2018): a tenth of the users are held out, folded in from 80 % of their interactions, and all items
are ranked. Each seed holds out another tenth. Settings are chosen with users who are not held out
with any seed, without the users held out with the first one.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.implicit_feedback.data import (
    STRONG_SETS,
    count_validations,
    hold_out_users,
    read_interactions,
    tenths_of_users,
)
from benchmarks.implicit_feedback.evaluation import mean_and_deviation, rank_all
from benchmarks.implicit_feedback.search import Validation, default_and_tuned
from benchmarks.implicit_feedback.training import Trainer

if TYPE_CHECKING:
    from benchmarks.implicit_feedback.data import NewUsers
    from benchmarks.implicit_feedback.options import Options
    from benchmarks.implicit_feedback.search import Choice
    from benchmarks.implicit_feedback.training import Trained

LENGTHS = 20, 100


def recommend_to_new_users(options: Options) -> None:
    """Print a table with the default and the tuned settings of each model for each set."""
    print("| set | model | settings | Recall@20 | NDCG@100 | fit, s | fold-in, s |")
    print("|---|---|---|---:|---:|---:|---:|")
    for name in options.sets or STRONG_SETS:
        pairs = read_interactions(name)
        tenths = tenths_of_users(pairs)
        tests = tenths[: options.n_seeds]
        splits = [hold_out_users(pairs, users, seed) for seed, users in enumerate(tests)]
        others = tenths[options.n_seeds :][: count_validations(pairs)]
        validations = [
            _validation(hold_out_users(splits[0].training, users, seed))
            for seed, users in enumerate(others)
        ]
        for model in options.models:
            if model == "implicit BPR":
                continue  # it cannot add users
            for choice in default_and_tuned(model, validations, options):
                _print_row(options, name, model, choice, splits)


def _validation(split: NewUsers) -> Validation:
    return Validation(training=split.training, score=partial(_ndcg, split), new_users=split.given)


def _ndcg(split: NewUsers, trained: Trained) -> float:
    return _metrics(trained, split)[1]


def _metrics(trained: Trained, split: NewUsers) -> tuple[float, float]:
    """Return Recall@20 and NDCG@100; an item without users in training is not a candidate."""
    known = np.bincount(split.training.items, minlength=split.training.shape[1]) > 0
    Q = np.where(known[:, None], trained.Q, np.nan)
    found = rank_all(trained.P_of_new_users, Q, split.given, split.held_out, LENGTHS)
    return found[0]["capped_recall"], found[1]["ndcg"]


def _print_row(
    options: Options, name: str, model: str, choice: Choice, splits: list[NewUsers]
) -> None:
    found = []
    for seed, split in enumerate(splits):
        with Trainer(model, split.training, options.environments, split.given) as trainer:
            trained = trainer.train(choice.settings, seed=seed)
        times = trained.seconds, trained.seconds_of_new_users
        found.append((*_metrics(trained, split), *times))
    columns = list(zip(*found, strict=True))
    recall, ndcg = (mean_and_deviation(column) for column in columns[:2])
    fit, fold_in = (f"{statistics.median(column):.3f}" for column in columns[2:])
    print(f"| {name} | {model} | {choice} | {recall} | {ndcg} | {fit} | {fold_in} |", flush=True)
