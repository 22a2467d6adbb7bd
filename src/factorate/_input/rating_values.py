"""Read the values of ratings and check that they are finite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._utils.validation import (
    as_sized,
    check_column,
    check_numeric,
    check_unmasked,
    to_numbers,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from factorate._utils.types import Floats


def read_values(ratings: ArrayLike, dtype: np.dtype[Any], what: str = "ratings") -> Floats:
    """Return ratings as an array of `dtype`, all finite.

    Parameters
    ----------
    ratings : array-like of shape (n,) or (n, 1)
        Real numbers.
    dtype : numpy.dtype
        float32 or float64.
    what : str, default="ratings"
        Name of the column in errors.

    Returns
    -------
    ndarray of shape (n,)
        The ratings, contiguous; not a copy if the input is such an array.

    Raises
    ------
    TypeError
        If they are not real numbers.
    ValueError
        If one is masked, NaN, infinite, or too large for `dtype`, or the shape is not (n,).
    """
    if isinstance(ratings, np.ma.MaskedArray):
        check_unmasked(ratings.ravel(), what)
    ratings = as_sized(ratings)
    check_column(ratings, what)
    array = np.asarray(ratings)
    if array.dtype.kind in "OUS":
        array = to_numbers(array, what)
    check_numeric(array, what)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{what} has shape {array.shape}; expected (n,)")
    with np.errstate(over="ignore"):
        values: Floats = np.ascontiguousarray(array, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # then all are finite; the sum takes half the time
            return values
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        value = array[bad[0]]
        reason = "is too large for " + dtype.name if np.isfinite(value) else "is not finite"
        raise ValueError(
            f"{what}[{bad[0]}] is {value}, which {reason}; drop it or give it a finite value "
            f"({len(bad)} of {len(values)} are not finite in {dtype.name})"
        )
    return values


def value_range(values: Floats) -> tuple[float, float]:
    """Return the minimum and maximum of ratings, with 0.0 for -0.0.

    NumPy returns either zero, depending on the order of the values.

    Examples
    --------
    >>> value_range(np.array([0.0, -0.0])), value_range(np.array([-0.0, 0.0]))
    ((0.0, 0.0), (0.0, 0.0))
    """
    return float(values.min()) + 0.0, float(values.max()) + 0.0
