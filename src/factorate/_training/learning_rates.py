"""Learning rates: one for each kind of parameter, and how they change from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from factorate._utils.validation import check_number

Each = tuple[float, float, float, float]  # user factors, item factors, user biases, item biases

KINDS = ("user_factors", "item_factors", "user_bias", "item_bias")
GROUPS = {"factors": KINDS[:2], "biases": KINDS[2:]}

SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": lambda epoch, n_epochs: 1.0,  # noqa: ARG005
    "linear": lambda epoch, n_epochs: 1 - (epoch - 1) / n_epochs,
    "cosine": lambda epoch, n_epochs: (1 + math.cos(math.pi * (epoch - 1) / n_epochs)) / 2,
    "inverse": lambda epoch, n_epochs: epoch**-0.5,  # noqa: ARG005
    "adagrad": lambda epoch, n_epochs: 1.0,  # noqa: ARG005
}

# Best of ten epochs on parts of the training sets of three MovieLens sets (benchmarks/README.md).
DEFAULTS: dict[str, dict[str, float]] = {
    "constant": {"factors": 0.035, "biases": 0.006},
    "linear": {"factors": 0.07, "biases": 0.015},
    "cosine": {"factors": 0.07, "biases": 0.015},
    "inverse": {"factors": 0.07, "biases": 0.015},
    "adagrad": {"factors": 0.05, "biases": 0.09},
}


def share(schedule: str, epoch: int, n_epochs: int) -> float:
    """Return the share of the learning rate that an epoch uses.

    Parameters
    ----------
    schedule
        One of `SCHEDULES`. "linear" falls from 1 towards 0, "cosine" likewise along half a wave
        (Loshchilov and Hutter, "SGDR", ICLR 2017, eq. 5), "inverse" is 1/√epoch; the rates of
        "adagrad" fall row by row, in the kernel.
    epoch
        From 1.
    n_epochs
        How many there are.

    Examples
    --------
    >>> [share("linear", epoch, 4) for epoch in (1, 2, 3, 4)]
    [1.0, 0.75, 0.5, 0.25]
    """
    return SCHEDULES[schedule](epoch, n_epochs)


def check_each(
    name: str, value: object, default: Mapping[str, float], *, above: float | None = None
) -> Each:
    """Return a number for each of `KINDS` from one number, a mapping, or None for the default.

    Examples
    --------
    >>> check_each("learning_rate", {"factors": 0.1, "user_bias": 0.01}, {"item_bias": 0.02})
    (0.1, 0.1, 0.01, 0.02)
    """
    if value is None:
        value = default
    if not isinstance(value, Mapping):
        number = check_number(name, value, minimum=0 if above is None else None, above=above)
        return number, number, number, number
    each: dict[str, float] = {}
    for mapping in (default, value):
        for key, entry in mapping.items():
            if key not in (*KINDS, *GROUPS):
                raise ValueError(
                    f"{name} has the key {key!r}; expected some of {', '.join((*GROUPS, *KINDS))}"
                )
            number = check_number(
                f"{name}[{key!r}]", entry, minimum=0 if above is None else None, above=above
            )
            for kind in GROUPS.get(key, (key,)):
                # What is said of one kind goes before what is said of its group.
                if mapping is default or key in KINDS or kind not in value:
                    each[kind] = number
    return each[KINDS[0]], each[KINDS[1]], each[KINDS[2]], each[KINDS[3]]
