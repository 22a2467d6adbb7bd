"""Groups of users or items, by k-means on their factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._training.factors import require_factors
from factorate._utils.validation import check_count

if TYPE_CHECKING:
    from factorate._utils.types import Floats, Rows


def group(factors: Floats, n_groups: int, seed: int) -> Rows:
    """Divide the rows of factors into groups with scikit-learn's KMeans.

    Parameters
    ----------
    factors : ndarray of shape (n_rows, K)
        Factors of users or items.
    n_groups : int
        Number of groups, from 1 to n_rows.
    seed : int
        Seed of the initial centres, at least 0.

    Returns
    -------
    ndarray of shape (n_rows,), int32
        The group of each row, from 0 to n_groups − 1.

    Raises
    ------
    TypeError, ValueError
        If `n_groups` is not an integer in its range, or there are no factors.
    ImportError
        If scikit-learn is not installed.
    """
    n_groups = check_count("n_groups", n_groups, 1, len(require_factors(factors, "groups")))
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        raise ImportError("grouping needs scikit-learn: pip install 'factorate[sklearn]'") from None
    labels = KMeans(n_groups, n_init=1, random_state=seed % 2**32).fit(factors).labels_
    return np.asarray(labels, np.int32)
