"""FittedState: all that a fit leaves behind."""

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
    from factorate._training.losses import UpdateRule
    from factorate._utils.types import Floats


HISTORY = ("epoch", "learning_rate", "train_rmse", "valid_rmse", "valid_loss", "seconds")


@dataclass(frozen=True)
class FittedState:
    """What serving reads; a model switches from one to the next by one assignment.

    Attributes
    ----------
    factors
        What was learnt.
    user_index, item_index
        The ids of its rows.
    history
        Columns of `HISTORY`, one entry an epoch.
    library
        The DataFrame library the ratings came from, if any.
    seen
        The items each user has rated, or None where they were not kept.
    accumulators
        Sums of squared gradients of users and items, each of shape (n, 2): those of a row's factors
        and of its bias, on the scale of training. None without AdaGrad.
    seed
        That training used.
    n_updates
        Number of calls of `partial_fit` since.
    best_epoch
        The epoch whose factors these are.
    bounds
        Least and largest rating in training.
    rule
        By which it was trained.
    """

    factors: Factors
    user_index: IdIndex
    item_index: IdIndex
    history: dict[str, NDArray[Any]]
    library: str | None
    seen: Seen | None
    accumulators: tuple[Floats, Floats] | None
    seed: int
    n_updates: int
    best_epoch: int
    bounds: tuple[float, float]
    rule: UpdateRule

    def __post_init__(self) -> None:
        """Make the columns of the history read-only."""
        for column in self.history.values():
            column.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore, read-only again."""
        vars(self).update(state)
        self.__post_init__()


def extend_accumulators(
    accumulators: tuple[Floats, Floats] | None, n_rows: tuple[int, int], n_factors: int
) -> tuple[Floats, Floats] | None:
    """Return squared-gradient accumulators with rows for new users and items."""
    if accumulators is None:
        return None
    users, items = (
        np.concatenate([old, initial_accumulators(n - len(old), n_factors, old.dtype)])
        for old, n in zip(accumulators, n_rows, strict=True)
    )
    return users, items
