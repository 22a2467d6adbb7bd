"""FittedState: the part of a fit's result that all models have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from factorate._input.unknown_ids import RATINGS_MODEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._fitted.seen import Seen
    from factorate._input.id_index import IdIndex
    from factorate._input.unknown_ids import Consequences
    from factorate._training.factors import Factors


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
        Columns by name, one entry per epoch; read-only.
    library : str or None
        The DataFrame library of the ratings, if they were a DataFrame.
    seen : Seen or None
        The items each user has rated; None with ``keep_seen=False``.
    seed : int
        The seed of the fit.
    n_partial_fits : int
        Number of calls of `partial_fit` since the fit.
    best_epoch : int
        The epoch that the factors come from.
    column_names : tuple of str or None, default=None
        Names of the columns of users and items in the ratings of the fit, if they had any; files
        do not store them.
    """

    consequences: ClassVar[Consequences] = RATINGS_MODEL  # of unknown ids, for warnings

    factors: Factors
    user_index: IdIndex
    item_index: IdIndex
    history: dict[str, NDArray[Any]]
    library: str | None
    seen: Seen | None
    seed: int
    n_partial_fits: int
    best_epoch: int
    column_names: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        """Make the columns of the history read-only."""
        for column in self.history.values():
            column.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state from a pickle, read-only again."""
        vars(self).update(state)
        self.__post_init__()

    def for_serving(self, *, with_seen: bool) -> Self:
        """Return the state without what predictions and recommendations do not need.

        Parameters
        ----------
        with_seen : bool
            Whether recommendations leave out the items that a user has rated.
        """
        return replace(self, history={}, seen=self.seen if with_seen else None)
