"""One function per engine that trains on arrays and returns the time and the factors.

This module runs in the environment of the engine, so only the function `factorate` imports
factorate. Times do not include the conversion of NumPy arrays to the preferred input format of the
engine.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Job:
    """The ratings and the parameters of a training."""

    users: Any  # int32, 0-based
    items: Any
    ratings: Any  # float32
    n_factors: int
    n_threads: int
    n_epochs: int
    n_users: int
    n_items: int
    libmf: str | None = None
    regularization: float = 0.05  # of LIBMF


@dataclass(frozen=True)
class Result:
    """Seconds of training, and the parameters of the prediction mean + biases + P · Q."""

    seconds: float
    P: Any
    Q: Any
    user_bias: Any = 0.0
    item_bias: Any = 0.0
    mean: float = 0.0

    def rmse(self, users: Any, items: Any, ratings: Any) -> float:
        """Return the RMSE on other ratings of known users and items."""
        user_bias, item_bias = (
            np.broadcast_to(bias, len(rows)) if np.ndim(bias) == 0 else bias
            for bias, rows in ((self.user_bias, self.P), (self.item_bias, self.Q))
        )
        dots = np.einsum("nk,nk->n", self.P[users], self.Q[items])
        predicted = self.mean + user_bias[users] + item_bias[items] + dots
        return float(np.sqrt(np.mean((ratings - predicted) ** 2)))


def by_id(n: int, ids: Any, rows: Any, biases: Any) -> tuple[Any, Any]:
    """Return factors and biases for the ids 0 … n − 1, with zeros for missing ids."""
    out, bias_out = np.zeros((n, rows.shape[1])), np.zeros(n)
    out[ids], bias_out[ids] = rows, biases
    return out, bias_out


def factorate(job: Job) -> Result:
    """Train with SGD, biases and default learning rates; like the others, without seen items."""
    import factorate as ft

    model = ft.MatrixFactorization(
        job.n_factors, job.n_epochs, random_state=0, n_threads=job.n_threads, keep_seen=False
    )
    start = time.perf_counter()
    model.fit((job.users, job.items, job.ratings))
    seconds = time.perf_counter() - start
    P, user_bias = by_id(job.n_users, model.users_, model.user_factors_, model.user_bias_)
    Q, item_bias = by_id(job.n_items, model.items_, model.item_factors_, model.item_bias_)
    return Result(seconds, P, Q, user_bias, item_bias, model.global_mean_)


class _Node(ctypes.Structure):
    _fields_ = (("u", ctypes.c_int), ("v", ctypes.c_int), ("r", ctypes.c_float))


class _Problem(ctypes.Structure):
    _fields_ = (
        ("m", ctypes.c_int),
        ("n", ctypes.c_int),
        ("nnz", ctypes.c_longlong),
        ("R", ctypes.c_void_p),
    )


class _Parameter(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for name in ("fun", "k", "nr_threads", "nr_bins", "nr_iters")),
        *(
            (name, ctypes.c_float)
            for name in ("lambda_p1", "lambda_p2", "lambda_q1", "lambda_q2", "eta", "alpha", "c")
        ),
        *((name, ctypes.c_bool) for name in ("do_nmf", "quiet", "copy_data")),
    )


class _Model(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for name in ("fun", "m", "n", "k")),
        ("b", ctypes.c_float),
        ("P", ctypes.POINTER(ctypes.c_float)),
        ("Q", ctypes.POINTER(ctypes.c_float)),
    )


def libmf(job: Job) -> Result:
    """Train with AdaGrad, without biases, eta 0.1; uses the C interface of LIBMF."""
    library: Any = ctypes.CDLL(job.libmf)
    library.mf_get_default_param.restype = _Parameter
    library.mf_train.restype = ctypes.POINTER(_Model)
    library.mf_train.argtypes = [ctypes.POINTER(_Problem), _Parameter]
    library.mf_destroy_model.argtypes = [ctypes.POINTER(ctypes.POINTER(_Model))]
    nodes = np.empty(len(job.users), [("u", np.int32), ("v", np.int32), ("r", np.float32)])
    nodes["u"], nodes["v"], nodes["r"] = job.users, job.items, job.ratings
    problem = _Problem(job.n_users, job.n_items, len(nodes), nodes.ctypes.data)
    parameter = library.mf_get_default_param()
    parameter.k, parameter.nr_threads, parameter.nr_iters = (
        job.n_factors,
        job.n_threads,
        job.n_epochs,
    )
    parameter.lambda_p2 = parameter.lambda_q2 = job.regularization
    parameter.eta, parameter.quiet = 0.1, True
    start = time.perf_counter()
    pointer = library.mf_train(ctypes.byref(problem), parameter)
    seconds = time.perf_counter() - start
    model = pointer.contents
    P = np.ctypeslib.as_array(model.P, (model.m, model.k)).copy()
    Q = np.ctypeslib.as_array(model.Q, (model.n, model.k)).copy()
    library.mf_destroy_model(ctypes.byref(pointer))
    # LIBMF returns NaN for rows without ratings.
    return Result(seconds, np.nan_to_num(P), np.nan_to_num(Q))


def cornac(job: Job) -> Result:
    """Train with plain SGD and biases, on a cornac Dataset."""
    from cornac.data import Dataset
    from cornac.models import MF

    columns = job.users.astype(np.int64), job.items.astype(np.int64), job.ratings
    identity = [{row: row for row in range(n)} for n in (job.n_users, job.n_items)]
    data = Dataset(job.n_users, job.n_items, *identity, columns)
    model = MF(
        k=job.n_factors,
        max_iter=job.n_epochs,
        learning_rate=0.01,
        lambda_reg=0.05,
        num_threads=job.n_threads,
        seed=0,
    )
    start = time.perf_counter()
    model.fit(data)
    seconds = time.perf_counter() - start
    return Result(
        seconds, model.u_factors, model.i_factors, model.u_biases, model.i_biases, model.global_mean
    )


def surprise(job: Job) -> Result:
    """Train SVD with its default learning rate and regularization, on a surprise Trainset."""
    from surprise import SVD, Trainset

    by_user: dict[int, list[tuple[int, float]]] = {}
    by_item: dict[int, list[tuple[int, float]]] = {}
    for u, i, r in zip(job.users.tolist(), job.items.tolist(), job.ratings.tolist(), strict=True):
        by_user.setdefault(u, []).append((i, r))
        by_item.setdefault(i, []).append((u, r))
    identity = [{row: row for row in range(n)} for n in (job.n_users, job.n_items)]
    data = Trainset(by_user, by_item, job.n_users, job.n_items, len(job.users), (1, 5), *identity)
    model = SVD(n_factors=job.n_factors, n_epochs=job.n_epochs, random_state=0)
    start = time.perf_counter()
    model.fit(data)
    seconds = time.perf_counter() - start
    return Result(seconds, model.pu, model.qi, model.bu, model.bi, data.global_mean)


def cmfrec(job: Job) -> Result:
    """Train with alternating least squares; an epoch is a sweep over users and items."""
    import scipy.sparse
    from cmfrec import CMF

    shape = job.n_users, job.n_items
    matrix = scipy.sparse.coo_matrix((job.ratings, (job.users, job.items)), shape)
    model = CMF(
        k=job.n_factors,
        niter=job.n_epochs,
        nthreads=job.n_threads,
        use_float=True,
        verbose=False,
        lambda_=35,
        random_state=0,
    )
    start = time.perf_counter()
    model.fit(matrix)
    seconds = time.perf_counter() - start
    return Result(
        seconds, model.A_, model.B_, model.user_bias_, model.item_bias_, float(model.glob_mean_)
    )


def lenskit(job: Job) -> Result:
    """Train with alternating least squares on explicit ratings; an epoch is a sweep."""
    import os

    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(job.n_threads)
    import pandas as pd
    from lenskit.als import BiasedMFScorer
    from lenskit.data import from_interactions_df

    frame = pd.DataFrame({"user_id": job.users, "item_id": job.items, "rating": job.ratings})
    data = from_interactions_df(frame)
    model = BiasedMFScorer(embedding_size=job.n_factors, epochs=job.n_epochs, regularization=0.1)
    start = time.perf_counter()
    model.train(data)
    seconds = time.perf_counter() - start
    P, user_bias = by_id(
        job.n_users, model.users.ids(), np.asarray(model.user_embeddings), model.bias.user_biases
    )
    Q, item_bias = by_id(
        job.n_items, model.items.ids(), np.asarray(model.item_embeddings), model.bias.item_biases
    )
    return Result(seconds, P, Q, user_bias, item_bias, float(model.bias.global_bias))


def matrix_factorization(job: Job) -> Result:
    """Train KernelMF with the linear kernel: SGD with biases, compiled by Numba."""
    import pandas as pd
    from matrix_factorization import KernelMF

    frame = pd.DataFrame({"user_id": job.users, "item_id": job.items}, dtype=np.int64)
    ratings = pd.Series(job.ratings, name="rating")
    model = KernelMF(n_factors=job.n_factors, n_epochs=job.n_epochs, lr=0.01, reg=0.05, verbose=0)
    start = time.perf_counter()
    model.fit(frame, ratings)
    seconds = time.perf_counter() - start
    sides = []
    for n, ids, rows, biases in (
        (job.n_users, model.user_id_map, model.user_features, model.user_biases),
        (job.n_items, model.item_id_map, model.item_features, model.item_biases),
    ):
        known, positions = (np.array(list(column)) for column in (ids.keys(), ids.values()))
        sides.append(by_id(n, known, rows[positions], biases[positions]))
    (P, user_bias), (Q, item_bias) = sides
    return Result(seconds, P, Q, user_bias, item_bias, model.global_mean)


def pyspark(job: Job) -> Result:
    """Train ALS with its default regularization, on a cached DataFrame; an epoch is a sweep."""
    import pandas as pd
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import SparkSession

    options = {
        "spark.driver.memory": "3g",
        "spark.log.level": "ERROR",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master(f"local[{job.n_threads}]")
    session = builder.config(map=options).getOrCreate()
    columns = pd.DataFrame({"user": job.users, "item": job.items, "rating": job.ratings})
    data = session.createDataFrame(columns).cache()
    data.count()
    names = {"userCol": "user", "itemCol": "item", "ratingCol": "rating"}
    als = ALS(rank=job.n_factors, maxIter=job.n_epochs, seed=0, **names)
    start = time.perf_counter()
    model = als.fit(data)
    seconds = time.perf_counter() - start
    factors = []
    for n, frame in ((job.n_users, model.userFactors), (job.n_items, model.itemFactors)):
        found = frame.toPandas()
        rows = np.stack(found["features"])
        factors.append(by_id(n, found["id"].to_numpy(), rows, 0.0)[0])
    data.unpersist()
    return Result(seconds, *factors)


ENGINES: dict[str, Callable[[Job], Result]] = {
    "factorate": factorate,
    "LIBMF": libmf,
    "cornac": cornac,
    "scikit-surprise": surprise,
    "cmfrec": cmfrec,
    "lenskit": lenskit,
    "matrix-factorization": matrix_factorization,
    "pyspark": pyspark,
}
