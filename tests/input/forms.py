"""The same ratings in several forms, and functions that read them."""

from __future__ import annotations

from typing import Any

import numpy as np
from optional import scipy

from factorate._input.ratings import Ratings, read_ratings

FLOAT = np.dtype(np.float32)
USERS, ITEMS, VALUES = [2, 0, 1, 0], [0, 1, 1, 0], [5.0, 3.0, -1.0, 2.5]


def read(data: Any, y: Any = None, **names: Any) -> Ratings:
    return read_ratings(data, y, dtype=FLOAT, **names)


def content(ratings: Ratings) -> list[tuple[Any, Any, float]]:
    users = ratings.user_index.ids[ratings.user_rows].tolist()
    items = ratings.item_index.ids[ratings.item_rows].tolist()
    return sorted(zip(users, items, ratings.values.tolist(), strict=True))


EXPECTED = sorted(zip(USERS, ITEMS, VALUES, strict=True))
FRAME = {"user": USERS, "item": ITEMS, "rating": VALUES}
SPARSE = scipy.sparse.coo_array((VALUES, (USERS, ITEMS)), shape=(3, 2))
