"""RatingState: the result of a fit to ratings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from factorate._fitted.fitted_state import FittedState
from factorate._training.state import initial_accumulators

if TYPE_CHECKING:
    from factorate._training.update_rule import UpdateRule
    from factorate._utils.types import Floats


HISTORY = ("epoch", "learning_rate", "train_rmse", "valid_rmse", "valid_loss", "seconds")


@dataclass(frozen=True, kw_only=True)
class RatingState(FittedState):
    """The result of a fit to ratings, whose history has the columns of `HISTORY`.

    Attributes
    ----------
    progress : tuple of ndarray of shape (n, 2)
        The progress of users and items: the number of ratings that a row was trained with, or the
        sum of their weights, and the fraction of its learning rate at which training ended.
    accumulators : tuple of ndarray or None
        Squared-gradient accumulators of users and items, each of shape (n, 2): of a row's factors
        and of its bias, on the scale of training. None without AdaGrad.
    bounds : tuple of float
        Minimum and maximum rating in training.
    rule : UpdateRule
        The update rule of the fit.
    """

    progress: tuple[Floats, Floats]
    accumulators: tuple[Floats, Floats] | None
    bounds: tuple[float, float]
    rule: UpdateRule

    def for_serving(self, *, with_seen: bool) -> Self:
        """Return the state without what predictions and recommendations do not need."""
        state, none = super().for_serving(with_seen=with_seen), np.empty((0, 2))
        return replace(state, progress=(none, none), accumulators=None)


def extend_accumulators(
    accumulators: tuple[Floats, Floats] | None, n_rows: tuple[int, int], n_factors: int
) -> tuple[Floats, Floats] | None:
    """Return squared-gradient accumulators with rows for new users and items.

    Parameters
    ----------
    accumulators : tuple of ndarray or None
        Accumulators of users and items; None gives None.
    n_rows : tuple of int
        Number of users and of items, the new ones included.
    n_factors : int
        K, which is the initial accumulator of the factors of a row; that of a bias is 1.
    """
    if accumulators is None:
        return None
    user_accumulators, item_accumulators = (
        np.concatenate([old, initial_accumulators(n - len(old), n_factors, old.dtype)])
        for old, n in zip(accumulators, n_rows, strict=True)
    )
    return user_accumulators, item_accumulators
