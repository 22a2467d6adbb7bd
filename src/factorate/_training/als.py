"""train_als: alternating least squares for implicit feedback.

The objective is that of Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback
Datasets" (ICDM 2008), with the regularization of Rendle, Krichene, Zhang and Koren, "Revisiting the
Performance of iALS on Item Recommendation Benchmarks" (RecSys 2022); see
`factorate.reference.als_objective`. Given the other side, the rows of a side are independent, so
they can be computed in any order and by any number of threads.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from factorate._training.als_runner import LocalAlsRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._training.als_runner import AlsRunner, Fetch
    from factorate._training.als_settings import AlsSettings
    from factorate._training.interaction_side import Sides
    from factorate._utils.types import Floats

S = TypeVar("S")


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
    runner = LocalAlsRunner(interactions, settings, initial)
    fetch = runner.fetcher(run_epochs(runner, settings.n_epochs, after_epoch))
    return fetch(0), fetch(1)


def run_epochs(
    runner: AlsRunner[S], n_epochs: int, after_epoch: Callable[[AlsEpoch], bool] | None = None
) -> S:
    """Run epochs until `after_epoch` returns True, and return the state after the last one."""
    state = runner.begin()
    for number in range(1, n_epochs + 1):
        begin = time.perf_counter()
        loss = runner.run(state)
        if after_epoch is None:
            continue
        seconds = time.perf_counter() - begin
        if after_epoch(AlsEpoch(number, seconds, loss, runner.fetcher(state))):
            break
    return state


class AlsEpoch(NamedTuple):
    """The state after an epoch.

    Attributes
    ----------
    number : int
        Number of the epoch, from 1 on.
    seconds : float
        Seconds of the epoch.
    loss : float
        The objective. It is not finite if a user factor is not.
    fetch : callable
        Returns the factors of a side.
    """

    number: int
    seconds: float
    loss: float
    fetch: Fetch

    @property
    def user_factors(self) -> Floats:
        """The factors of the users, of shape (n_users, K)."""
        return self.fetch(0)

    @property
    def item_factors(self) -> Floats:
        """The factors of the items, of shape (n_items, K)."""
        return self.fetch(1)
