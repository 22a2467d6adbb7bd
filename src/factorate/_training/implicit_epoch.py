"""ImplicitEpoch: the results that training on interactions reports after each epoch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ImplicitEpoch:
    """The results of one epoch.

    Attributes
    ----------
    number : int
        Number of the epoch, from 1.
    loss : float
        The objective after the epoch.
    valid_ndcg : float
        NDCG at 10 on the validation interactions; NaN without a validation set.
    seconds : float
        Time since training began.
    """

    number: int
    loss: float
    valid_ndcg: float
    seconds: float
