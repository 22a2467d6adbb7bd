"""Factors: the immutable arrays that training makes and serving reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels import dispatch
from factorate._utils.threads import count_threads

if TYPE_CHECKING:
    from typing import Any

    from factorate._utils.types import Floats, Rows


PAIRS_PER_PART = 100_000  # a millisecond: what makes another thread worth while


@dataclass(frozen=True)
class Factors:
    """What a model has learnt, on the user's scale of ratings.

    Attributes
    ----------
    user_factors, item_factors
        Shapes (n_users, K) and (n_items, K), float32 or float64, C-ordered, read-only.
    user_bias, item_bias
        Shapes (n_users,) and (n_items,), same dtype; zeros where biases are not fitted.
    mean
        μ; 0 where the mean is not fitted.
    scale
        Standard deviation by which ratings were divided during training.
    svdpp
        Factors y of what was rated, shape (n_items, K), which user factors contain; or None.
    """

    user_factors: Floats
    item_factors: Floats
    user_bias: Floats
    item_bias: Floats
    mean: float
    scale: float
    svdpp: Floats | None = None

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for array in vars(self).values():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore, read-only again."""
        vars(self).update(state)
        self.__post_init__()


def predict(factors: Factors, users: Rows, items: Rows, n_threads: int | None = 1) -> Floats:
    """Return μ + b_u + b_i + p_u·q_i for each pair of rows.

    Parameters
    ----------
    factors
        What was learnt.
    users, items
        Rows, shape (n,); −1 is an unknown one, of which nothing is added.
    n_threads
        How many may run; None for one on each core. Without influence on the result.

    Returns
    -------
    ndarray
        Shape (n,), in the dtype of the factors.
    """
    out = np.empty(len(users), factors.user_factors.dtype)
    if not len(out):
        return out
    if users.min() >= 0 and items.min() >= 0:
        _predict_known(factors, users, items, out, n_threads)
        return out
    known = (users >= 0) & (items >= 0)
    out[known] = predict(factors, users[known], items[known], n_threads)
    bias = np.full(len(users), factors.mean, out.dtype)
    for codes, side_bias in ((users, factors.user_bias), (items, factors.item_bias)):
        bias[codes >= 0] += side_bias[codes[codes >= 0]]
    out[~known] = bias[~known]
    return out


def _predict_known(
    factors: Factors, users: Rows, items: Rows, out: Floats, n_threads: int | None
) -> None:
    arrays = (factors.user_factors, factors.item_factors, factors.user_bias, factors.item_bias)

    def one(first: int) -> None:
        part = slice(first, first + PAIRS_PER_PART)
        dispatch.predict.predict(users[part], items[part], *arrays, factors.mean, out[part])

    parts = range(0, len(out), PAIRS_PER_PART)
    threads = min(len(parts), count_threads(n_threads)) if len(parts) > 1 else 1
    if threads == 1:
        dispatch.predict.predict(users, items, *arrays, factors.mean, out)
        return
    with ThreadPoolExecutor(threads, "factorate") as pool:
        list(pool.map(one, parts))
