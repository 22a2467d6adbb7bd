"""train_als: alternating least squares for implicit feedback.

The objective is that of Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback
Datasets" (ICDM 2008), with the regularization of Rendle, Krichene, Zhang and Koren, "Revisiting the
Performance of iALS on Item Recommendation Benchmarks" (RecSys 2022); see
`factorate.reference.als_objective`. Given the other side, the rows of a side are independent, so
they can be computed in any order and by any number of threads.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._training.als_weights import penalties
from factorate._training.gram import GRAM_ROWS
from factorate._training.improve_rows import improve_rows
from factorate._training.pad import pad, unpad
from factorate._training.schedule import padded
from factorate._utils.aligned import aligned_zeros
from factorate._utils.random_streams import stream, uniform
from factorate._utils.workers import slices

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._training.als_settings import AlsSettings
    from factorate._training.interaction_side import InteractionSide, Sides
    from factorate._utils.types import Floats

START_SCALE = 0.1  # standard deviation of initial factors, times √K


def train_als(
    interactions: Sides,
    settings: AlsSettings,
    *,
    initial: tuple[Floats, Floats] | None = None,
    after_epoch: Callable[[AlsEpoch], bool] | None = None,
) -> tuple[Floats, Floats]:
    """Factorize interactions: in each epoch, compute the users given the items, and the reverse.

    Parameters
    ----------
    interactions : Interactions or InteractionsOnDisk
        The interactions.
    settings : AlsSettings
        The settings.
    initial : tuple of ndarray, optional
        Initial factors of users and items. The default is random item factors.
    after_epoch : callable, optional
        Called with the state after each epoch; training stops if it returns True.

    Returns
    -------
    user_factors, item_factors : ndarray of shapes (n_users, K) and (n_items, K)
        Those of the last epoch, in the basis in which PᵀP is diagonal.
    """
    user_side, item_side = interactions.sides
    if initial is None:
        items = _initial_factors(interactions.shape[1], settings)
        users = aligned_zeros((interactions.shape[0], items.shape[1]), settings.dtype)
    else:
        users, items = (pad(factors, settings.dtype) for factors in initial)
    for number in range(1, settings.n_epochs + 1):
        begin = time.perf_counter()
        users, items, _ = improve_rows(user_side, users, items, settings)
        items, users, loss = improve_rows(item_side, items, users, settings)
        if after_epoch is None:
            continue
        epoch = AlsEpoch(
            number=number,
            seconds=time.perf_counter() - begin,
            loss=loss + _penalty(user_side, users, len(items), settings),
            user_factors=unpad(users, settings),
            item_factors=unpad(items, settings),
        )
        stop = after_epoch(epoch)
        del epoch  # the next one needs its memory
        if stop:
            break
    return unpad(users, settings), unpad(items, settings)


class AlsEpoch(NamedTuple):
    """The state after an epoch.

    Attributes
    ----------
    number : int
        Number of the epoch, from 1 on.
    seconds : float
        Seconds of the epoch.
    loss : float
        The objective.
    user_factors, item_factors : ndarray of shapes (n_users, K) and (n_items, K)
        The factors, which later epochs do not change.
    """

    number: int
    seconds: float
    loss: float
    user_factors: Floats
    item_factors: Floats


def _penalty(side: InteractionSide, factors: Floats, n_others: int, settings: AlsSettings) -> float:
    """Return the part of the objective that the penalties of a side are."""
    squares = np.einsum("uk,uk->u", factors, factors, dtype=np.float64)
    return float((penalties(side, n_others, settings) * squares).sum())


def _initial_factors(n_rows: int, settings: AlsSettings) -> Floats:
    """Return random factors of mean 0, uniformly distributed."""
    n_factors, bits = settings.n_factors, stream(settings.seed, 0)
    width = START_SCALE * math.sqrt(12 / n_factors)
    factors = aligned_zeros((n_rows, padded(n_factors)), settings.dtype)
    for rows in slices(n_rows, GRAM_ROWS):
        numbers = uniform((rows.stop - rows.start) * n_factors, bits).reshape(-1, n_factors)
        factors[rows, :n_factors] = (width * (numbers - 0.5)).astype(settings.dtype)
    return factors
