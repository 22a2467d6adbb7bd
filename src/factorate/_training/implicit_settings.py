"""ImplicitSettings: the settings of training on interactions, checked from the parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._training.als_settings import AlsSettings
from factorate._training.als_weights import default_unobserved_weight, mean_weight
from factorate._training.settings import MAX_FACTORS, check_dtype
from factorate._utils.cores import count_threads
from factorate._utils.validation import check_count, check_flag, check_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factorate._training.interaction_side import WeighedSides
    from factorate._training.interactions import Interactions
    from factorate._utils.types import Floats

    Parameters = Mapping[str, Any]

TOO_LARGE = 1e9  # for a weight or penalty in float32


@dataclass(frozen=True, kw_only=True)
class ImplicitSettings:
    """Settings of training on interactions.

    Attributes
    ----------
    als : AlsSettings
        Settings of alternating least squares; its unobserved weight is 0, and its mean weight 1,
        until `complete` sets them.
    unobserved_weight : float or None
        Weight α₀ of each pair; None for the default, which depends on the interactions.
    alpha : float or None
        Weight of a count, in addition to 1; None if counts are the weights.
    patience : int or None
        Epochs without a higher validation NDCG after which training stops; None to never stop.
    validation_fraction : float
        Fraction of the interactions to hold out for early stopping.
    """

    als: AlsSettings
    unobserved_weight: float | None
    alpha: float | None
    patience: int | None
    validation_fraction: float

    def complete(self, interactions: WeighedSides) -> AlsSettings:
        """Return the settings for training on weighed interactions."""
        weight = self.unobserved_weight
        if weight is None:
            weight = default_unobserved_weight(interactions)
        return replace(self.als, unobserved_weight=weight, mean_weight=mean_weight(interactions))

    def weights(self, counts: Floats, n: int) -> Floats:
        """Return the weights of `n` pairs with these counts, empty if all are 1."""
        if self.alpha is None:
            return counts
        alpha = counts.dtype.type(self.alpha)
        if not len(counts):
            return np.full(n, 1 + alpha, counts.dtype)
        weights: Floats = 1 + alpha * counts
        return weights

    def weigh(self, interactions: Interactions) -> Interactions:
        """Return interactions whose weights are computed from their counts."""
        if self.alpha is None:
            return interactions
        n = interactions.n_pairs
        return replace(
            interactions,
            user_weights=self.weights(interactions.user_weights, n),
            item_weights=self.weights(interactions.item_weights, n),
        )


def check_implicit_settings(parameters: Parameters, seed: int) -> ImplicitSettings:
    """Check the parameters of a model of implicit feedback.

    Parameters
    ----------
    parameters : mapping
        The result of ``get_params``.
    seed : int
        Seed of the initial factors.

    Returns
    -------
    ImplicitSettings

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or value.
    """
    for name in ("keep_seen", "verbose"):
        check_flag(name, parameters[name])
    patience = check_count("patience", parameters["patience"], 1)
    alpha, unobserved_weight = parameters["alpha"], parameters["unobserved_weight"]
    if unobserved_weight is not None:
        unobserved_weight = check_number(
            "unobserved_weight", unobserved_weight, above=0, below=TOO_LARGE
        )
    return ImplicitSettings(
        als=AlsSettings(
            n_factors=check_count("n_factors", parameters["n_factors"], 1, MAX_FACTORS),
            n_epochs=check_count("n_epochs", parameters["n_epochs"], 1),
            regularization=check_number(
                "regularization", parameters["regularization"], above=0, below=TOO_LARGE
            ),
            unobserved_weight=unobserved_weight or 0.0,
            n_threads=count_threads(parameters["n_threads"]),
            dtype=check_dtype(parameters["dtype"]),
            seed=seed,
        ),
        unobserved_weight=unobserved_weight,
        alpha=(None if alpha is None else check_number("alpha", alpha, minimum=0, below=TOO_LARGE)),
        patience=patience if check_flag("early_stopping", parameters["early_stopping"]) else None,
        validation_fraction=check_number(
            "validation_fraction", parameters["validation_fraction"], above=0, below=1
        ),
    )
