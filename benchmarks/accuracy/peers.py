"""Other libraries with their default settings; runs in the environment of each.

Run: python -m benchmarks.accuracy.peers PEER SET SEED [LIBMF]
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.accuracy.data import read, rmse, standard_split

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.accuracy.data import Ratings

Predict = tuple["Callable[[], object]", "Callable[[Ratings], Any]"]  # fit, predict

# The environment of each peer, see benchmarks/environments.py.
PEERS = {
    "BaselineOnly": "scikit-surprise",
    "SVD": "scikit-surprise",
    "SVDpp": "scikit-surprise",
    "cornac MF": "cornac",
    "cornac MF, K = 64": "cornac",
    "LIBMF": "LIBMF",
}
# The time of SVD++ grows with the sum of the squared numbers of ratings per user.
TOO_SLOW = {("SVDpp", "jester"), ("SVDpp", "ml-1m")}


def surprise(name: str, training: Ratings, seed: int) -> Predict:
    """Return the functions of a model of scikit-surprise; it clips, and knows unknown ids."""
    import surprise

    low, high = float(training.ratings.min()), float(training.ratings.max())
    rows = [
        (user, item, rating, None)
        for user, item, rating in zip(*(c.tolist() for c in training.columns), strict=True)
    ]
    data = surprise.Dataset(surprise.Reader(rating_scale=(low, high))).construct_trainset(rows)
    if name == "BaselineOnly":
        model = surprise.BaselineOnly(verbose=False)
    else:
        model = getattr(surprise, name)(random_state=seed)

    def predict(test: Ratings) -> Any:
        pairs = zip(test.users.tolist(), test.items.tolist(), strict=True)
        return np.array([model.predict(user, item).est for user, item in pairs])

    return lambda: model.fit(data), predict


def cornac(name: str, training: Ratings, seed: int) -> Predict:
    """Return the functions of MF of cornac.

    Predictions are computed from its parameters, because its method `rate` leaves out the bias of
    the user where the item is unknown, which would make its RMSE worse.
    """
    from cornac.data import Dataset
    from cornac.models import MF

    rows = list(zip(*(column.tolist() for column in training.columns), strict=True))
    data = Dataset.from_uir(rows, seed=seed)
    model = MF(seed=seed) if name == "cornac MF" else MF(k=64, seed=seed)

    def predict(test: Ratings) -> Any:
        # Unknown users and items have number -1: the row of zeros at the end.
        users = [data.uid_map.get(user, -1) for user in test.users.tolist()]
        items = [data.iid_map.get(item, -1) for item in test.items.tolist()]
        P, Q = (np.pad(rows, [(0, 1), (0, 0)]) for rows in (model.u_factors, model.i_factors))
        biases = np.append(model.u_biases, 0)[users] + np.append(model.i_biases, 0)[items]
        predicted = model.global_mean + biases + np.einsum("nk,nk->n", P[users], Q[items])
        return np.clip(predicted, training.ratings.min(), training.ratings.max())

    return lambda: model.fit(data), predict


def libmf(path: str, training: Ratings) -> Predict:
    """Return the functions of LIBMF with its default settings and K = 64."""
    from benchmarks.engines import Job, Result
    from benchmarks.engines import libmf as train

    low, high = training.ratings.min(), training.ratings.max()
    known = [np.unique(column) for column in (training.users, training.items)]
    job = Job(
        users=training.users,
        items=training.items,
        ratings=training.ratings,
        n_factors=64,
        n_threads=1,
        n_epochs=20,
        n_users=int(known[0][-1]) + 1,
        n_items=int(known[1][-1]) + 1,
        libmf=path,
        regularization=0.1,
    )
    fitted: list[Result] = []

    def predict(test: Ratings) -> Any:
        result, predicted = fitted[0], np.full(len(test), training.ratings.mean(), np.float64)
        both = np.isin(test.users, known[0]) & np.isin(test.items, known[1])
        rows = test.take(both)
        predicted[both] = np.einsum("nk,nk->n", result.P[rows.users], result.Q[rows.items])
        return np.clip(predicted, low, high)

    return lambda: fitted.append(train(job)), predict


def main() -> None:
    """Print the test RMSE and the seconds of one fit as JSON."""
    peer, name, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    training, test = standard_split(read(name), seed)
    if peer == "LIBMF":
        fit, predict = libmf(sys.argv[4], training)
    else:
        make = surprise if PEERS[peer] == "scikit-surprise" else cornac
        fit, predict = make(peer, training, seed)
    start = time.perf_counter()
    fit()
    seconds = time.perf_counter() - start
    print(json.dumps({"rmse": rmse(predict(test), test.ratings), "seconds": seconds}))


if __name__ == "__main__":
    main()
