"""Type aliases of arrays, each defined once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32 or float64
Rows = NDArray[np.int32]  # rows of users or items, or positions; -1 is an unknown one
Offsets = NDArray[np.int64]  # where groups of entries begin
Flags = NDArray[np.bool_]
