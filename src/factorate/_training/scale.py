"""Scale: how ratings are standardized for training."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factorate._training import losses

if TYPE_CHECKING:
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._training.state import WarmStart


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
    if warm_start is not None and warm_start.keep_scale:
        centre, scale = warm_start.factors.mean, warm_start.factors.scale
    else:
        weights = schedule.weights if len(schedule.weights) else None
        centre, scale = losses.centre_and_scale(values, settings.rule, settings.fit_mean, weights)
    standardized = np.zeros_like(schedule.ratings)
    squares = 0.0
    for first in range(0, n, losses.CHUNK):
        chunk = slice(first, min(first + losses.CHUNK, n))
        numbers = values[chunk].astype(np.float64)
        numbers -= centre
        numbers /= scale
        squares += float(numbers @ numbers)
        standardized[chunk] = numbers
    spread = math.sqrt(squares / n)
    return (
        replace(schedule, ratings=standardized),
        Scale(centre=centre, scale=scale, spread=spread),
    )
