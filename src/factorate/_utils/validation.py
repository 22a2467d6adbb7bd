"""Check parameters and arrays; errors name the value and what was expected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Set, ValuesView
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

MAX_ROWS = 2**31 - 1  # rows are int32 in the kernels
MAX_CHARACTERS = 300  # of a value in an error
MAX_NAMES = 12  # in an error


def show(value: object) -> str:
    """Return the repr of a value as a plain Python object: 1.5, not ``np.float64(1.5)``.

    Only the beginning of a long one is returned.
    """
    return _shorten(repr(value.item() if isinstance(value, np.generic) else value))


def escape(text: object) -> str:
    r"""Return the beginning of a text that comes from a file, with control characters escaped.

    Examples
    --------
    >>> escape("rating"), escape("a\nb")
    ('rating', 'a\\nb')
    """
    characters = str(text)[: MAX_CHARACTERS + 1]
    return _shorten("".join(c if c.isprintable() else ascii(c)[1:-1] for c in characters))


def show_names(names: Sequence[object]) -> str:
    """Return the first names of a list, and how many more there are.

    Examples
    --------
    >>> show_names(["user", "item"])
    "['user', 'item']"
    >>> show_names(["a"] * 5000)[-23:]
    "'a', 'a', … 4,988 more]"
    """
    listed = ", ".join(map(show, names[:MAX_NAMES]))
    more = len(names) - MAX_NAMES
    return f"[{listed}, … {more:,} more]" if more > 0 else f"[{listed}]"


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"


def check_count(name: str, value: object, minimum: int, maximum: int | None = None) -> int:
    """Return a parameter as an int.

    Parameters
    ----------
    name : str
        Name of the parameter in errors.
    value : object
        Its value.
    minimum, maximum : int
        Inclusive bounds; `maximum` is None by default, for no bound.

    Raises
    ------
    TypeError
        If the value is not an integer; a bool is not one.
    ValueError
        If it is out of bounds.
    """
    if type(value) is not int and (isinstance(value, bool) or not isinstance(value, Integral)):
        bound = _integer_bound(minimum, maximum)
        raise TypeError(f"{name} is {value!r}; expected an integer {bound}")
    number = int(value)
    if number < minimum or (maximum is not None and number > maximum):
        bound = _integer_bound(minimum, maximum)
        raise ValueError(f"{name} is {value}; expected an integer {bound}")
    return number


def _integer_bound(minimum: int, maximum: int | None) -> str:
    return f"≥ {minimum}" if maximum is None else f"from {minimum} to {maximum}"


def check_number(
    name: str,
    value: object,
    *,
    minimum: float | None = None,
    above: float | None = None,
    below: float = math.inf,
) -> float:
    """Return a parameter as a float.

    Parameters
    ----------
    name : str
        Name of the parameter in errors.
    value : object
        Its value.
    minimum : float, optional
        Inclusive lower bound.
    above : float, optional
        Exclusive lower bound.
    below : float, default=inf
        Exclusive upper bound.

    Raises
    ------
    TypeError
        If the value is not a real number; a bool is not one.
    ValueError
        If it is not finite or out of bounds.
    """
    is_number = type(value) in (float, int) or (
        isinstance(value, Real) and not isinstance(value, bool)
    )
    if not is_number:
        bound = _number_bound(minimum, above, below)
        raise TypeError(f"{name} is {value!r}; expected a finite number{bound}")
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    too_low = number <= above if above is not None else minimum is not None and number < minimum
    if not math.isfinite(number) or too_low or number >= below:
        bound = _number_bound(minimum, above, below)
        raise ValueError(f"{name} is {value}; expected a finite number{bound}")
    return number


def _number_bound(minimum: float | None, above: float | None, below: float) -> str:
    bound = f" > {above}" if above is not None else "" if minimum is None else f" ≥ {minimum}"
    return bound + ("" if below == math.inf else f" and < {below}")


def check_flag(name: str, value: object) -> bool:
    """Return a parameter as a bool; raise TypeError unless it is True or False."""
    if value is not True and value is not False and not isinstance(value, np.bool):
        raise TypeError(f"{name} is {value!r}; expected True or False")
    return bool(value)


def check_numeric(array: NDArray[Any], what: str) -> None:
    """Raise TypeError unless an array holds real numbers."""
    if array.dtype.kind not in "biuf":
        example = f" (first value {show(array.flat[0])})" if array.size else ""
        raise TypeError(f"{what}{example} has dtype {array.dtype}; expected real numbers")


def as_sized(values: Any) -> Any:
    """Return an object that has no length but converts to an array as one; others unchanged."""
    convertible = hasattr(values, "__array__") and not hasattr(values, "__len__")
    return np.asarray(values) if convertible and not isinstance(values, np.generic) else values


def check_column(values: object, what: str) -> None:
    """Raise TypeError for objects that are not columns, such as scalars, sets and iterators."""
    if type(values) in (list, tuple):
        return  # most columns of few entries
    if isinstance(values, Iterator | Mapping | Set | ValuesView):
        raise TypeError(f"{what} is a {type(values).__name__}; pass a list or an array")
    scalar = isinstance(values, str | bytes) or not hasattr(values, "__len__")
    if scalar or (isinstance(values, np.ndarray) and values.ndim == 0):
        raise TypeError(f"{what} is {show(values)}; expected a column, a list or an array")


def check_unmasked(array: NDArray[Any], what: str) -> None:
    """Raise ValueError if an entry of a masked array is masked."""
    masked = np.flatnonzero(np.ma.getmaskarray(array))
    if len(masked):
        raise ValueError(f"{what}[{masked[0]}] is masked, a missing value; drop that row")


def to_numbers(
    objects: NDArray[Any], what: str, missing: float | None = None
) -> NDArray[np.float64]:
    """Convert an array of objects, such as Decimal, to float64.

    Parameters
    ----------
    objects : ndarray
        Array of any shape.
    what : str
        Name of the array in errors.
    missing : float, optional
        Replaces None and NA; by default they raise ValueError.

    Returns
    -------
    ndarray of float64
        Numbers, in the shape of `objects`.

    Raises
    ------
    ValueError
        If an object is missing, or an integer too large for a float.
    TypeError
        If an object is not a real number.
    """
    numbers = np.empty(objects.size, np.float64)
    for entry, value in enumerate(objects.ravel().tolist()):
        absent = value is None or type(value).__name__ == "NAType"
        try:
            if isinstance(value, str | bytes) or (absent and missing is None):
                raise TypeError
            numbers[entry] = missing if absent else value
        except (TypeError, ValueError, OverflowError) as error:
            indices = ", ".join(map(str, np.unravel_index(entry, objects.shape)))
            where = f"{what}[{indices}]"
            if absent:
                raise ValueError(
                    f"{where} is {show(value)}; drop it or give it a finite value"
                ) from None
            if isinstance(error, OverflowError):
                raise ValueError(f"{where} is an integer too large for a float") from None
            raise TypeError(f"{where} is {show(value)}; expected a real number") from None
    return numbers.reshape(objects.shape)


def check_rows(rows: Iterable[Any]) -> None:
    """Raise ValueError unless the rows of a nested list have the same length."""
    lengths = [0 if isinstance(entries, str | bytes) else _length(entries) for entries in rows]
    for row, length in enumerate(lengths):
        if length != lengths[0]:
            raise ValueError(
                f"row {row} has {length} entries where row 0 has {lengths[0]}; expected rows "
                f"of equal length"
            )


def _length(row: Any) -> int:
    try:
        return len(row)
    except TypeError:  # a number
        return 0


def check_shape(shape: tuple[int, ...], what: str) -> tuple[int, int]:
    """Return the shape of a matrix; raise ValueError unless it is 2-d and its rows fit int32."""
    if len(shape) != 2:
        raise ValueError(f"{what} has shape {tuple(shape)}; expected (n_users, n_items)")
    if max(shape) > MAX_ROWS:
        raise ValueError(f"{what} has shape {tuple(shape)}; there can be at most {MAX_ROWS} rows")
    return int(shape[0]), int(shape[1])


def is_sparse(data: object) -> bool:
    """Return whether an object is a sparse matrix or array of SciPy, without importing SciPy."""
    if isinstance(data, tuple | list | np.ndarray):
        return False
    return any(base.__module__.startswith("scipy.sparse") for base in type(data).__mro__)
