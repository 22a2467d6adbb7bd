"""One function per model that trains on pairs and returns the time and the factors.

This module runs in the environment of the model, so functions import the libraries. Times do not
include the conversion of arrays to the preferred input format of a library.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Job:
    """The interactions and the parameters of a training.

    Attributes
    ----------
    users, items : ndarray of int32, shape (n,)
        Distinct pairs of rows.
    shape : tuple of int
        Numbers of users and items.
    n_new_users : int
        Number of users who are added after training.
    new_users, new_items : ndarray of int32, shape (m,)
        Their interactions.
    n_factors, n_threads, seed : int
        Parameters that all models have.
    settings : dict
        Further parameters; those that are missing have the defaults of the library.
    """

    users: Any
    items: Any
    shape: tuple[int, int]
    n_new_users: int
    new_users: Any
    new_items: Any
    n_factors: int
    n_threads: int
    seed: int
    settings: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """Seconds of training, factors whose products are the scores, and the same for new users."""

    seconds: float
    P: Any
    Q: Any
    seconds_of_new_users: float = 0.0
    P_of_new_users: Any = None


def popularity(job: Job) -> Result:
    """Score each item by the number of its users."""
    start = time.perf_counter()
    counts = np.bincount(job.items, minlength=job.shape[1]).astype(np.float32)
    seconds = time.perf_counter() - start
    return Result(
        seconds,
        np.ones((job.shape[0], 1), np.float32),
        counts[:, None],
        0.0,
        np.ones((job.n_new_users, 1), np.float32),
    )


def factorate(job: Job) -> Result:
    """Train `ImplicitMatrixFactorization`, with seen items, and add the new users."""
    import factorate as ft

    model = ft.ImplicitMatrixFactorization(
        job.n_factors, random_state=job.seed, n_threads=job.n_threads, **job.settings
    )
    start = time.perf_counter()
    model.fit((job.users, job.items))
    seconds = time.perf_counter() - start
    n_users, n_items = job.shape
    P = _by_id(n_users, model.users_, model.user_factors_)
    Q = _by_id(n_items, model.items_, model.item_factors_)
    if not job.n_new_users:
        return Result(seconds, P, Q)
    start = time.perf_counter()
    model.add_users((n_users + job.new_users, job.new_items), unknown="ignore")
    seconds_of_new_users = time.perf_counter() - start
    added = model.users_ >= n_users
    new = _by_id(job.n_new_users, model.users_[added] - n_users, model.user_factors_[added])
    return Result(seconds, P, Q, seconds_of_new_users, new)


def implicit_als(job: Job) -> Result:
    """Train implicit's ALS, with conjugate gradients; new users are solved by Cholesky."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=job.n_factors,
        num_threads=job.n_threads,
        random_state=job.seed,
        use_gpu=False,
        **job.settings,
    )
    matrix = _matrix(job.users, job.items, job.shape)
    start = time.perf_counter()
    model.fit(matrix, show_progress=False)
    seconds = time.perf_counter() - start
    if not job.n_new_users:
        return Result(seconds, model.user_factors, model.item_factors)
    given = _matrix(job.new_users, job.new_items, (job.n_new_users, job.shape[1]))
    start = time.perf_counter()
    new = model.recalculate_user(np.arange(job.n_new_users), given)
    seconds_of_new_users = time.perf_counter() - start
    return Result(seconds, model.user_factors, model.item_factors, seconds_of_new_users, new)


def implicit_bpr(job: Job) -> Result:
    """Train implicit's BPR, which cannot add users."""
    from implicit.bpr import BayesianPersonalizedRanking
    from implicit.recommender_base import ModelFitError

    model = BayesianPersonalizedRanking(
        factors=job.n_factors,
        num_threads=job.n_threads,
        random_state=job.seed,
        use_gpu=False,
        **job.settings,
    )
    matrix = _matrix(job.users, job.items, job.shape)
    start = time.perf_counter()
    try:
        model.fit(matrix, show_progress=False)
    except ModelFitError as error:  # the factors are NaN
        raise FloatingPointError(str(error)) from error
    return Result(time.perf_counter() - start, model.user_factors, model.item_factors)


MODELS: dict[str, Callable[[Job], Result]] = {
    "popularity": popularity,
    "implicit ALS": implicit_als,
    "implicit BPR": implicit_bpr,
    "factorate": factorate,
}


def _matrix(users: Any, items: Any, shape: tuple[int, int]) -> Any:
    import scipy.sparse

    return scipy.sparse.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape)


def _by_id(n: int, ids: Any, rows: Any) -> Any:
    """Return the factors of the ids 0 … n − 1, zeros for missing ids."""
    out = np.zeros((n, rows.shape[1]), rows.dtype)
    out[ids] = rows
    return out
