"""Part: the parameters of the users or items of a group of bands, which a worker changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factorate._training.block_updater import Rows
from factorate._training.row_constants import plain_columns, side_constants
from factorate._utils.aligned import ALIGNMENT, aligned_zeros
from factorate._utils.workers import slices

if TYPE_CHECKING:
    from factorate._training.settings import Settings
    from factorate._utils.types import Doubles, Floats

CHANGING = -1
CHUNK = 1 << 13  # rows computed at a time, few enough for the allocator to reuse their memory


@dataclass(kw_only=True)
class Part:
    """The parameters of the users or items of a group of bands.

    Between epochs, no task changes a part. The first step of an epoch makes a copy, which the steps
    change one after the other without another copy. Were a step run again on what it has changed
    already, because its result was lost, the number of steps would show it.

    Attributes
    ----------
    side : int
        0 for users, 1 for items.
    factors, bias, accumulators : ndarray
        As those of `State`.
    counts : ndarray of float64
        Number of ratings of each row.
    columns : ndarray of shape (n, 4) or (0, 4)
        During an epoch, as those of `Rows`.
    n_steps : int, default=0
        Number of the steps of this epoch that have changed it, or `CHANGING`.
    """

    side: int
    factors: Floats
    bias: Floats
    accumulators: Floats
    counts: Doubles
    columns: Floats
    n_steps: int = 0

    def __sizeof__(self) -> int:
        """Return the bytes of the arrays, by which Dask chooses workers."""
        arrays = self.factors, self.bias, self.accumulators, self.counts, self.columns
        return sum(array.nbytes for array in arrays)


class StaleError(Exception):
    """A part was changed by another number of steps than expected."""


def begin_epoch(part: Part, settings: Settings, factor: float, *, general: bool) -> Part:
    """Return a copy with the constants of an epoch, whose learning rates have a factor."""
    columns = aligned_zeros((len(part.bias), 4), part.bias.dtype)
    for rows in slices(len(columns), CHUNK):
        constants = side_constants(part.side, part.counts[rows], settings, factor, factor)
        with np.errstate(over="ignore"):
            columns[rows] = constants
        if not general:
            columns[rows] = plain_columns(columns[rows], part.bias[rows])
    return replace(
        part,
        factors=_aligned_copy(part.factors),
        bias=_aligned_copy(part.bias),
        accumulators=_aligned_copy(part.accumulators),
        columns=columns,
    )


def end_epoch(part: Part, *, general: bool) -> Part:
    """Return the part as it is between epochs."""
    bias = part.bias if general else part.columns[:, 0].copy()
    return replace(part, bias=bias, columns=np.empty((0, 4), bias.dtype), n_steps=0)


def begin_step(part: Part, n_steps: int) -> Part:
    """Return a part that a step may change, after the given number of steps.

    Raises
    ------
    StaleError
        If another number of steps has changed it.
    """
    if part.n_steps != n_steps:
        raise StaleError(f"{part.n_steps} steps changed a part; expected {n_steps}")
    part.n_steps = CHANGING
    return replace(
        part,
        factors=_changeable(part.factors),
        bias=_changeable(part.bias),
        accumulators=_changeable(part.accumulators),
        columns=_changeable(part.columns),
    )


def as_rows(part: Part) -> Rows:
    """Return the arrays of a part as kernels take them."""
    return Rows(part.factors, part.columns, part.bias, part.accumulators)


def _changeable(array: Floats) -> Floats:
    """Return an array that can be changed and begins on a cache line, for faster vector loads.

    One that came from another worker may be read-only and begin anywhere.
    """
    if array.flags.writeable and array.ctypes.data % ALIGNMENT == 0:
        return array
    return _aligned_copy(array)


def _aligned_copy(array: Floats) -> Floats:
    copied = aligned_zeros(array.shape, array.dtype)
    copied[:] = array
    return copied
