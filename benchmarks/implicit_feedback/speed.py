"""Time per epoch and memory for synthetic, skewed interactions.

An epoch is the difference of the times of two trainings, divided by the difference of their
epochs. factorate takes two preconditioned steps of conjugate gradients for each row, and implicit
three without a preconditioner, its default. GFLOP/s count the operations of these steps, or of the
exact solution, and are compared with the matrix product of `recommend`, the selection of the best
items included.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.implicit_feedback.data import synthetic
from benchmarks.implicit_feedback.training import Trainer
from factorate._serving.top_n import Scoring, best
from factorate._training.als_settings import AlsSettings
from factorate._training.gram import gram
from factorate._training.solve_rows import solve_rows

if TYPE_CHECKING:
    from benchmarks.implicit_feedback.data import Interactions
    from benchmarks.implicit_feedback.options import Options

EPOCHS = {"factorate": "n_epochs", "implicit ALS": "iterations"}  # name of the setting
FEW, MANY = 1, 4
LARGEST_OF_OTHERS = 10  # million interactions; larger ones are measured once
QUERIES, ITEMS = 4096, 16_384  # of the matrix product
ROWS = 512  # that are solved exactly
N_STEPS = AlsSettings.n_steps


def compare_speed(options: Options) -> None:
    """Print a table with a row for each size, number of factors, model and number of threads."""
    print("| K, one thread | matrix product | exact solution of rows with 1,000 others |")
    print("|---:|---:|---:|")
    for n_factors in options.factors:
        product, solution = (
            statistics.median(rate(n_factors) for _ in range(options.n_runs))
            for rate in (_product_rate, _solution_rate)
        )
        print(f"| {n_factors} | {product:.0f} GFLOP/s | {solution:.0f} GFLOP/s |")
    print()
    print("| millions | K | model | threads | s per epoch | set-up, s | peak MB | GFLOP/s |")
    print("|---:|---:|---|---:|---:|---:|---:|---:|")
    models = [model for model in EPOCHS if model in options.models]
    for millions in options.millions:
        pairs = synthetic(millions)
        here = [model for model in models if model == "factorate" or millions <= LARGEST_OF_OTHERS]
        for n_factors in options.factors:
            epochs: dict[tuple[str, int], list[float]] = {}
            first: dict[tuple[str, int], list[float]] = {}
            peaks: dict[tuple[str, int], float] = {}
            n_runs = options.n_runs if millions <= LARGEST_OF_OTHERS else 1
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
                rate = _operations(pairs, n_factors) / statistics.median(values) / 1e9
                shown = f"{rate:.0f}" if model == "factorate" else "–"
                print(
                    f"| {millions} | {n_factors} | {model} | {n_threads} | "
                    f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f}) | "
                    f"{set_up:.2f} | {peaks[model, n_threads]:.0f} | {shown} |",
                    flush=True,
                )


def _operations(pairs: Interactions, n_factors: int) -> float:
    """Return the floating-point operations of an epoch.

    A residual and each step take four operations per interaction and factor, on both sides. The
    Gram matrix takes K² operations per row, and changing the basis 2 K², twice in an epoch.
    """
    n_passes = 1 + N_STEPS
    return 8.0 * n_passes * len(pairs) * n_factors + 5.0 * sum(pairs.shape) * n_factors**2


def _product_rate(n_factors: int) -> float:
    """Return the GFLOP/s of the matrix product that finds the best items of users."""
    generator = np.random.default_rng(0)
    P, Q = (generator.standard_normal((n, n_factors), np.float32) for n in (QUERIES, ITEMS))
    scoring = Scoring(P, Q, np.zeros(QUERIES, np.float32), np.zeros(ITEMS, np.float32), 0.0)
    queries, items = (np.arange(n, dtype=np.int32) for n in (QUERIES, ITEMS))
    start = time.perf_counter()
    best(scoring, queries, items, n=10, n_threads=1)
    return 2e-9 * QUERIES * ITEMS * n_factors / (time.perf_counter() - start)


def _solution_rate(n_factors: int) -> float:
    """Return the GFLOP/s of normal equations and their Cholesky factorizations."""
    generator = np.random.default_rng(0)
    Q = 0.1 * generator.standard_normal((ITEMS, n_factors), np.float32)
    n_others = 1000
    others = generator.integers(0, ITEMS, ROWS * n_others, np.int32)
    starts = n_others * np.arange(ROWS + 1)
    settings = AlsSettings(
        n_factors=n_factors, n_epochs=1, regularization=1.0, unobserved_weight=1.0
    )
    products = gram(Q, n_threads=1)
    start = time.perf_counter()
    solve_rows(Q, starts, others, Q[0, :0], settings, products)
    seconds = time.perf_counter() - start
    solving = n_factors**3 / 3 + 2 * n_factors**2
    return 1e-9 * ROWS * (n_others * n_factors * (n_factors + 1) + solving) / seconds
