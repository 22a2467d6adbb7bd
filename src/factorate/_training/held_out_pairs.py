"""HeldOutPairs: the ratings of a store, or on a cluster, that are not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._store.stored_ratings import Numbered
from factorate._training.held_out import hash_pairs

if TYPE_CHECKING:
    from factorate._training.held_out import HeldOut
    from factorate._utils.types import Flags, Rows


@dataclass(frozen=True, kw_only=True)
class HeldOutPairs:
    """Ratings that are held out.

    Attributes
    ----------
    keys : HeldOutKeys
        The pairs.
    ratings : HeldOut
        All their ratings.
    """

    keys: HeldOutKeys
    ratings: HeldOut


@dataclass(frozen=True)
class HeldOutKeys:
    """Which pairs are held out: those with the smallest hashes.

    Attributes
    ----------
    seed : int
        Seeds the hash.
    last_key : int
        The largest hash of a pair that is held out.
    """

    seed: int
    last_key: int

    def drop_from(self, ratings: Numbered, rows: tuple[Rows, Rows]) -> Numbered:
        """Return those of some ratings that are not held out, given the row of each number."""
        users, items, codes, values = ratings
        keys = hash_pairs(rows[0].take(users), rows[1].take(items), self.seed)
        rest: Flags = keys > np.uint64(self.last_key)
        return Numbered(
            users[rest],
            items[rest],
            codes[rest] if len(codes) else codes,
            values[rest] if len(values) else values,
        )
