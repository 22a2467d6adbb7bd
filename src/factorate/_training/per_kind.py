"""PerKind: a learning rate or penalty for each kind of parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from factorate._utils.validation import check_number


class PerKind(NamedTuple):
    """A learning rate or a penalty for each kind of parameter."""

    # In the order of the enum in _kernels/rule.pxd, because kernels read the numbers by index.
    user_factors: float
    item_factors: float
    user_bias: float
    item_bias: float


GROUPS = {"factors": ("user_factors", "item_factors"), "biases": ("user_bias", "item_bias")}


def check_per_kind(
    name: str, value: object, default: Mapping[str, float], *, above: float | None = None
) -> PerKind:
    """Return the number of each kind of parameter, or raise TypeError or ValueError.

    Parameters
    ----------
    name : str
        Name of the parameter, for errors.
    value : float, mapping or None
        One number for all kinds; or a mapping whose keys are kinds or groups ("factors",
        "biases"), where the number of a kind takes precedence over that of its group; or None for
        the default.
    default : mapping
        A number for each group, used for kinds that `value` does not mention.
    above : float, default=None
        Numbers must be greater than this; None if they must be at least 0.

    Returns
    -------
    PerKind

    Examples
    --------
    >>> check_per_kind("learning_rate", {"factors": 0.1, "user_bias": 0.01}, {"biases": 0.02})
    PerKind(user_factors=0.1, item_factors=0.1, user_bias=0.01, item_bias=0.02)
    """
    minimum = 0 if above is None else None
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        number = check_number(name, value, minimum=minimum, above=above)
        return PerKind(number, number, number, number)
    numbers: dict[str, float] = {}
    for key, number in default.items():
        numbers |= dict.fromkeys(GROUPS.get(key, (key,)), number)
    for key, entry in value.items():
        if key not in (*GROUPS, *PerKind._fields):
            raise ValueError(
                f"{name} has the key {key!r}; expected some of "
                f"{', '.join((*GROUPS, *PerKind._fields))}"
            )
        number = check_number(f"{name}[{key!r}]", entry, minimum=minimum, above=above)
        for kind in GROUPS.get(key, (key,)):
            if key == kind or kind not in value:
                numbers[kind] = number
    return PerKind(**numbers)
