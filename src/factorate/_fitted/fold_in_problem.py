"""The input of a fold-in: ratings of new rows of one side, and the other side, which is fixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        New row and row of the fixed side of each rating, int32, shape (n,).
    values : ndarray
        On the user's scale, shape (n,).
    n_rows : int
        Number of new rows.
    """

    rows: Rows
    others: Rows
    values: Floats
    n_rows: int
