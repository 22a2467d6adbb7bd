"""Time per epoch and memory for synthetic, skewed interactions.

An epoch is the difference of the times of two trainings, divided by the difference of their
epochs. implicit solves with three steps of conjugate gradients, its default.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.implicit_feedback.data import synthetic
from benchmarks.implicit_feedback.training import Trainer

if TYPE_CHECKING:
    from benchmarks.implicit_feedback.options import Options

EPOCHS = {"factorate": "n_epochs", "implicit ALS": "iterations"}  # name of the setting
FEW, MANY = 1, 3
LARGEST_OF_OTHERS = 10  # million interactions


def compare_speed(options: Options) -> None:
    """Print a table with a row for each size, number of factors, model and number of threads."""
    print("| million interactions | K | model | threads | s per epoch | set-up, s | peak MB |")
    print("|---:|---:|---|---:|---:|---:|---:|")
    models = [model for model in EPOCHS if model in options.models]
    for millions in options.millions:
        pairs = synthetic(millions)
        here = [model for model in models if model == "factorate" or millions <= LARGEST_OF_OTHERS]
        for n_factors in options.factors:
            epochs: dict[tuple[str, int], list[float]] = {}
            first: dict[tuple[str, int], list[float]] = {}
            peaks: dict[tuple[str, int], float] = {}
            n_runs = options.n_runs if millions < LARGEST_OF_OTHERS else 1
            for _ in range(n_runs):
                for n_threads in (1, 2):
                    for model in here:
                        with Trainer(model, pairs, options.environments) as trainer:
                            few, many = (
                                trainer.train(
                                    {EPOCHS[model]: n}, n_factors=n_factors, n_threads=n_threads
                                )
                                for n in (FEW, MANY)
                            )
                        key = model, n_threads
                        epoch = (many.seconds - few.seconds) / (MANY - FEW)
                        epochs.setdefault(key, []).append(epoch)
                        first.setdefault(key, []).append(few.seconds - FEW * epoch)
                        peaks[key] = few.peak_mb
            for (model, n_threads), values in epochs.items():
                set_up = max(0.0, statistics.median(first[model, n_threads]))
                print(
                    f"| {millions} | {n_factors} | {model} | {n_threads} | "
                    f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f}) | "
                    f"{set_up:.2f} | {peaks[model, n_threads]:.0f} |",
                    flush=True,
                )
