"""Scale: how ratings are standardized for training."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factorate._training import losses
from factorate._utils.fixed_order import CHUNK, dot

if TYPE_CHECKING:
    from factorate._training.factors import WarmStart
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._utils.types import Floats

MAX_STANDARDIZED = 1e150


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How ratings are standardized: (rating - centre) / scale.

    Attributes
    ----------
    centre : float
        Number subtracted from the ratings.
    scale : float
        Divisor of the centred ratings.
    spread : float
        Root mean square of the standardized ratings.
    """

    centre: float
    scale: float
    spread: float


def standardize(
    schedule: Schedule, settings: Settings, warm_start: WarmStart | None
) -> tuple[Schedule, Scale]:
    """Return a schedule with standardized ratings, and their scale.

    Sums run in the order of the schedule, so the order of the input does not affect their rounding.
    """
    n = schedule.n_ratings
    values = schedule.ratings[:n]
    if warm_start is not None and warm_start.further:
        centre, scale = warm_start.factors.mean, warm_start.factors.scale
    else:
        weights = schedule.weights if len(schedule.weights) else None
        centre, scale = losses.centre_and_scale(
            values, settings.rule, settings.fit_mean, weights, log_level=settings.log_level
        )
    standardized = np.zeros_like(schedule.ratings)
    squares = 0.0
    for first in range(0, n, CHUNK):
        chunk = slice(first, min(first + CHUNK, n))
        numbers = values[chunk].astype(np.float64)
        with np.errstate(over="ignore"):
            numbers -= centre
            numbers /= scale
            squares += dot(numbers, numbers)
            standardized[chunk] = numbers
    # Below this sum, no rating can be too large.
    largest = min(MAX_STANDARDIZED, float(np.finfo(standardized.dtype).max))
    if not squares < largest**2:
        check_standardized(standardized[:n], values, centre, scale)
    spread = math.sqrt(squares / n)
    return (
        replace(schedule, ratings=standardized),
        Scale(centre=centre, scale=scale, spread=spread),
    )


def check_standardized(
    standardized: Floats, values: Floats, centre: float, scale: float, *, what: str = "rating"
) -> None:
    """Raise ValueError if a standardized rating is too large to be squared in float64."""
    at = int(np.argmax(np.abs(standardized)))
    if not abs(float(standardized[at])) < MAX_STANDARDIZED:
        raise ValueError(
            f"a {what} is {values[at]:.3g}, too far from {centre:.3g} in units of {scale:.3g}, the "
            f"centre and scale of training; drop it, or fit again on all ratings"
        )
