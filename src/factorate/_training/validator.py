"""Validator: measures the loss of a state on held-out ratings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._training import losses
from factorate._training.factors import predict
from factorate._training.scale import check_standardized
from factorate._training.state import view_factors

if TYPE_CHECKING:
    from factorate._training.held_out import HeldOut
    from factorate._training.scale import Scale
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._training.state import State
    from factorate._utils.types import Floats, Rows


class Validation(NamedTuple):
    """Mean loss on the scale of training, and RMSE in the unit of the ratings."""

    loss: float
    rmse: float


@dataclass(frozen=True, kw_only=True)
class Validator:
    """The ratings of a validation set, standardized, with positions instead of rows."""

    settings: Settings
    scale: Scale
    user_positions: Rows
    item_positions: Rows
    ratings: Floats
    weights: Floats | None

    def validate(self, state: State) -> Validation:
        """Return the loss and RMSE of a state."""
        pairs = self.user_positions, self.item_positions
        predicted = predict(view_factors(state), *pairs, self.settings.n_threads)
        loss = losses.mean_loss(self.settings.rule, self.ratings, predicted, self.weights)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.square(self.ratings - predicted)
        mean_square = losses.average(squares, self.weights)
        return Validation(loss, self.scale.scale * math.sqrt(mean_square))


def make_validator(
    held_out: HeldOut, schedule: Schedule, settings: Settings, scale: Scale
) -> Validator:
    """Standardize the ratings of a validation set and find their positions.

    The ratings are sorted, so the order of the input does not affect the rounding of sums.
    """
    sort = np.lexsort((held_out.values, held_out.item_rows, held_out.user_rows))
    n_users, n_items = schedule.shape
    weights = held_out.weights
    values = held_out.values[sort]
    with np.errstate(over="ignore"):
        ratings = (values.astype(np.float64) - scale.centre) / scale.scale
    check_standardized(ratings, values, scale.centre, scale.scale, what="validation rating")
    return Validator(
        settings=settings,
        scale=scale,
        user_positions=_positions(n_users, schedule.user_order)[held_out.user_rows[sort]],
        item_positions=_positions(n_items, schedule.item_order)[held_out.item_rows[sort]],
        ratings=ratings,
        weights=None if weights is None else weights[sort].astype(np.float64),
    )


def _positions(n_rows: int, order: Rows) -> Rows:
    """Return the position of each row; -1 for rows without ratings and, at the end, for row -1."""
    positions = np.full(n_rows + 1, -1, np.int32)
    positions[order] = np.arange(len(order), dtype=np.int32)
    return positions
