"""Whether results are the same bits for any number of threads, and folded-in users exact."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

import factorate as ft
from benchmarks.implicit_feedback.data import read_interactions, synthetic
from factorate._training.als_settings import EXPONENT

if TYPE_CHECKING:
    from benchmarks.implicit_feedback.data import Interactions
    from benchmarks.implicit_feedback.options import Options

THREADS = 1, 2, 3, 8
N_EPOCHS, N_ADDED = 3, 200


def compare_bits(_: Options) -> None:
    """Print hashes of the factors, and the largest error of folded-in users."""
    print("| interactions | dtype | threads: hash of the factors | identical | fold-in, error |")
    print("|---|---|---|---|---:|")
    for name, pairs in (("ml-1m", read_interactions("ml-1m")), ("synthetic, 1 M", synthetic(1))):
        for dtype in ("float32", "float64"):
            models = {n: _fit(pairs, dtype, n) for n in THREADS}
            hashes = {n: _hash(model) for n, model in models.items()}
            text = ", ".join(f"{n}: {value}" for n, value in hashes.items())
            same = len(set(hashes.values())) == 1
            error = _fold_in_error(models[1], pairs)
            print(f"| {name} | {dtype} | {text} | {same} | {error:.1e} |", flush=True)


def _fit(pairs: Interactions, dtype: str, n_threads: int) -> ft.ImplicitMatrixFactorization:
    model = ft.ImplicitMatrixFactorization(
        64, N_EPOCHS, random_state=0, n_threads=n_threads, dtype=dtype
    )
    return model.fit((pairs.users, pairs.items))


def _hash(model: ft.ImplicitMatrixFactorization) -> str:
    digest = hashlib.sha256()
    for factors in (model.user_factors_, model.item_factors_):
        digest.update(np.ascontiguousarray(factors).tobytes())
    return digest.hexdigest()[:8]


def _fold_in_error(model: ft.ImplicitMatrixFactorization, pairs: Interactions) -> float:
    """Return the largest relative error of copies of users, added after training.

    The exact factors of a user are those of one more half-epoch, which `fit` would do next.
    """
    chosen = np.random.default_rng(0).choice(np.unique(pairs.users), N_ADDED, replace=False)
    mine = pairs.take(np.isin(pairs.users, chosen))
    model.add_users((pairs.shape[0] + mine.users, mine.items))
    rows = np.full(pairs.shape[0], -1)
    rows[model.users_[model.users_ >= pairs.shape[0]] - pairs.shape[0]] = np.flatnonzero(
        model.users_ >= pairs.shape[0]
    )
    Q = model.item_factors_.astype(np.float64)
    item_rows = np.searchsorted(model.items_, mine.items)
    unobserved = model.unobserved_weight_
    gram = unobserved * (Q.T @ Q)
    errors = []
    for user in chosen.tolist():
        q = Q[item_rows[mine.users == user]]
        penalty = model.regularization * (len(q) + unobserved * len(Q)) ** EXPONENT
        exact = np.linalg.solve(gram + q.T @ q + penalty * np.eye(len(gram)), q.sum(axis=0))
        found = model.user_factors_[rows[user]]
        errors.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
    return float(max(errors))
