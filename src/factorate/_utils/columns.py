"""map_chunks: call a function with the chunks of a column of numbers, where the numbers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from factorate._utils.fixed_order import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from factorate._utils.types import Column, Floats

R = TypeVar("R")


@runtime_checkable
class RemoteColumn(Protocol):
    """Numbers that other processes hold, which call functions with them."""

    def map_chunks(self, function: Callable[[Floats, None], R]) -> Iterable[R]:
        """Return the results of a function of each `CHUNK` numbers, in order, and of the rest."""

    def map_parts(self, function: Callable[[Floats], R]) -> Iterable[R]:
        """Return the results of a function of the numbers of each process."""


def map_chunks(
    function: Callable[[Floats, Any], R], values: Column, weights: Floats | None = None
) -> Iterator[R]:
    """Yield the results of a function of chunks of numbers and of their weights, in order.

    Parameters
    ----------
    function : callable
        Takes `CHUNK` numbers and their weights, or None; the last ones may be fewer. If other
        processes hold the numbers, it is sent to them.
    values : Column
        The numbers.
    weights : ndarray, default=None
        Their weights; None if other processes hold the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> list(map_chunks(lambda chunk, _: chunk.sum().item(), np.ones(CHUNK + 1)))
    [8192.0, 1.0]
    """
    if isinstance(values, RemoteColumn):
        yield from values.map_chunks(function)
        return
    for first in range(0, len(values), CHUNK):
        chunk = slice(first, first + CHUNK)
        yield function(values[chunk], None if weights is None else weights[chunk])


def map_parts(function: Callable[[Column], R], values: Column) -> Iterable[R]:
    """Return the results of a function of parts of the numbers: those of each process."""
    return values.map_parts(function) if isinstance(values, RemoteColumn) else [function(values)]
