"""Ratings have rows and indexes of their ids."""

from __future__ import annotations

import numpy as np
from forms import read
from optional import scipy


def test_rows_of_a_matrix_without_ratings_are_in_the_index() -> None:
    ratings = read(np.array([[5, 0, 0, 1], [0, 0, 0, 0]]))
    assert len(ratings.user_index.ids) == 2
    assert len(ratings.item_index.ids) == 4
    assert len(read(scipy.sparse.coo_array(([1.0], ([0], [0])), (3, 9))).item_index.ids) == 9
