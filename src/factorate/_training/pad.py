"""pad: make the rows of factors as long as whole vectors of the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._training.schedule import padded
from factorate._utils.aligned import aligned_zeros

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from factorate._training.als_settings import AlsSettings
    from factorate._utils.types import Floats


def pad(factors: Floats, dtype: DTypeLike) -> Floats:
    """Return factors whose rows end in zeros up to whole vectors."""
    n_rows, n_factors = factors.shape
    if n_factors == padded(n_factors) and factors.dtype == dtype and factors.flags.c_contiguous:
        return factors
    out = aligned_zeros((n_rows, padded(n_factors)), np.dtype(dtype))
    out[:, :n_factors] = factors
    return out


def unpad(factors: Floats, settings: AlsSettings) -> Floats:
    """Return factors without the zeros that `pad` adds."""
    return np.ascontiguousarray(factors[:, : settings.n_factors])
