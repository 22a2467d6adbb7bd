"""SavedTraining: what training needs to continue after an epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factorate._training.epoch import Epoch
    from factorate._training.state import State


@dataclass(frozen=True, kw_only=True)
class SavedTraining:
    """What training needs to continue after an epoch with the result of not having stopped.

    Attributes
    ----------
    state : State
        The parameters after the last epoch.
    best : State or None
        Those after the epoch with the lowest validation loss, if early stopping is on.
    best_epoch : int or None
        The number of that epoch.
    history : tuple of Epoch
        The finished epochs.
    factors : tuple of float
        The factor of the learning rates in each.
    n_halvings : int
        How often the learning rates were halved.
    failed : int
        Number of the last epoch that diverged, or 0.
    """

    state: State
    best: State | None
    best_epoch: int | None
    history: tuple[Epoch, ...]
    factors: tuple[float, ...]
    n_halvings: int
    failed: int
