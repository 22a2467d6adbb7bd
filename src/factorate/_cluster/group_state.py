"""GroupState: the parameters of the users or items of a group of bands, which a worker changes."""

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
class GroupState:
    """The parameters of the users or items of a group of bands.

    Between epochs, no task changes a state. The first step of an epoch makes a copy, which the
    steps change one after the other without another copy. Were a step run again on what it has
    changed already, because its result was lost, the number of steps would show it.

    Attributes
    ----------
    side : int
        0 for users, 1 for items.
    factors, bias, accumulators : ndarray
        As those of `State`.
    counts : ndarray of float64
        Number of ratings of each row.
    scales : ndarray of float64, shape (n,) or (0,)
        Factors of the learning rates of each row; none if all are 1.
    highest_scale : float
        The highest factor of all rows of the side.
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
    scales: Doubles
    highest_scale: float
    columns: Floats
    n_steps: int = 0

    def __sizeof__(self) -> int:
        """Return the bytes of the arrays, by which Dask chooses workers."""
        arrays = self.factors, self.bias, self.accumulators, self.counts, self.scales, self.columns
        return sum(array.nbytes for array in arrays)


class Stale:
    """The result of a step that ran again on a state that it had changed, because it was lost.

    Steps return it instead of raising `StaleError`: after an error, Dask drops the results of all
    tasks that depend on the same one, also those that are good.
    """


class StaleError(Exception):
    """A state was changed by another number of steps than expected."""


def begin_epoch(
    state: GroupState, settings: Settings, factor: float, *, general: bool
) -> GroupState:
    """Return a copy with the constants of an epoch, whose learning rates have a factor."""
    columns = aligned_zeros((len(state.bias), 4), state.bias.dtype)
    for rows in slices(len(columns), CHUNK):
        factors = factor * state.scales[rows] if len(state.scales) else factor
        highest = factor * state.highest_scale
        constants = side_constants(state.side, state.counts[rows], settings, factors, highest)
        with np.errstate(over="ignore"):
            columns[rows] = constants
        if not general:
            columns[rows] = plain_columns(columns[rows], state.bias[rows])
    return replace(
        state,
        factors=_aligned_copy(state.factors),
        bias=_aligned_copy(state.bias),
        accumulators=_aligned_copy(state.accumulators),
        columns=columns,
    )


def end_epoch(state: GroupState, *, general: bool) -> GroupState:
    """Return the state as it is between epochs."""
    bias = state.bias if general else state.columns[:, 0].copy()
    return replace(state, bias=bias, columns=np.empty((0, 4), bias.dtype), n_steps=0)


def begin_step(state: GroupState, n_steps: int) -> GroupState:
    """Return a state that a step may change, after the given number of steps.

    Raises
    ------
    StaleError
        If another number of steps has changed it.
    """
    if state.n_steps != n_steps:
        raise StaleError(f"{state.n_steps} steps changed a state; expected {n_steps}")
    state.n_steps = CHANGING
    return replace(
        state,
        factors=_changeable(state.factors),
        bias=_changeable(state.bias),
        accumulators=_changeable(state.accumulators),
        columns=_changeable(state.columns),
    )


def as_rows(state: GroupState) -> Rows:
    """Return the arrays of a state as kernels take them."""
    return Rows(state.factors, state.columns, state.bias, state.accumulators)


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
