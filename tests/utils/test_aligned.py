"""Arrays that begin on a cache line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from factorate._utils.aligned import ALIGNMENT, aligned_zeros


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (33, 5), (0, 4)])
def test_arrays_are_zero_contiguous_and_begin_on_a_cache_line(
    dtype: Any, shape: tuple[int, ...]
) -> None:
    arrays = [aligned_zeros(shape, np.dtype(dtype)) for _ in range(9)]
    for array in arrays:
        assert array.shape == shape
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert not array.any()
        assert array.size == 0 or array.ctypes.data % ALIGNMENT == 0
