"""ImplicitState: the result of a fit to interactions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from factorate._fitted.fitted_state import FittedState
from factorate._input.unknown_ids import IMPLICIT_MODEL
from factorate._training.factors import Factors
from factorate._training.gram import gram

if TYPE_CHECKING:
    from factorate._input.unknown_ids import Consequences
    from factorate._utils.types import Doubles, Floats

HISTORY = ("epoch", "loss", "valid_ndcg", "seconds")


@dataclass(frozen=True, kw_only=True)
class ImplicitState(FittedState):
    """The result of a fit to interactions, whose history has the columns of `HISTORY`.

    ``seen`` holds all interactions that the factors were computed from, with their counts. The
    factors have no biases, and their mean is 0.

    Attributes
    ----------
    unobserved_weight : float
        Weight of each pair of user and item in training.
    mean_weight : float
        Mean weight of the interactions in training, which the regularization depends on.
    """

    consequences: ClassVar[Consequences] = IMPLICIT_MODEL

    unobserved_weight: float
    mean_weight: float

    @cached_property
    def item_gram(self) -> Doubles:
        """The Gram matrix QᵀQ of the item factors, which all fold-ins of users need."""
        return gram(self.factors.item_factors, 1)


def make_factors(user_factors: Floats, item_factors: Floats) -> Factors:
    """Return factors without biases, in which unknown users are the mean user."""
    return Factors(
        user_factors=user_factors,
        item_factors=item_factors,
        user_bias=np.zeros(len(user_factors), user_factors.dtype),
        item_bias=np.zeros(len(item_factors), item_factors.dtype),
        mean=0.0,
        scale=1.0,
        unknown_is_mean=True,
    )
