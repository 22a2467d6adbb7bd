"""Checks of single values and arrays; every error names the value and what was expected."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ROWS = 2**31 - 1  # rows are int32 in the kernels


def show(value: object) -> str:
    """Return how a user would have written a value: 1.5, not ``np.float64(1.5)``."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def check_count(name: str, value: object, least: int, most: int | None = None) -> int:
    """Return `value` as an int, or raise TypeError or ValueError naming it."""
    bound = f"≥ {least}" if most is None else f"from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} is {value!r}; expected an integer {bound}")
    number = int(value)
    if number < least or (most is not None and number > most):
        raise ValueError(f"{name} is {value}; expected an integer {bound}")
    return number


def check_number(
    name: str,
    value: object,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float = math.inf,
) -> float:
    """Return `value` as a float, or raise TypeError or ValueError naming it."""
    bound = f" > {above}" if above is not None else "" if least is None else f" ≥ {least}"
    bound += "" if below == math.inf else f" and < {below}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}; expected a finite number{bound}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    too_low = number <= above if above is not None else least is not None and number < least
    if not math.isfinite(number) or too_low or number >= below:
        raise ValueError(f"{name} is {value}; expected a finite number{bound}")
    return number


def check_flag(name: str, value: object) -> bool:
    """Return `value` as a bool, or raise TypeError naming it."""
    if not isinstance(value, bool | np.bool):
        raise TypeError(f"{name} is {value!r}; expected True or False")
    return bool(value)


def check_numeric(array: NDArray[Any], what: str) -> None:
    """Raise TypeError unless the array holds real numbers."""
    if array.dtype.kind not in "biuf":
        example = f" (first value {show(array.flat[0])})" if array.size else ""
        raise TypeError(f"{what}{example} has dtype {array.dtype}; expected real numbers")


def check_shape(shape: tuple[int, ...], what: str) -> tuple[int, int]:
    """Return the shape of a matrix whose rows and columns can be int32."""
    if len(shape) != 2:
        raise ValueError(f"{what} has shape {tuple(shape)}; expected (n_users, n_items)")
    if max(shape) > MAX_ROWS:
        raise ValueError(f"{what} has shape {tuple(shape)}; there can be at most {MAX_ROWS} rows")
    return int(shape[0]), int(shape[1])


def is_sparse(data: object) -> bool:
    """Say whether an object is a sparse matrix or array of SciPy, without importing SciPy."""
    return any(base.__module__.startswith("scipy.sparse") for base in type(data).__mro__)
