"""The last interaction of each user of MovieLens 1M among 100 random others.

This is the protocol of He et al., "Neural collaborative filtering" (WWW 2017), which Rendle et al.,
"Revisiting the performance of iALS on item recommendation benchmarks" (RecSys 2022), use as well.
Settings are chosen with the second-to-last interactions, without the last ones.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.implicit_feedback.data import hold_out_last, read_interactions
from benchmarks.implicit_feedback.evaluation import rank_last
from benchmarks.implicit_feedback.search import default_and_tuned, show_settings
from benchmarks.implicit_feedback.training import Trainer

if TYPE_CHECKING:
    from benchmarks.implicit_feedback.options import Options


def recommend_last_interaction(options: Options) -> None:
    """Print a table with the default and the tuned settings of each model."""
    pairs = read_interactions("ml-1m")
    validation, test = (hold_out_last(pairs, n_later, seed=0) for n_later in (1, 0))
    settings = [
        (model, chosen)
        for model in options.models
        for chosen in default_and_tuned(
            model,
            validation.training,
            lambda trained: rank_last(trained.P, trained.Q, validation)["ndcg"],
            options,
        )
    ]
    trainers = {
        model: Trainer(model, test.training, options.environments) for model in options.models
    }
    print("| model | settings | HR@10 | NDCG@10 | one thread, s | two threads, s |")
    print("|---|---|---:|---:|---:|---:|")
    seconds: dict[tuple[int, int], list[float]] = {}
    found: dict[int, list[dict[str, float]]] = {}
    for run in range(max(options.n_runs, options.n_seeds)):
        for row, (model, chosen) in enumerate(settings):
            if model == "implicit BPR" and run >= options.n_seeds:
                continue
            for n_threads in (1, 2):
                trained = trainers[model].train(
                    chosen, n_threads=n_threads, seed=run % options.n_seeds
                )
                seconds.setdefault((row, n_threads), []).append(trained.seconds)
                if n_threads == 1 and run < options.n_seeds:
                    metrics = rank_last(trained.P, trained.Q, test)
                    found.setdefault(row, []).append(metrics)
    for trainer in trainers.values():
        trainer.close()
    for row, (model, chosen) in enumerate(settings):
        means = [
            statistics.mean(metrics[name] for metrics in found[row])
            for name in ("hit_rate", "ndcg")
        ]
        times = [statistics.median(seconds[row, n_threads]) for n_threads in (1, 2)]
        print(
            f"| {model} | {show_settings(chosen)} | {means[0]:.4f} | {means[1]:.4f} | "
            f"{times[0]:.2f} | {times[1]:.2f} |",
            flush=True,
        )
