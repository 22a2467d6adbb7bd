"""Factors: the immutable parameters that training makes and serving reads, and predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._kernels import dispatch
from factorate._utils.cores import count_threads
from factorate._utils.workers import Workers
from factorate.exceptions import DivergenceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from factorate._utils.types import Flags, Floats, Rows


NO_ROWS: Rows = np.empty(0, np.int32)
PAIRS_PER_CHUNK = 100_000  # a millisecond of work, enough to make another thread worthwhile


@dataclass(frozen=True, kw_only=True)
class Factors:
    """The parameters of a model, on the scale of the ratings.

    Attributes
    ----------
    user_factors, item_factors : ndarray
        Shapes (n_users, K) and (n_items, K), float32 or float64, C-ordered, read-only.
    user_bias, item_bias : ndarray
        Shapes (n_users,) and (n_items,), same dtype; zeros if biases are not fitted.
    mean : float
        μ; 0 if the mean is not fitted.
    scale : float
        Divisor of the ratings during training: their standard deviation for most losses.
    svdpp : ndarray, default=None
        Factors y of the rated items, shape (n_items, K). The user factors already include these
        SVD++ terms. None if the model has none.
    unknown_is_mean : bool, default=False
        Whether an unknown user has the mean of the factors of all users; otherwise zeros.
    """

    user_factors: Floats
    item_factors: Floats
    user_bias: Floats
    item_bias: Floats
    mean: float
    scale: float
    svdpp: Floats | None = None
    unknown_is_mean: bool = False

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for array in vars(self).values():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled object, with read-only arrays."""
        vars(self).update(state)
        self.__post_init__()

    @cached_property
    def sizes(self) -> Sizes:
        """The sizes of the largest parameters of each kind, or upper bounds of them."""
        return _sizes_of(self.user_factors, self.item_factors, self.user_bias, self.item_bias)

    @cached_property
    def unknown_user(self) -> Floats:
        """The factors of an unknown user, shape (K,)."""
        P = self.user_factors
        if not self.unknown_is_mean or not len(P):
            return np.zeros(P.shape[1], P.dtype)
        mean: Floats = (P.sum(axis=0, dtype=np.float64) / len(P)).astype(P.dtype)
        return mean


class Sizes(NamedTuple):
    """The absolute value of the largest parameter of each kind."""

    user_factors: float
    item_factors: float
    user_bias: float
    item_bias: float


@dataclass(frozen=True, kw_only=True)
class WarmStart:
    """The parameters that training continues from.

    Attributes
    ----------
    factors : Factors
        On the scale of the ratings, with a row for each row of the ratings.
    known_users, known_items : ndarray of bool
        Whether each row was trained before; the others start as in a first fit.
    progress : tuple of ndarray of shape (n, 2)
        The progress of users and items, as in `Trained`; zeros for rows that were not trained.
    accumulators : tuple of ndarray or None
        Squared-gradient accumulators of users and items, each of shape (n, 2).
    further : bool
        Whether the ratings are further ones, in addition to those of the earlier training, and on
        its centre and scale. If not, they include those of the earlier training.
    """

    factors: Factors
    known_users: Flags
    known_items: Flags
    progress: tuple[Floats, Floats]
    accumulators: tuple[Floats, Floats] | None = None
    further: bool = False


def predict(
    factors: Factors,
    user_rows: Rows,
    item_rows: Rows,
    n_threads: int | None = 1,
    *,
    chunk: int = PAIRS_PER_CHUNK,
) -> Floats:
    """Return μ + b_u + b_i + p_u·q_i for each pair of rows.

    Parameters
    ----------
    factors : Factors
        The parameters.
    user_rows, item_rows : ndarray of int32, shape (n,)
        Rows of each pair. -1 is an unknown user or item, whose bias and factors count as 0, except
        for `unknown_user`.
    n_threads : int or None, default=1
        Maximum number of threads, which does not affect the result; None for one per core.
    chunk : int, default=100_000
        Number of pairs that a thread predicts at a time.

    Returns
    -------
    ndarray, shape (n,)
        Predictions, in the dtype of the factors.
    """
    out = np.empty(len(user_rows), factors.user_factors.dtype)
    if not len(out):
        return out
    if user_rows.min() >= 0 and item_rows.min() >= 0:
        chunks = [slice(first, first + chunk) for first in range(0, len(out), chunk)]
        threads = min(len(chunks), count_threads(n_threads)) if len(chunks) > 1 else 1
        _predict_known(factors, (user_rows, item_rows), out, chunks, threads)
        return out
    known = (user_rows >= 0) & (item_rows >= 0)
    out[known] = predict(factors, user_rows[known], item_rows[known], n_threads, chunk=chunk)
    bias = np.full(len(user_rows), factors.mean, out.dtype)
    for rows, side_bias in ((user_rows, factors.user_bias), (item_rows, factors.item_bias)):
        bias[rows >= 0] += side_bias.take(rows[rows >= 0])
    out[~known] = bias[~known]
    if factors.unknown_is_mean:
        of_mean = (user_rows < 0) & (item_rows >= 0)
        P, n_pairs = factors.unknown_user[None], np.count_nonzero(of_mean)
        mean_user = replace(factors, user_factors=P, user_bias=np.zeros(1, P.dtype))
        user = np.zeros(n_pairs, np.int32)
        out[of_mean] = predict(mean_user, user, item_rows[of_mean], n_threads, chunk=chunk)
    return out


