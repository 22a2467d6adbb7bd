"""Sizes in bytes: read them from text such as "2GB", and write them."""

from __future__ import annotations

import re

import numpy as np

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


def read_size(name: str, value: object) -> int:
    """Return a size in bytes.

    Parameters
    ----------
    name : str
        Name of the parameter in errors.
    value : int or str
        A number of bytes, or text such as "500MB", "2GB" or "1.5 GiB".

    Raises
    ------
    TypeError, ValueError
        If it is not a size.

    Examples
    --------
    >>> read_size("memory", "2GB"), read_size("memory", "1.5 GiB"), read_size("memory", 1000)
    (2000000000, 1610612736, 1000)
    """
    if type(value) is not bool and isinstance(value, int | np.integer) and value > 0:
        return int(value)
    if isinstance(value, str):
        found = SIZE.fullmatch(value.strip())
        if found is not None:
            number, unit, binary = found.groups()
            factor = UNITS[unit.lower()]
            if binary:
                factor = 1 << 10 * list(UNITS).index(unit.lower())
            n_bytes = int(float(number) * factor)
            if n_bytes > 0:
                return n_bytes
        raise ValueError(f"{name} is {value!r}; expected a size such as '500MB' or '2GB'")
    raise TypeError(f"{name} is {value!r}; expected bytes, or text such as '2GB'")


def show_size(n_bytes: int) -> str:
    """Return a size as text, rounded up to three digits.

    Examples
    --------
    >>> show_size(2_345_678), show_size(999)
    ('2.35 MB', '999 bytes')
    """
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if n_bytes >= factor:
            digits = max(0, 3 - len(str(n_bytes // factor)))
            scaled = -(-n_bytes * 10**digits // factor) / 10**digits
            return f"{scaled:.{digits}f} {unit}"
    return f"{n_bytes:,} bytes"
