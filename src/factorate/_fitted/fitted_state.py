"""FittedState: the result of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._training.state import initial_accumulators

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._fitted.seen import Seen
    from factorate._input.id_index import IdIndex
    from factorate._training.factors import Factors
    from factorate._training.update_rule import UpdateRule
    from factorate._utils.types import Floats


HISTORY = ("epoch", "learning_rate", "train_rmse", "valid_rmse", "valid_loss", "seconds")


@dataclass(frozen=True, kw_only=True)
class FittedState:
    """The result of a fit, immutable; a model replaces it in one assignment.

    Attributes
    ----------
    factors : Factors
        Factors and biases.
    user_index, item_index : IdIndex
        The ids of the rows.
    history : dict of str to ndarray
        The columns of `HISTORY`, one entry per epoch; read-only.
    library : str or None
        The DataFrame library of the ratings, if they were a DataFrame.
    seen : Seen or None
        The items each user has rated; None with ``keep_seen=False``.
    progress : tuple of ndarray of shape (n, 2)
        The progress of users and items: the number of ratings that a row was trained with, or the
        sum of their weights, and the fraction of its learning rate at which training ended.
    accumulators : tuple of ndarray or None
        Squared-gradient accumulators of users and items, each of shape (n, 2): of a row's factors
        and of its bias, on the scale of training. None without AdaGrad.
    seed : int
        The seed of the fit.
    n_partial_fits : int
        Number of calls of `partial_fit` since the fit.
    best_epoch : int
        The epoch that the factors come from.
    bounds : tuple of float
        Minimum and maximum rating in training.
    rule : UpdateRule
        The update rule of the fit.
    column_names : tuple of str or None, default=None
        Names of the columns of users and items in the ratings of the fit, if they had any; files
        do not store them.
    """

    factors: Factors
    user_index: IdIndex
    item_index: IdIndex
    history: dict[str, NDArray[Any]]
    library: str | None
    seen: Seen | None
    progress: tuple[Floats, Floats]
    accumulators: tuple[Floats, Floats] | None
    seed: int
    n_partial_fits: int
    best_epoch: int
    bounds: tuple[float, float]
    rule: UpdateRule
    column_names: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Make the columns of the history read-only."""
        for column in self.history.values():
            column.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state from a pickle, read-only again."""
        vars(self).update(state)
        self.__post_init__()


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
