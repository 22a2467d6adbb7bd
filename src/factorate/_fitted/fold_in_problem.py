"""The input of a fold-in: ratings of new rows of one side, and the other side, which is fixed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from factorate._utils.types import Floats, Rows


@dataclass(frozen=True, kw_only=True)
class FixedSide:
    """The side that does not change, on the scale of the ratings, with the mean and the scale.

    Attributes
    ----------
    factors, bias : ndarray
        Shapes (n, K) and (n,).
    mean, scale : float
        As in `Factors`.
    fit_bias : bool
        Whether the new rows have biases.
    """

    factors: Floats
    bias: Floats
    mean: float
    scale: float
    fit_bias: bool


@dataclass(frozen=True, kw_only=True)
class RowRatings:
    """The ratings of the new rows.

    Attributes
    ----------
    rows, others : ndarray
        New row and row of the fixed side of each rating, int32, shape (n,); −1 is an unknown row of
        the fixed side.
    values : ndarray
        On the user's scale, shape (n,).
    n_rows : int
        Number of new rows.
    """

    rows: Rows
    others: Rows
    values: Floats
    n_rows: int


def replace_unknown(fixed: FixedSide, ratings: RowRatings) -> tuple[FixedSide, RowRatings]:
    """Return the problem with a row of zeros in place of the unknown rows of the fixed side.

    Only the biases depend on ratings of unknown rows; without biases, they are left out. The other
    rows of the fixed side are then those that are rated.
    """
    known = ratings.others >= 0
    if known.all():
        return fixed, ratings
    kept = np.flatnonzero(known)
    used, columns = np.unique(ratings.others[kept], return_inverse=True)
    if fixed.fit_bias:
        unknown = np.flatnonzero(~known)
        # A row may have several; sorted, they are summed in the same order whatever that of input.
        unknown = unknown[np.lexsort((ratings.values[unknown], ratings.rows[unknown]))]
        kept = np.append(kept, unknown)
        columns = np.append(columns, np.full(len(unknown), len(used)))
    zeros = np.zeros((1, fixed.factors.shape[1]), fixed.factors.dtype)
    return (
        dataclasses.replace(
            fixed,
            factors=np.concatenate([fixed.factors[used], zeros]),
            bias=np.append(fixed.bias[used], zeros[0, :1]),
        ),
        dataclasses.replace(
            ratings,
            rows=ratings.rows[kept],
            others=columns.astype(np.int32),
            values=ratings.values[kept],
        ),
    )
