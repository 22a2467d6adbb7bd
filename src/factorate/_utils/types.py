"""Types of arrays."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32 or float64
Doubles = NDArray[np.float64]
Rows = NDArray[np.int32]  # rows or positions of users or items; -1 if unknown
Offsets = NDArray[np.int64]  # where each group of entries begins
Flags = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]  # by name


class Column(Protocol):
    """Numbers that are read in slices: an array, or numbers in a file."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, span: slice, /) -> Floats:
        """Return some of them."""