def require_factors(rows: Floats, what: str) -> Floats:
    """Return rows of factors, or raise ValueError if they have no columns.

    Parameters
    ----------
    rows : ndarray of shape (n, K)
        Factors of users or items.
    what : str
        What the factors are for, in the error.
    """
    if not rows.shape[1]:
        raise ValueError(
            f"the model has no factors (n_factors=0), which {what} need; fit with n_factors of at "
            f"least 1"
        )
    return rows


def replace_rows(
    old: Factors,
    arrays: Mapping[str, Any],
    *,
    users: NDArray[Any] = NO_ROWS,
    items: NDArray[Any] = NO_ROWS,
) -> Factors:
    """Return factors with other arrays, of which only some rows are not among the old ones.

    The sizes of the result are computed from these rows and the sizes of `old`.

    Parameters
    ----------
    old : Factors
        The old parameters.
    arrays : mapping of str to ndarray
        New arrays by name.
    users, items : ndarray
        The rows that are new or differ.
    """
    new = replace(old, **arrays)
    changed = (
        new.user_factors.take(users, axis=0),
        new.item_factors.take(items, axis=0),
        new.user_bias.take(users),
        new.item_bias.take(items),
    )
    vars(new)["sizes"] = Sizes(*np.maximum(old.sizes, _sizes_of(*changed)).tolist())
    return new


def check_predictions(factors: Factors) -> None:
    """Raise DivergenceError if the prediction of some pair may be too large for the dtype.

    A dot product is at most the product of the norms, and K times that of the largest factors.
    """
    largest = float(np.finfo(factors.user_factors.dtype).max)
    user, item, user_bias, item_bias = factors.sizes
    n_factors = factors.user_factors.shape[1]
    biases = abs(factors.mean) + user_bias + item_bias
    if biases + n_factors * user * item <= largest:
        return
    user, item, user_bias, item_bias = _sizes_of(  # those above may be larger
        factors.user_factors, factors.item_factors, factors.user_bias, factors.item_bias
    )
    biases = abs(factors.mean) + user_bias + item_bias
    bound = biases + _largest_norm(factors.user_factors) * _largest_norm(factors.item_factors)
    if not bound <= largest:
        raise DivergenceError(
            f"factors up to {user:.3g} (users) and {item:.3g} (items) and biases up to "
            f"{max(user_bias, item_bias):.3g} can give predictions above {largest:.3g}, too large "
            f"for {factors.user_factors.dtype}; divide the ratings by a number, lower the learning "
            f"rate, or use dtype='float64'"
        )


def _sizes_of(*arrays: Floats) -> Sizes:
    return Sizes(
        *(max(float(array.max(initial=0)), -float(array.min(initial=0))) for array in arrays)
    )


def _largest_norm(rows: Floats) -> float:
    """Return the largest norm of a row, scaled so that squares do not overflow."""
    size = float(np.abs(rows).max(initial=0)) or 1.0
    if not math.isfinite(size):
        return math.inf
    squares = np.sum(np.square(rows / size, dtype=np.float64), axis=1)
    return size * float(np.sqrt(squares.max(initial=0)))


def _predict_known(
    factors: Factors, pairs: tuple[Rows, Rows], out: Floats, chunks: list[slice], n_threads: int
) -> None:
    user_rows, item_rows = pairs
    arrays = (factors.user_factors, factors.item_factors, factors.user_bias, factors.item_bias)

    def predict_chunk(chunk: slice) -> None:
        rows = user_rows[chunk], item_rows[chunk]
        dispatch.predict.predict(*rows, *arrays, factors.mean, out[chunk])

    if n_threads == 1:
        predict_chunk(slice(None))
        return
    Workers(n_threads).map(predict_chunk, chunks)
