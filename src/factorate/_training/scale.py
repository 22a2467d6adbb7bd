"""Scale: how ratings are standardized for training."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._training import losses
from factorate._training.packed_ratings import chunks
from factorate._utils.columns import map_chunks
from factorate._utils.fixed_order import CHUNK, dot

if TYPE_CHECKING:
    from factorate._training.factors import WarmStart
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._utils.types import Column, Floats

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
    mean : float
        Mean of the standardized ratings.
    spread : float
        Root mean square of the standardized ratings.
    """

    centre: float
    scale: float
    mean: float
    spread: float


def standardize(
    schedule: Schedule, settings: Settings, warm_start: WarmStart | None
) -> tuple[Schedule, Scale]:
    """Return a schedule with standardized ratings, and their scale.

    Sums run over the levels or in the order of the schedule, so the order of the input does not
    affect their rounding.
    """
    ratings, is_coded = schedule.ratings, len(schedule.ratings.levels) > 0
    if warm_start is not None and warm_start.further:
        centre, scale = warm_start.factors.mean, warm_start.factors.scale
    else:
        centre, scale = _centre_and_scale(schedule, settings)
    values = ratings.levels if is_coded else ratings.values
    limit = min(MAX_STANDARDIZED, float(np.finfo(ratings.dtype).max))
    total, squares = 0.0, 0.0
    counts = schedule.level_counts if is_coded else None
    sums = map_chunks(partial(_sums, centre=centre, scale=scale), values, counts)
    for number, (chunk_sum, chunk_squares) in enumerate(sums):
        total += chunk_sum
        squares += chunk_squares
        if not squares < limit**2:  # below, no rating can be too large
            unscaled = values[CHUNK * number : CHUNK * (number + 1)]
            standardized = _standardize(unscaled, centre, scale, ratings.dtype)
            check_standardized(standardized, unscaled, centre, scale)
    levels = _standardize(ratings.levels, centre, scale, ratings.dtype)
    n = schedule.n_ratings
    return (
        replace(schedule, ratings=replace(ratings, levels=levels, centre=centre, scale=scale)),
        Scale(centre=centre, scale=scale, mean=total / n, spread=math.sqrt(squares / n)),
    )


def _sums(
    values: Floats, counts: Floats | None, *, centre: float, scale: float
) -> tuple[float, float]:
    """Return the sum of the standardized ratings, each counted so often, and of their squares."""
    numbers = _standardize(values, centre, scale, np.dtype(np.float64))
    with np.errstate(over="ignore"):
        counted = numbers if counts is None else numbers * counts
        return float(np.sum(counted)), dot(numbers, counted)


def _standardize(values: Floats, centre: float, scale: float, dtype: np.dtype[Any]) -> Floats:
    """Return standardized ratings, computed in float64."""
    numbers = values.astype(np.float64)
    with np.errstate(over="ignore"):
        numbers -= centre
        numbers /= scale
        return numbers.astype(dtype, copy=False)


def _centre_and_scale(schedule: Schedule, settings: Settings) -> tuple[float, float]:
    values, weights = _values_and_weights(schedule)
    return losses.centre_and_scale(
        values, settings.rule, settings.fit_mean, weights, log_level=settings.log_level
    )


def _values_and_weights(schedule: Schedule) -> tuple[Column, Floats | None]:
    """Return the levels with their total weights; without levels, the ratings and their weights."""
    ratings = schedule.ratings
    if not len(ratings.weights):
        return (
            (ratings.levels, schedule.level_counts)
            if len(ratings.levels)
            else (ratings.values, None)
        )
    if not len(ratings.levels):
        return ratings.values, ratings.weights
    packed, totals = schedule.packed, np.zeros(len(ratings.levels))
    for chunk in chunks(packed):
        codes = packed.codes[chunk].astype(np.intp)
        np.add.at(totals, codes, ratings.weights[chunk].astype(np.float64))
    return ratings.levels, totals


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
