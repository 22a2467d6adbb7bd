"""What `factorate demo` shows."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import factorate as ft
from factorate import reference
from factorate._kernels.dispatch import chosen
from factorate._utils.threads import available_cores

RATINGS, TEST = 1_000_000, 100_000
NOISE = 0.5
REFERENCE_SLICE = 20_000


def textbook() -> None:
    """Fill the matrix of the textbook."""
    R, P, Q = ft.datasets.textbook()
    print("1. The textbook's 6 × 4 matrix of ratings, · where one is missing\n")
    began = time.perf_counter()
    P, Q = ft.matrix_factorization(R, P, Q, K=3)
    seconds = time.perf_counter() - began
    filled = P @ Q.T
    print("      given            filled by P Qᵀ, K = 3")
    for given, row in zip(R, filled, strict=True):
        cells = "  ".join(f"{r:.0f}" if r > 0 else "·" for r in given)
        print(f"   {cells}      {'  '.join(f'{x:4.2f}' for x in row)}")
    furthest = np.abs(filled - R)[R > 0].max()
    visits = 5000 * np.count_nonzero(R)
    print(
        f"\n   5000 steps, {visits:,} updates in {seconds * 1e3:.1f} ms; every given rating comes "
        f"back to within {furthest:.2f}\n"
    )


def million(verbose: bool) -> None:
    """Learn a million synthetic ratings, measure accuracy and speed, and recommend."""
    print(f"2. A million synthetic ratings with a noise of {NOISE}: no model can do better\n")
    users, items, ratings = ft.datasets.synthetic(RATINGS + TEST, n_factors=8, noise=NOISE)
    known, held_out = slice(RATINGS), slice(RATINGS, None)
    training = users[known], items[known], ratings[known]
    model = ft.MatrixFactorization(
        n_factors=32, n_epochs=20, regularization=0.02, random_state=0, verbose=verbose
    )  # fmt: skip
    model.fit(training)
    scores = model.evaluate((users[held_out], items[held_out], ratings[held_out]))
    print(f"   test RMSE {scores['rmse']:.3f}, noise floor {NOISE:.3f}")

    epochs = np.diff(model.history_["seconds"])
    fast = RATINGS / float(np.median(epochs))
    slow = _reference_speed(training, model)
    print(
        f"   {fast / 1e6:.0f} million ratings/s on {available_cores()} threads ({chosen()}), "
        f"{slow / 1e6:.3f} by the\n   same loop in NumPy on one: {fast / slow:.0f} times as fast\n"
    )

    user = int(users[0])
    print(f"3. The best ten items that user {user} has not rated\n")
    unseen = np.setdiff1d(model.items_, training[1][training[0] == user])
    predicted = model.complete(users=[user], items=unseen)[0]
    for place in np.argsort(-predicted, kind="stable")[:10]:
        print(f"   item {unseen[place]:>4}   {predicted[place]:.2f}")


def _reference_speed(ratings: tuple[Any, Any, Any], model: ft.MatrixFactorization) -> float:
    users, items, values = (column[:REFERENCE_SLICE] for column in ratings)
    P, Q = model.user_factors_.astype(np.float64), model.item_factors_.astype(np.float64)
    biases = model.user_bias_.astype(np.float64), model.item_bias_.astype(np.float64)
    began = time.perf_counter()
    reference.train_epoch(
        users, items, values - model.global_mean_, P, Q, *biases, 0.01, 0.02
    )  # fmt: skip
    return len(values) / (time.perf_counter() - began)
