"""unless_1 and join_weights: weights of pairs, an empty array if all are 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factorate._utils.types import Floats


def unless_1(weights: Floats | None, dtype: np.dtype[Any]) -> Floats:
    """Return weights in a dtype, or an empty array if all are 1; None stands for 1.

    Examples
    --------
    >>> unless_1(np.array([1.0, 2.0]), np.dtype("float32")), unless_1(None, np.dtype("float64"))
    (array([1., 2.], dtype=float32), array([], dtype=float64))
    """
    if weights is None or not (weights != 1).any():
        return np.empty(0, dtype)
    return weights.astype(dtype, copy=False)


def join_weights(parts: Iterable[tuple[Floats, int]]) -> Floats:
    """Return the weights of all pairs of some parts, in order; an empty array if all are 1.

    Parameters
    ----------
    parts : iterable of (ndarray, int)
        The weights of each part, an empty array if all are 1, and its number of pairs.

    Examples
    --------
    >>> none, some = np.empty(0), np.array([3.0, 4.0])
    >>> join_weights([(none, 2), (some, 2)]), join_weights([(none, 2), (none, 1)])
    (array([1., 1., 3., 4.]), array([], dtype=float64))
    """
    parts = list(parts)
    if any(len(weights) for weights, _ in parts):
        parts = [
            (weights if len(weights) else np.ones(n, weights.dtype), n) for weights, n in parts
        ]
    return np.concatenate([weights for weights, _ in parts])
