"""Put rows into a copy of an array, such as the factors of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Floats


def put_rows(old: Floats, rows: NDArray[Any], new: Floats, n_rows: int) -> Floats:
    """Return a copy with `n_rows` rows, some of them replaced by new ones; infinity if too large.

    Examples
    --------
    >>> put_rows(np.array([1.0, 2.0]), np.array([1, 3]), np.array([8.0, 9.0]), 4)
    array([1., 8., 0., 9.])
    """
    out = extend(old, n_rows)
    with np.errstate(over="ignore"):
        out[rows] = new
    return out


def extend(old: Floats, n_rows: int) -> Floats:
    """Return a copy with `n_rows` rows, of which the additional ones are zeros."""
    out = np.zeros((n_rows, *old.shape[1:]), old.dtype)
    out[: len(old)] = old
    return out
