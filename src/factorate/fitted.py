"""Fitted: all that a fit leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate.factors import Factors
    from factorate.ids import IdIndex
    from factorate.seen import Seen

HISTORY = ("epoch", "train_rmse", "seconds")


@dataclass(frozen=True)
class Fitted:
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
    """

    factors: Factors
    user_index: IdIndex
    item_index: IdIndex
    history: dict[str, NDArray[Any]]
    library: str | None
    seen: Seen | None
