"""The arrays that training moves: from a start to the Factors that serving reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels.plain import PADDING
from factorate._training.factors import Factors
from factorate._utils.aligned import aligned_zeros
from factorate._utils.random_streams import stream, uniform

if TYPE_CHECKING:
    from typing import Any

    from factorate._training.schedule import Schedule
    from factorate._utils.types import Flags, Floats


START_WIDTH = 0.25  # factors begin uniform from 0 to this over √K, on the scale of training
CHUNK = 1 << 16  # numbers drawn at a time: they stay in the cache


@dataclass(frozen=True)
class State:
    """What the kernel moves, on the scale of training: a row for each place.

    Rows of factors are padded with zeros to whole vectors. The accumulators are sums of the
    squared gradients of a row's factors and of its bias; they have no rows where the rule needs
    none. With SVD++ terms there are also each user's own p and the factors y of the rated items.
    """

    P: Floats
    Q: Floats
    user_bias: Floats
    item_bias: Floats
    user_accumulators: Floats
    item_accumulators: Floats
    own: Floats
    svdpp: Floats


@dataclass(frozen=True)
class WarmStart:
    """What was learnt before, to go on from.

    Attributes
    ----------
    factors
        On the user's scale, a row for each row of the ratings.
    known_users, known_items
        Which of those rows were learnt; the others begin as in a first fit.
    accumulators
        Sums of squared gradients of users and items, each of shape (n, 2), or None.
    keep_scale
        Whether the centre and scale of the factors go on too.
    """

    factors: Factors
    known_users: Flags
    known_items: Flags
    accumulators: tuple[Floats, Floats] | None
    keep_scale: bool


def padded(n_factors: int) -> int:
    """Return the length of a row of factors in memory."""
    return -(-n_factors // PADDING) * PADDING


def _random_factors(
    n_rows: int, n_factors: int, width: float, dtype: np.dtype[Any], bits: np.random.PCG64
) -> Floats:
    """Draw a start for each place, uniform from 0 to width / √K.

    All factors being positive, p·q begins as the product of one number a user and one an item:
    the direction most ratings share is learnt first (measured in benchmarks/README.md).
    """
    out = aligned_zeros((n_rows, padded(n_factors)), dtype)
    rows = max(1, CHUNK // n_factors)
    for first in range(0, n_rows, rows):
        part = out[first : first + rows, :n_factors]
        part[:] = width / math.sqrt(n_factors) * uniform(part.size, bits).reshape(part.shape)
    return out


def begin(
    schedule: Schedule,
    n_factors: int,
    width: float,
    seed: int,
    initial_accumulator: float | None,
    scale: float,
    start: WarmStart | None,
) -> State:
    """Return the state before the first epoch.

    Parameters
    ----------
    schedule
        Says which row stands at each place.
    n_factors
        K.
    width
        Factors that are new are uniform from 0 to this over √K.
    seed
        Seeds them.
    initial_accumulator
        Initial value of the squared-gradient accumulators of factors; None for no accumulators.
    scale
        Of training.
    start
        What is known already.
    """
    dtype = schedule.ratings.dtype
    sides = []
    for side, order in enumerate((schedule.user_order, schedule.item_order)):
        rows = _random_factors(len(order), n_factors, width, dtype, stream(seed, 3, side))
        bias = np.zeros(len(order), dtype)
        accumulators = np.ones((0 if initial_accumulator is None else len(order), 2), dtype)
        if initial_accumulator is not None:
            accumulators[:, 0] = initial_accumulator
        if start is not None:
            factors = start.factors
            known = (start.known_users, start.known_items)[side][order]
            old = order[known]
            rows[known, :n_factors] = (factors.user_factors, factors.item_factors)[side][
                old
            ] / dtype.type(math.sqrt(scale))
            bias[known] = (factors.user_bias, factors.item_bias)[side][old] / dtype.type(scale)
            if start.accumulators is not None and initial_accumulator is not None:
                accumulators[known] = start.accumulators[side][old]
        sides.append((rows, bias, accumulators))
    (P, user_bias, user_accumulators), (Q, item_bias, item_accumulators) = sides
    none = np.empty((0, P.shape[1]), dtype)
    return State(P, Q, user_bias, item_bias, user_accumulators, item_accumulators, none, none)


def copy(state: State, to: State | None) -> State:
    """Copy the arrays, into those of another state where there is one."""
    if to is None:
        return State(*(np.copy(array) for array in vars(state).values()))
    for source, target in zip(vars(state).values(), vars(to).values(), strict=True):
        np.copyto(target, source)
    return to


def is_finite(state: State) -> bool:
    """Say whether no number has overflown."""
    arrays = state.P, state.Q, state.user_bias, state.item_bias, state.own, state.svdpp
    return all(bool(np.isfinite(array).all()) for array in arrays)


def view(state: State) -> Factors:
    """Return the state as factors on the scale of training, places as rows, without a copy."""
    P, Q, user_bias, item_bias = (
        array.view() for array in (state.P, state.Q, state.user_bias, state.item_bias)
    )
    return Factors(P, Q, user_bias, item_bias, 0.0, 1.0)


def to_factors(
    state: State, schedule: Schedule, shape: tuple[int, int], n_factors: int, centre: float,
    scale: float,
) -> Factors:  # fmt: skip
    """Copy the state to rows, on the user's scale; rows without ratings are zeros."""
    dtype = state.P.dtype
    arrays = []
    for n, order, rows, bias in (
        (shape[0], schedule.user_order, state.P, state.user_bias),
        (shape[1], schedule.item_order, state.Q, state.item_bias),
    ):
        factors, biases = aligned_zeros((n, n_factors), dtype), np.zeros(n, dtype)
        factors[order] = rows[:, :n_factors] * dtype.type(math.sqrt(scale))
        biases[order] = bias * dtype.type(scale)
        arrays.append((factors, biases))
    (P, user_bias), (Q, item_bias) = arrays
    svdpp = None
    if len(state.svdpp):
        svdpp = np.zeros_like(Q)
        svdpp[schedule.item_order] = state.svdpp[:, :n_factors] * dtype.type(math.sqrt(scale))
    return Factors(P, Q, user_bias, item_bias, centre, scale, svdpp)


def to_accumulators(
    state: State, schedule: Schedule, shape: tuple[int, int], n_factors: int
) -> tuple[Floats, Floats]:
    """Copy the accumulators of squared gradients to rows; unrated ones have what all begin with."""
    out = []
    for n, order, accumulators in (
        (shape[0], schedule.user_order, state.user_accumulators),
        (shape[1], schedule.item_order, state.item_accumulators),
    ):
        rows = np.tile(np.array([n_factors, 1], accumulators.dtype), (n, 1))
        rows[order] = accumulators
        out.append(rows)
    return out[0], out[1]
