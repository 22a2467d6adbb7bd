"""Compare adding users after training with retraining, and time the addition.

A tenth of the users of MovieLens 1M is excluded from training. Half of their ratings are passed to
`add_users` or, for comparison, used for retraining; the other half is predicted.

Run: FACTORATE_TEST_DATA=folder python -m benchmarks.fold_in
"""

import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import factorate as ft
from factorate._fitted.fold_in_exact import Penalty, solve_exactly
from factorate._fitted.fold_in_problem import FixedSide, RowRatings

SEEDS, RUNS = range(5), 7
N_USERS, N_RATINGS, N_ITEMS, K = 10_000, 50, 10_677, 64


def quality(columns: Any, seed: int) -> tuple[float, float, float]:
    """Return the test RMSE of `add_users`, of retraining and of the item biases only."""
    generator = np.random.default_rng(seed)
    users = columns[0]
    ids = np.unique(users)
    late = np.isin(users, generator.permutation(ids)[: len(ids) // 10])
    given = generator.permutation(len(users)) % 2 == 0

    def select(mask: Any) -> Any:
        return tuple(column[mask] for column in columns)

    test = select(late & ~given)
    model = ft.MatrixFactorization(K, random_state=seed).fit(select(~late))
    biases_only = model.evaluate(test)["rmse"]
    folded = model.add_users(select(late & given)).evaluate(test)["rmse"]
    retrained = ft.MatrixFactorization(K, random_state=seed).fit(select(~late | given))
    return folded, retrained.evaluate(test)["rmse"], biases_only


def seconds() -> list[float]:
    """Return the seconds of each run that computes the factors of many users."""
    generator = np.random.default_rng(0)
    Q = generator.standard_normal((N_ITEMS, K), np.float32)
    bias = np.zeros(N_ITEMS, np.float32)
    fixed = FixedSide(factors=Q, bias=bias, mean=3.5, scale=1.1, fit_bias=True)
    users = generator.permutation(np.repeat(np.arange(N_USERS, dtype=np.int32), N_RATINGS))
    items = generator.integers(0, N_ITEMS, len(users), np.int32)
    values = generator.normal(3.5, 1.1, len(users))
    ratings = RowRatings(rows=users, others=items, values=values, n_rows=N_USERS)
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        solve_exactly(fixed, ratings, Penalty(0.05, 0.05))
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    """Print the times and the errors."""
    taken = seconds()
    print(
        f"{N_USERS:,} users of {N_RATINGS} ratings, K = {K}: {statistics.median(taken):.2f} s "
        f"({min(taken):.2f} to {max(taken):.2f})"
    )
    with np.load(Path(os.environ["FACTORATE_TEST_DATA"], "ml-1m.npz")) as data:
        columns = data["user"], data["item"], data["rating"]
    rows = [quality(columns, seed) for seed in SEEDS]
    for name, values in zip(
        ("add_users", "retrained", "item biases"), zip(*rows, strict=True), strict=True
    ):
        print(f"{name:<14} RMSE {statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}")
    ratios = [folded / retrained for folded, retrained, _ in rows]
    print(f"add_users / retrained {min(ratios):.4f} to {max(ratios):.4f}")


if __name__ == "__main__":
    main()
