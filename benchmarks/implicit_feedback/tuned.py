"""Settings that ImplicitMatrixFactorizationCV chooses on the training set, beside the defaults."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import factorate as ft
from benchmarks.implicit_feedback.data import STRONG_SETS, random_split, read_interactions

if TYPE_CHECKING:
    from benchmarks.implicit_feedback.data import Interactions
    from benchmarks.implicit_feedback.options import Options


def compare_with_tuned(options: Options) -> None:
    """Print the NDCG at 10 on a random tenth of the interactions, with the defaults and chosen.

    CPU time of the search is that of this process, of all threads.
    """
    print("| set | defaults | chosen | change | settings of seed 0 | CPU s, fit | CPU s, search |")
    print("|---|---:|---:|---:|---|---:|---:|")
    for name in options.sets or STRONG_SETS:
        pairs = read_interactions(name)
        found = []
        chosen: list[dict[str, object]] = []
        for seed in range(options.n_seeds):
            training, held_out = random_split(pairs, seed)
            default = ft.ImplicitMatrixFactorization(random_state=seed)
            tuned = ft.ImplicitMatrixFactorizationCV(random_state=seed)
            scores, seconds = zip(
                *(_fit_and_score(model, training, held_out) for model in (default, tuned)),
                strict=True,
            )
            found.append((*scores, *seconds))
            chosen.append(tuned.best_params_)
        before, after, fit, search = map(statistics.mean, zip(*found, strict=True))
        settings = ", ".join(f"{name} {value}" for name, value in chosen[0].items())
        print(
            f"| {name} | {before:.4f} | {after:.4f} | {after / before - 1:+.1%} | {settings} | "
            f"{fit:.1f} | {search:.0f} |",
            flush=True,
        )


def _fit_and_score(
    model: ft.ImplicitMatrixFactorization | ft.ImplicitMatrixFactorizationCV,
    training: Interactions,
    held_out: Interactions,
) -> tuple[float, float]:
    began = time.process_time()
    model.fit((training.users, training.items))
    seconds = time.process_time() - began
    pairs = held_out.users, held_out.items
    return model.evaluate(pairs, unknown="ignore")["ndcg"], seconds
