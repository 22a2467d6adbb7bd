"""gram: the Gram matrix of factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels import dispatch
from factorate._training.pad import pad
from factorate._utils.aligned import aligned_zeros
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from factorate._utils.types import Doubles, Floats

GRAM_ROWS = 4096  # rows whose outer products are added up before they are added to others


def gram(factors: Floats, n_threads: int) -> Doubles:
    """Return QᵀQ for factors Q.

    Parameters
    ----------
    factors : ndarray of shape (n, K)
        The factors.
    n_threads : int
        Number of threads. It does not change the result.

    Returns
    -------
    ndarray of float64, shape (K, K)

    Examples
    --------
    >>> gram(np.array([[1.0, 2.0], [3.0, 4.0]]), n_threads=1)
    array([[10., 14.],
           [14., 20.]])
    """
    n_factors = factors.shape[1]
    return gram_of_padded(pad(factors, factors.dtype), n_threads)[:n_factors, :n_factors].copy()


def gram_of_padded(factors: Floats, n_threads: int) -> Doubles:
    """Return QᵀQ for padded factors, summed in an order that depends on their number alone."""
    return add_chunks(gram_of_chunks(factors, n_threads))


def gram_of_chunks(factors: Floats, n_threads: int) -> list[Floats]:
    """Return the upper triangle of QᵀQ for each chunk of `GRAM_ROWS` padded factors."""
    width = factors.shape[1]

    def add_up(first: int) -> Floats:
        out = aligned_zeros((width, width), factors.dtype)
        dispatch.als.gram(factors, first, min(first + GRAM_ROWS, len(factors)), out)
        return out

    return Workers(n_threads).map(add_up, range(0, len(factors), GRAM_ROWS))


def add_chunks(chunks: list[Floats]) -> Doubles:
    """Return QᵀQ from its chunks, in order."""
    total = np.zeros(chunks[0].shape)
    for chunk in chunks:
        total += chunk
    upper = np.triu(total)
    return upper + np.triu(total, 1).T
