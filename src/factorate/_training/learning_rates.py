"""Learning-rate schedules: how the learning rates change from epoch to epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from factorate._utils.fixed_order import cosine

if TYPE_CHECKING:
    from collections.abc import Callable


def learning_rate_factor(learning_rate_schedule: str, epoch: int, n_epochs: int) -> float:
    """Return the factor by which the learning rates are multiplied in an epoch.

    Parameters
    ----------
    learning_rate_schedule : str
        One of `LEARNING_RATE_SCHEDULES`. "linear" falls from 1 towards 0; "cosine" falls from 1
        towards 0 along half a cosine wave (Loshchilov and Hutter, "SGDR", ICLR 2017, eq. 5);
        "inverse" is 1/√epoch. The factor of "adagrad" is always 1, because the kernel lowers the
        rate of each row itself.
    epoch : int
        Number of the epoch, from 1.
    n_epochs : int
        Total number of epochs.

    Returns
    -------
    float
        From 0 (excluded) to 1.

    Examples
    --------
    >>> [learning_rate_factor("linear", epoch, 4) for epoch in (1, 2, 3, 4)]
    [1.0, 0.75, 0.5, 0.25]
    """
    return LEARNING_RATE_SCHEDULES[learning_rate_schedule](epoch, n_epochs)


LEARNING_RATE_SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": lambda epoch, n_epochs: 1.0,  # noqa: ARG005
    "linear": lambda epoch, n_epochs: 1 - (epoch - 1) / n_epochs,
    "cosine": lambda epoch, n_epochs: (1 + cosine(math.pi * (epoch - 1) / n_epochs)) / 2,
    "inverse": lambda epoch, n_epochs: 1 / math.sqrt(epoch),  # noqa: ARG005
    "adagrad": lambda epoch, n_epochs: 1.0,  # noqa: ARG005
}

# The best rates for ten epochs on seven data sets together, chosen on ratings held out from their
# training sets (benchmarks/README.md).
DEFAULT_RATES: dict[str, dict[str, float]] = {
    "constant": {"factors": 0.06, "biases": 0.02},
    "linear": {"factors": 0.13, "biases": 0.065},
    "cosine": {"factors": 0.13, "biases": 0.065},
    "inverse": {"factors": 0.13, "biases": 0.065},
    "adagrad": {"factors": 0.05, "biases": 0.09},
}
