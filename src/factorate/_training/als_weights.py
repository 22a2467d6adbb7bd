"""The weights and penalties of the objective of alternating least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factorate._training.als_settings import AlsSettings
    from factorate._training.interaction_side import WeighedSide, WeighedSides
    from factorate._utils.types import Doubles

UNOBSERVED_RATIO = 8.0  # weight of all pairs together, divided by that of the interactions


def default_unobserved_weight(interactions: WeighedSides) -> float:
    """Return the default α₀: all pairs of a user and an item together weigh 8 times the observed.

    The best α₀ is nearly proportional to the fraction of pairs that are observed.

    Parameters
    ----------
    interactions : WeighedSides
        The interactions.

    Returns
    -------
    float
    """
    n_users, n_items = interactions.shape
    observed = float(interactions.sides[0].counts().sum())
    return UNOBSERVED_RATIO * observed / max(n_users * n_items, 1)


def mean_weight(interactions: WeighedSides) -> float:
    """Return the mean weight of the observed pairs; 1 if there are none."""
    if not interactions.n_pairs:
        return 1.0
    return float(interactions.sides[0].counts().sum()) / interactions.n_pairs


def penalties(side: WeighedSide, n_others: int, settings: AlsSettings) -> Doubles:
    """Return λ w̄ ((n + α₀ n_others) / w̄)^ν of each row, with the mean weight w̄."""
    sizes = side.counts() + settings.unobserved_weight * n_others
    if settings.exponent != 1:
        sizes = settings.mean_weight * (sizes / settings.mean_weight) ** settings.exponent
    return settings.regularization * sizes
