"""Arithmetic whose rounding depends neither on the machine nor on the number of its cores.

A BLAS chooses the order of a sum by the processor and the number of threads, and NumPy and the C
library choose between implementations of powers, logarithms and cosines, which round differently.
Sums in a fixed order, products, quotients and square roots are the same everywhere.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from factorate._utils.types import Column, Doubles

CHUNK = 1 << 13  # numbers processed at a time, few enough to stay in the cache
LN2 = 0.6931471805599453
# Numbers of terms of the series after which the next is below the rounding of float64.
EXP_TERMS, ATANH_TERMS, COSINE_TERMS = 13, 17, 12


def dot(a: Column, b: NDArray[Any]) -> float:
    """Return the dot product of two vectors, multiplied and summed in float64.

    Examples
    --------
    >>> dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    11.0
    """
    result = 0.0
    for first in range(0, len(a), CHUNK):
        chunk = slice(first, first + CHUNK)
        result += float(np.sum(np.multiply(a[chunk], b[chunk], dtype=np.float64)))
    return result


def total(a: Column) -> float:
    """Return the sum of a vector, in float64.

    Examples
    --------
    >>> total(np.array([1.0, 2.0]))
    3.0
    """
    result = 0.0
    for first in range(0, len(a), CHUNK):
        result += float(np.sum(a[first : first + CHUNK], dtype=np.float64))
    return result


def power(bases: Doubles, exponents: Doubles) -> Doubles:
    """Return powers of numbers from 0 to 1, for exponents above 0.

    Examples
    --------
    >>> power(np.array([0.25, 0.0]), np.array([0.5, 2.0])).round(15)
    array([0.5, 0. ])
    """
    out = np.zeros(len(exponents))
    for first in range(0, len(out), CHUNK):
        chunk = slice(first, first + CHUNK)
        positive = bases[chunk] > 0
        logarithms = log(np.where(positive, bases[chunk], 1.0))
        out[chunk] = np.where(positive, exp(exponents[chunk] * logarithms), 0.0)
    return out


def exp(x: ArrayLike) -> Doubles:
    """Return the exponential of numbers up to 0: 2ⁿ times a Taylor series below √2.

    Examples
    --------
    >>> exp([0.0, -1.0]).round(15)
    array([1.        , 0.36787944])
    """
    binary = np.maximum(np.asarray(x, np.float64) / LN2, -2000.0)
    whole = np.rint(binary)
    rest = (binary - whole) * LN2
    result = np.ones_like(rest)
    for term in range(EXP_TERMS, 0, -1):
        result *= rest
        result /= term
        result += 1
    with np.errstate(invalid="ignore"):  # NaN stays NaN
        return np.ldexp(result, whole.astype(np.int32))


def log(x: ArrayLike) -> Doubles:
    """Return the logarithm of numbers above 0.

    Examples
    --------
    >>> log([1.0, 10.0]).round(15)
    array([0.        , 2.30258509])
    """
    mantissa, exponent = np.frexp(np.asarray(x, np.float64))
    small = mantissa < math.sqrt(0.5)
    mantissa = np.where(small, 2 * mantissa, mantissa)
    logarithm: Doubles = 2 * _atanh((mantissa - 1) / (mantissa + 1)) + (exponent - small) * LN2
    return logarithm


def log1p(x: ArrayLike) -> Doubles:
    """Return log(1 + x) of numbers from 0 to 1, exact for small ones too.

    Examples
    --------
    >>> log1p([1e-20, 1.0]).round(30)
    array([1.00000000e-20, 6.93147181e-01])
    """
    numbers = np.asarray(x, np.float64)
    return 2 * _atanh(numbers / (2 + numbers))


def cosine(angle: float) -> float:
    """Return the cosine of an angle from 0 to π, by its Taylor series.

    Examples
    --------
    >>> cosine(0.0), round(cosine(math.pi / 3), 15)
    (1.0, 0.5)
    """
    if angle > math.pi / 2:
        return -cosine(math.pi - angle)
    result = 1.0
    for term in range(2 * COSINE_TERMS, 0, -2):
        result = 1 - result * angle * angle / (term * (term - 1))
    return result


def _atanh(x: Doubles) -> Doubles:
    """Return artanh(x) = x + x³/3 + x⁵/5 + …, for numbers up to 1/3 in size."""
    square = x * x
    result = np.zeros_like(square)
    for term in range(ATANH_TERMS, 0, -1):
        result *= square
        result += 1 / (2 * term - 1)
    return x * result
