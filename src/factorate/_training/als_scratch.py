"""Scratches: the working memory of the kernel of alternating least squares."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from factorate._kernels import dispatch
from factorate._utils.aligned import aligned_zeros

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from factorate._utils.types import Floats


class Scratches:
    """Working memory that threads take turns in using, which saves allocating it for each block."""

    def __init__(
        self,
        width: int,
        dtype: np.dtype[Any],
        *,
        matrix: int = 0,
        packed: int = 0,
        vectors: int = 0,
    ) -> None:
        n_rows = dispatch.als.N_ROWS
        self._shapes = [(n, width) for n in (matrix, packed, vectors, n_rows, n_rows)]
        self._dtype = dtype
        self._unused: list[Scratch] = []

    @contextmanager
    def borrow(self) -> Iterator[Scratch]:
        """Give a scratch that no other thread uses meanwhile."""
        try:
            scratch = self._unused.pop()
        except IndexError:
            scratch = Scratch(*(aligned_zeros(shape, self._dtype) for shape in self._shapes))
        yield scratch
        self._unused.append(scratch)


class Scratch(NamedTuple):
    """Working memory of the kernel; see `solve` and `improve` in _kernels/als.pyx."""

    matrix: Floats
    packed: Floats
    vectors: Floats
    rows: Floats
    products: Floats
