"""AlsSettings: the settings of alternating least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

FLOAT32 = np.dtype(np.float32)
# Defaults, chosen by NDCG at 10 of interactions held out of five training sets, of 6,000 to a
# million interactions, for 64 factors and 16 epochs.
REGULARIZATION = 0.25
EXPONENT = 0.5


@dataclass(frozen=True, kw_only=True)
class AlsSettings:
    """Settings of alternating least squares.

    Attributes
    ----------
    n_factors : int
        Number of factors K.
    n_epochs : int
        Number of epochs.
    regularization : float
        λ > 0.
    unobserved_weight : float
        Weight α₀ ≥ 0 of each pair of a user and an item, observed or not.
    exponent : float, default=0.5
        Exponent ν of the frequency-scaled regularization.
    mean_weight : float, default=1
        Unit of the weights in the regularization, so that their scale does not matter.
    n_threads : int, default=1
        Number of threads. It does not change the result.
    dtype : dtype, default=float32
        Type of the factors.
    seed : int, default=0
        Seed of the initial factors.
    n_steps : int, default=2
        Steps of the conjugate gradient method for each row in an epoch.
    """

    n_factors: int
    n_epochs: int
    regularization: float
    unobserved_weight: float
    exponent: float = EXPONENT
    mean_weight: float = 1.0
    n_threads: int = 1
    dtype: np.dtype[Any] = FLOAT32
    seed: int = 0
    n_steps: int = 2
