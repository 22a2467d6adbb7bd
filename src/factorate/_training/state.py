"""State: the parameters during training, and their initial values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._training.factors import Factors, check_predictions
from factorate._training.schedule import padded
from factorate._utils.aligned import aligned_zeros
from factorate._utils.random_streams import stream, uniform
from factorate._utils.workers import Workers, slices

if TYPE_CHECKING:
    from typing import Any

    from factorate._training.continuation import Continuation
    from factorate._training.factors import WarmStart
    from factorate._training.scale import Scale
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._training.update_rule import UpdateRule
    from factorate._utils.types import Floats, Rows


START_WIDTH = 0.25  # initial factors are uniform from 0 to this over √K, on the scale of training
COPIED_BYTES = 1 << 22  # copied at a time by one thread, in far more time than it takes to start it
CHUNK = 1 << 16  # random numbers drawn at a time, few enough to stay in the cache


@dataclass(frozen=True, kw_only=True)
class State:
    """The arrays that updates change, on the scale of training, with a row for each position.

    Attributes
    ----------
    P, Q : ndarray
        Factors of users and items; rows are padded with zeros to whole vectors.
    user_bias, item_bias : ndarray
        Biases.
    user_accumulators, item_accumulators : ndarray, shape (n, 2) or (0, 2)
        Squared-gradient accumulators of each row's factors and of its bias, used by the general
        kernel; only AdaGrad reads them. Empty with the plain kernel.
    own_factors : ndarray
        With SVD++ terms, p_u without the terms, which `P` includes; else empty.
    svdpp : ndarray
        With SVD++ terms, the factors y_j of the rated items; else empty.
    """

    P: Floats
    Q: Floats
    user_bias: Floats
    item_bias: Floats
    user_accumulators: Floats
    item_accumulators: Floats
    own_factors: Floats
    svdpp: Floats


def initial_state(
    schedule: Schedule,
    settings: Settings,
    scale: Scale,
    continuations: tuple[Continuation, Continuation],
    warm_start: WarmStart | None = None,
    *,
    with_accumulators: bool = False,
) -> State:
    """Return the state before the first epoch.

    Parameters
    ----------
    schedule : Schedule
        The standardized ratings.
    settings : Settings
        The number of factors, the seed and the update rule.
    scale : Scale
        The scale of training.
    continuations : tuple of Continuation
        How much of the old factors of users and items to keep.
    warm_start : WarmStart, default=None
        Parameters to continue from; None to start from random factors and biases of 0.
    with_accumulators : bool, default=False
        Whether to make squared-gradient accumulators, which the general kernel needs.

    Returns
    -------
    State
    """
    dtype, n_factors = schedule.ratings.dtype, settings.n_factors
    width = _start_width(scale, settings.rule)
    sides = []
    for side, order in enumerate((schedule.user_order, schedule.item_order)):
        bits = stream(settings.seed, 3, side)
        rows = _random_factors((len(order), n_factors), width, dtype, bits)
        bias = np.zeros(len(order), dtype)
        n_accumulators = len(order) if with_accumulators else 0
        accumulators = initial_accumulators(n_accumulators, n_factors, dtype)
        if warm_start is not None:
            factors = warm_start.factors
            known = (warm_start.known_users, warm_start.known_items)[side].take(order)
            old = order[known].astype(np.intp)
            old_factors = (factors.user_factors, factors.item_factors)[side][old]
            kept = continuations[side].kept[known, None].astype(dtype)
            rows[known, :n_factors] *= 1 - kept
            rows[known, :n_factors] += kept * (old_factors / dtype.type(math.sqrt(scale.scale)))
            old_bias = (factors.user_bias, factors.item_bias)[side][old]
            bias[known] = old_bias / dtype.type(scale.scale)
            if warm_start.accumulators is not None and with_accumulators:
                accumulators[known] = warm_start.accumulators[side][old]
        sides.append((rows, bias, accumulators))
    (P, user_bias, user_accumulators), (Q, item_bias, item_accumulators) = sides
    empty = np.empty((0, P.shape[1]), dtype)
    return State(
        P=P,
        Q=Q,
        user_bias=user_bias,
        item_bias=item_bias,
        user_accumulators=user_accumulators,
        item_accumulators=item_accumulators,
        own_factors=empty,
        svdpp=empty,
    )


def initial_accumulators(n_rows: int, n_factors: int, dtype: np.dtype[Any]) -> Floats:
    """Return the squared-gradient accumulators of new rows: K for the factors, 1 for the bias.

    Without factors, the accumulator of factors is 1, because accumulators are above 0.
    """
    return np.tile(np.array([max(1, n_factors), 1], dtype), (n_rows, 1))


def copy_state(state: State, target: State | None = None, workers: Workers | None = None) -> State:
    """Copy the arrays, into those of another state if one is given, with the threads given."""
    if target is None:
        target = State(**{name: np.empty_like(array) for name, array in vars(state).items()})
    arrays = [(getattr(target, name), array) for name, array in vars(state).items()]
    n_bytes = sum(array.nbytes for _, array in arrays)
    n_threads = 1 if workers is None else min(workers.n_threads, 1 + n_bytes // COPIED_BYTES)
    if n_threads == 1:
        for to, array in arrays:
            np.copyto(to, array)
        return target
    tasks = [
        (to[rows], array[rows])
        for to, array in arrays
        for rows in slices(len(array), max(1, COPIED_BYTES * len(array) // max(1, array.nbytes)))
    ]
    Workers(n_threads).map(lambda pair: np.copyto(*pair), tasks)
    return target


def is_finite(state: State) -> bool:
    """Return whether all parameters are finite."""
    arrays = (
        state.P,
        state.Q,
        state.user_bias,
        state.item_bias,
        state.own_factors,
        state.svdpp,
    )
    return all(bool(np.isfinite(array).all()) for array in arrays)


def view_factors(state: State) -> Factors:
    """Return the state as factors on the scale of training, with positions as rows; no copy."""
    return Factors(
        user_factors=state.P.view(),
        item_factors=state.Q.view(),
        user_bias=state.user_bias.view(),
        item_bias=state.item_bias.view(),
        mean=0.0,
        scale=1.0,
    )


def to_factors(state: State, schedule: Schedule, scale: Scale, n_factors: int) -> Factors:
    """Copy the parameters to rows, on the scale of the ratings; rows without ratings are zeros.

    Raises
    ------
    DivergenceError
        If predictions may be too large for the dtype.
    """
    unit = state.P.dtype.type(math.sqrt(scale.scale))
    bias_unit = state.P.dtype.type(scale.scale)
    n_users, n_items = schedule.shape
    user_order, item_order = schedule.user_order, schedule.item_order

    def rows_of(n: int, order: Rows, factors: Floats) -> Floats:
        out = aligned_zeros((n, n_factors), factors.dtype)
        with np.errstate(over="ignore"):
            out[order.astype(np.intp)] = factors[:, :n_factors] * unit
        return out

    def biases_of(n: int, order: Rows, bias: Floats) -> Floats:
        out = np.zeros(n, bias.dtype)
        with np.errstate(over="ignore"):
            out[order.astype(np.intp)] = bias * bias_unit
        return out

    factors = Factors(
        user_factors=rows_of(n_users, user_order, state.P),
        item_factors=rows_of(n_items, item_order, state.Q),
        user_bias=biases_of(n_users, user_order, state.user_bias),
        item_bias=biases_of(n_items, item_order, state.item_bias),
        mean=scale.centre,
        scale=scale.scale,
        svdpp=rows_of(n_items, item_order, state.svdpp) if len(state.svdpp) else None,
    )
    check_predictions(factors)
    return factors


def to_accumulators(state: State, schedule: Schedule, n_factors: int) -> tuple[Floats, Floats]:
    """Copy the accumulators to rows; those of rows without ratings have their initial value."""

    def rows_of(n: int, order: Rows, accumulators: Floats) -> Floats:
        out = initial_accumulators(n, n_factors, accumulators.dtype)
        out[order.astype(np.intp)] = accumulators
        return out

    n_users, n_items = schedule.shape
    return (
        rows_of(n_users, schedule.user_order, state.user_accumulators),
        rows_of(n_items, schedule.item_order, state.item_accumulators),
    )


def _start_width(scale: Scale, rule: UpdateRule) -> float:
    """Return the width of the initial factors, times √K.

    Nonnegative factors fit ratings that are not centred. Their initial predictions are as large as
    the mean rating, because small ones would take epochs to grow.
    """
    if not rule.nonnegative:
        return START_WIDTH
    return 2 * math.sqrt(scale.mean) if scale.mean > 0 else START_WIDTH


def _random_factors(
    shape: tuple[int, int], width: float, dtype: np.dtype[Any], bits: np.random.PCG64
) -> Floats:
    """Draw the initial factors of each position, uniform from 0 to width / √K.

    All are positive, so p·q starts close to a product of one number per user and one per item, and
    the first updates fit what most ratings have in common (measured in benchmarks/README.md).
    """
    n_rows, n_factors = shape
    out = aligned_zeros((n_rows, padded(n_factors)), dtype)
    if not n_factors:
        return out
    rows = max(1, CHUNK // n_factors)
    for first in range(0, n_rows, rows):
        chunk = out[first : first + rows, :n_factors]
        chunk[:] = width / math.sqrt(n_factors) * uniform(chunk.size, bits).reshape(chunk.shape)
    return out
