"""The last interaction of each user of MovieLens 1M among 100 random others.

This is the protocol of He et al., "Neural collaborative filtering" (WWW 2017), which Rendle et al.,
"Revisiting the performance of iALS on item recommendation benchmarks" (RecSys 2022), use as well.
Settings are chosen with the second-to-last interactions, without the last ones; each seed
draws other items and initial factors.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.implicit_feedback.data import hold_out_last, read_interactions
from benchmarks.implicit_feedback.evaluation import mean_and_deviation, rank_last
from benchmarks.implicit_feedback.search import Validation, default_and_tuned
from benchmarks.implicit_feedback.training import Trainer

if TYPE_CHECKING:
    from benchmarks.implicit_feedback.options import Options


def recommend_last_interaction(options: Options) -> None:
    """Print a table with the default and the tuned settings of each model."""
    pairs = read_interactions("ml-1m")
    tests = [hold_out_last(pairs, seed) for seed in range(options.n_seeds)]
    training = tests[0].training  # the same for all seeds
    before = hold_out_last(training, seed=0)
    validation = Validation(
        training=before.training,
        score=lambda trained: rank_last(trained.P, trained.Q, before)["ndcg"],
    )
    choices = [
        (model, choice)
        for model in options.models
        for choice in default_and_tuned(model, [validation], options)
    ]
    trainers = {model: Trainer(model, training, options.environments) for model in options.models}
    print("| model | settings | HR@10 | NDCG@10 | one thread, s | two threads, s |")
    print("|---|---|---:|---:|---:|---:|")
    seconds: dict[tuple[int, int], list[float]] = {}
    found: dict[int, list[dict[str, float]]] = {}
    for run in range(max(options.n_runs, options.n_seeds)):
        for row, (model, choice) in enumerate(choices):
            if model == "implicit BPR" and run >= options.n_seeds:
                continue
            seed = run % options.n_seeds
            for n_threads in (1, 2) if run < options.n_runs else (1,):
                trained = trainers[model].train(choice.settings, n_threads=n_threads, seed=seed)
                seconds.setdefault((row, n_threads), []).append(trained.seconds)
                if n_threads == 1 and run < options.n_seeds:
                    metrics = rank_last(trained.P, trained.Q, tests[seed])
                    found.setdefault(row, []).append(metrics)
    for trainer in trainers.values():
        trainer.close()
    for row, (model, choice) in enumerate(choices):
        hit_rate, ndcg = (
            mean_and_deviation([metrics[name] for metrics in found[row]])
            for name in ("hit_rate", "ndcg")
        )
        times = [statistics.median(seconds[row, n_threads]) for n_threads in (1, 2)]
        print(
            f"| {model} | {choice} | {hit_rate} | {ndcg} | {times[0]:.2f} | {times[1]:.2f} |",
            flush=True,
        )
