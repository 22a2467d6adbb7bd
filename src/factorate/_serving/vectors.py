"""Vectors of users and items for an index of nearest neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._utils.validation import check_flag

if TYPE_CHECKING:
    from factorate._training.factors import Factors
    from factorate._utils.types import Floats


def user_vectors(factors: Factors, augmented: bool) -> Floats:
    """Return p_u for each user, or (p_u, 1, μ + b_u) if `augmented`."""
    if not check_flag("augmented", augmented):
        return factors.user_factors
    base = factors.user_bias + factors.user_bias.dtype.type(factors.mean)
    return np.column_stack([factors.user_factors, np.ones_like(base), base])


def item_vectors(factors: Factors, augmented: bool) -> Floats:
    """Return q_i for each item, or (q_i, b_i, 1) if `augmented`."""
    if not check_flag("augmented", augmented):
        return factors.item_factors
    bias = factors.item_bias
    return np.column_stack([factors.item_factors, bias, np.ones_like(bias)])
