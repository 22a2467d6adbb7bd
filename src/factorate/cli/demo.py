"""demo: the textbook example, and the training of a larger synthetic data set."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft
from factorate import reference
from factorate._kernels.dispatch import chosen
from factorate._utils.cores import available_cores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]

N_TRAINING, N_TEST = 1_000_000, 100_000
N_REFERENCE = 20_000  # ratings that the loop in NumPy is timed on
NOISE = 0.5


def show_textbook_example() -> None:
    """Factorize the textbook's matrix and print it with the predicted ratings."""
    R, P, Q = ft.datasets.textbook()
    print("1. The textbook's 6 × 4 matrix of ratings (· is a missing one)\n")
    start = time.perf_counter()
    P, Q = ft.matrix_factorization(R, P, Q, K=3)
    seconds = time.perf_counter() - start
    predicted = P @ Q.T
    print("      ratings          P Qᵀ, K = 3")
    for ratings, row in zip(R, predicted, strict=True):
        cells = "  ".join(f"{r:.0f}" if r > 0 else "·" for r in ratings)
        print(f"   {cells}      {'  '.join(f'{x:4.2f}' for x in row)}")
    largest = np.abs(predicted - R)[R > 0].max()
    n_updates = 5000 * np.count_nonzero(R)
    print(
        f"\n   5000 steps, {n_updates:,} updates in {seconds * 1e3:.1f} ms; the largest error of a "
        f"known rating is {largest:.2f}\n"
    )


def show_synthetic_ratings(verbose: bool) -> None:
    """Fit a million synthetic ratings; print accuracy, speed and recommendations."""
    print(f"2. A million synthetic ratings with noise {NOISE}, the lowest RMSE possible\n")
    users, items, ratings = ft.datasets.synthetic(N_TRAINING + N_TEST, n_factors=8, noise=NOISE)
    training = users[:N_TRAINING], items[:N_TRAINING], ratings[:N_TRAINING]
    test = users[N_TRAINING:], items[N_TRAINING:], ratings[N_TRAINING:]
    model = ft.MatrixFactorization(
        n_factors=32,
        n_epochs=20,
        regularization=0.02,
        random_state=0,
        verbose=verbose,
    )
    model.fit(training)
    scores = model.evaluate(test)
    print(f"   test RMSE {scores['rmse']:.3f}, noise {NOISE:.3f}")

    epoch_seconds = np.diff(model.history_["seconds"])
    compiled = N_TRAINING / float(np.median(epoch_seconds))
    numpy_loop = _reference_speed(training, model)
    print(
        f"   {compiled / 1e6:.0f} million ratings/s on {available_cores()} threads ({chosen()}), "
        f"{numpy_loop / 1e6:.3f} with the\n   same loop in NumPy on one: "
        f"{compiled / numpy_loop:.0f} times as fast\n"
    )

    user = int(users[0])
    print(f"3. The best ten items that user {user} has not rated\n")
    unseen = np.setdiff1d(model.items_, training[1][training[0] == user])
    predicted = model.complete(users=[user], items=unseen)[0]
    for row in np.argsort(-predicted, kind="stable")[:10]:
        print(f"   item {unseen[row]:>4}   {predicted[row]:.2f}")


def _reference_speed(ratings: Columns, model: ft.MatrixFactorization) -> float:
    """Return the ratings per second of an epoch of the reference implementation."""
    users, items, values = (column[:N_REFERENCE] for column in ratings)
    P, Q = model.user_factors_.astype(np.float64), model.item_factors_.astype(np.float64)
    biases = model.user_bias_.astype(np.float64), model.item_bias_.astype(np.float64)
    centered = values - model.global_mean_
    start = time.perf_counter()
    reference.train_epoch(users, items, centered, P, Q, *biases, rates=0.01, l2=0.02)
    return len(values) / (time.perf_counter() - start)
