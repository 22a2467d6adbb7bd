"""entries_by_group: which of some entries belong to each group of rows."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from factorate._utils.types import Offsets, Rows

T = TypeVar("T")


def entries_by_group(rows: Rows, edges: Offsets) -> list[tuple[int, Offsets]]:
    """Return the first row of each group, and the indexes of the entries of its rows, in order.

    Parameters
    ----------
    rows : ndarray of int32
        The row of each entry.
    edges : ndarray of int64
        First row of each group, and the end.

    Examples
    --------
    >>> found = entries_by_group(np.array([7, 0, 5, 1]), np.array([0, 5, 5, 8]))
    >>> [(first, entries.tolist()) for first, entries in found]
    [(0, [1, 3]), (5, []), (5, [0, 2])]
    """
    groups = np.searchsorted(edges, rows, side="right") - 1
    groups = groups.astype(np.min_scalar_type(len(edges)))  # which NumPy sorts faster
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=len(edges) - 1)).tolist()
    spans = itertools.pairwise([0, *ends])
    return [
        (first, order[slice(*span)]) for first, span in zip(edges[:-1].tolist(), spans, strict=True)
    ]


def group_of(by_group: list[T], group: int) -> T:
    """Return what belongs to one group."""
    return by_group[group]
