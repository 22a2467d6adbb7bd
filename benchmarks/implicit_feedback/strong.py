"""Strong generalization: recommendations for users who are added after training.

The protocol is that of Liang et al., "Variational autoencoders for collaborative filtering" (WWW
2018): a tenth of the users are held out, folded in from 80 % of their interactions, and all items
are ranked. Settings are chosen with another tenth, of the users of the training set.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.implicit_feedback.data import STRONG_SETS, hold_out_users, read_interactions
from benchmarks.implicit_feedback.evaluation import rank_all
from benchmarks.implicit_feedback.search import default_and_tuned, show_settings
from benchmarks.implicit_feedback.training import Trainer

if TYPE_CHECKING:
    from benchmarks.implicit_feedback.data import NewUsers
    from benchmarks.implicit_feedback.options import Options
    from benchmarks.implicit_feedback.training import Trained

LENGTHS = 20, 100


def recommend_to_new_users(options: Options) -> None:
    """Print a table with the default and the tuned settings of each model for each set."""
    print("| set | model | settings | Recall@20 | NDCG@100 | fit, s | fold-in, s |")
    print("|---|---|---|---:|---:|---:|---:|")
    for name in options.sets or STRONG_SETS:
        splits = [hold_out_users(read_interactions(name), seed) for seed in range(options.n_seeds)]
        validation = hold_out_users(splits[0].training, seed=100)
        for model in options.models:
            if model == "implicit BPR":
                continue  # it cannot add users
            settings = default_and_tuned(
                model,
                validation.training,
                partial(_ndcg, validation),
                options,
                validation.given,
            )
            _print_rows(options, name, model, settings, splits)


def _ndcg(split: NewUsers, trained: Trained) -> float:
    return _metrics(trained, split)[1]


def _metrics(trained: Trained, split: NewUsers) -> tuple[float, float]:
    """Return Recall@20 and NDCG@100; an item without users in training is not a candidate."""
    known = np.bincount(split.training.items, minlength=split.training.shape[1]) > 0
    Q = np.where(known[:, None], trained.Q, np.nan)
    found = rank_all(trained.P_of_new_users, Q, split.given, split.held_out, LENGTHS)
    return found[0]["capped_recall"], found[1]["ndcg"]


def _print_rows(
    options: Options,
    name: str,
    model: str,
    settings: list[dict[str, Any]],
    splits: list[NewUsers],
) -> None:
    found: dict[int, list[tuple[float, ...]]] = {}
    for seed, split in enumerate(splits):
        with Trainer(model, split.training, options.environments, split.given) as trainer:
            for row, chosen in enumerate(settings):
                trained = trainer.train(chosen, seed=seed)
                times = trained.seconds, trained.seconds_of_new_users
                found.setdefault(row, []).append((*_metrics(trained, split), *times))
    for row, chosen in enumerate(settings):
        columns = list(zip(*found[row], strict=True))
        recall, ndcg = (
            f"{statistics.mean(column):.4f} ± {np.std(column):.4f}" for column in columns[:2]
        )
        fit, fold_in = (f"{statistics.median(column):.3f}" for column in columns[2:])
        print(
            f"| {name} | {model} | {show_settings(chosen)} | {recall} | {ndcg} | {fit} | "
            f"{fold_in} |",
            flush=True,
        )
