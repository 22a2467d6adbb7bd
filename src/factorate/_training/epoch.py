"""Epoch: the results that training reports after each pass over the ratings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """The results of one epoch.

    Attributes
    ----------
    number : int
        Number of the epoch, from 1.
    learning_rate : float
        Learning rate of the user factors in this epoch.
    train_rmse : float
        RMSE on the training ratings, each predicted just before its update; in the unit of the
        ratings.
    valid_rmse : float
        RMSE on the validation ratings after the epoch, in the unit of the ratings; NaN without a
        validation set.
    valid_loss : float
        Mean loss on the validation ratings, on the scale of training, which early stopping
        compares; NaN without a validation set.
    seconds : float
        Time since training began.
    """

    number: int
    learning_rate: float
    train_rmse: float
    valid_rmse: float
    valid_loss: float
    seconds: float
