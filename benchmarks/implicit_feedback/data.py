"""Interactions of real and synthetic sets, and how they are divided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.accuracy.data import read
from factorate import datasets

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRONG_SETS = (
    "ml-1m",
    "ml-100k",
    "ml-latest-small-2018",
    "filmtrust",
    "ciao",
    "digital_music",
    "jester",
    "steam",
)
HIT_SETS = ("ml-100k", "filmtrust")
N_NEGATIVES = 100
MINIMUM_INTERACTIONS = 5  # of a user who is held out
PAIRS_OF_VALIDATIONS, MAX_VALIDATIONS = 100_000, 3
LARGEST = 100  # million interactions, of the users and items below
USERS, ITEMS = 480_189, 17_770


@dataclass(frozen=True)
class Interactions:
    """Distinct pairs of a user and an item, as rows."""

    users: Any
    items: Any
    shape: tuple[int, int]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.users)

    def take(self, chosen: Any) -> Interactions:
        """Select pairs by their index or a mask."""
        return Interactions(self.users[chosen], self.items[chosen], self.shape)

    def starts(self) -> NDArray[np.int64]:
        """Return where the pairs of each user begin, and the end, if they are sorted by user."""
        return np.searchsorted(self.users, np.arange(self.shape[0] + 1))


class LastInteractions(NamedTuple):
    """One interaction of each user to be found among others, and those before it."""

    training: Interactions
    users: Any
    candidates: Any  # shape (n_users, 1 + N_NEGATIVES), the held-out item first


class NewUsers(NamedTuple):
    """Users who are added after training from a part of their interactions, numbered from 0."""

    training: Interactions
    given: Interactions
    held_out: Interactions


def read_interactions(name: str) -> Interactions:
    """Read the pairs of a set by user and time; of Jester, those with a rating above 0.

    Sets without timestamps are in the order of their files.
    """
    ratings = read(name)
    users, items = ratings.users, ratings.items
    shape = int(users.max()) + 1, int(items.max()) + 1
    times = np.zeros(len(users)) if ratings.times is None else ratings.times
    if name == "jester":
        liked = ratings.ratings > 0
        users, items, times = users[liked], items[liked], times[liked]
    order = np.lexsort((times, users))  # stable: equal times are in the order of the file
    users, items = users[order], items[order]
    _, first = np.unique(users * np.int64(shape[1]) + items, return_index=True)
    first.sort()
    return Interactions(users[first], items[first], shape)


def hold_out_last(pairs: Interactions, seed: int) -> LastInteractions:
    """Hold out the last interaction of each user among random others.

    The others are distinct items with which the user does not interact in `pairs`.
    """
    starts = pairs.starts()
    counts = np.diff(starts)
    users = np.flatnonzero(counts > 1)
    held_out = starts[1:][users] - 1
    generator = np.random.default_rng(seed)
    candidates = np.empty((len(users), 1 + N_NEGATIVES), np.int32)
    candidates[:, 0] = pairs.items[held_out]
    for row, user in enumerate(users.tolist()):
        mine = pairs.items[starts[user] : starts[user + 1]]
        others = np.setdiff1d(np.arange(pairs.shape[1]), mine, assume_unique=True)
        candidates[row, 1:] = generator.choice(others, N_NEGATIVES, replace=False)
    in_training = np.ones(len(pairs), bool)
    in_training[held_out] = False
    return LastInteractions(pairs.take(in_training), users, candidates)


def tenths_of_users(pairs: Interactions, seed: int = 0) -> list[NDArray[np.int64]]:
    """Return ten random groups of the users who have at least five interactions."""
    counts = np.bincount(pairs.users, minlength=pairs.shape[0])
    eligible = np.flatnonzero(counts >= MINIMUM_INTERACTIONS)
    return np.array_split(np.random.default_rng(seed).permutation(eligible), 10)


def hold_out_users(pairs: Interactions, chosen: NDArray[np.int64], seed: int) -> NewUsers:
    """Hold out users, as Liang et al. 2018 do.

    A random 80 % of their interactions are given. Items that no other user has are dropped.
    """
    generator = np.random.default_rng(seed)
    number = np.full(pairs.shape[0], -1, np.int32)
    number[chosen] = np.arange(len(chosen))
    training = pairs.take(number[pairs.users] < 0)
    known = np.bincount(training.items, minlength=pairs.shape[1]) > 0
    of_new = pairs.take((number[pairs.users] >= 0) & known[pairs.items])
    # Each user's interactions in random order, of which the first 80 % are given
    order = np.lexsort((generator.random(len(of_new)), number[of_new.users]))
    users, items = number[of_new.users][order], of_new.items[order]
    starts = np.searchsorted(users, np.arange(len(chosen) + 1))
    n_given = (0.8 * np.diff(starts)).astype(np.int64)
    given = np.arange(len(users)) - starts[:-1][users] < n_given[users]
    new = Interactions(users, items, (len(chosen), pairs.shape[1]))
    return NewUsers(training, new.take(given), new.take(~given))


def random_split(pairs: Interactions, seed: int) -> tuple[Interactions, Interactions]:
    """Return training pairs, and a random tenth to be held out."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    held_out, training = np.split(order, [len(order) // 10])
    return pairs.take(np.sort(training)), pairs.take(np.sort(held_out))


def count_validations(pairs: Interactions) -> int:
    """Return the number of validation sets for the choice of settings: more for small sets."""
    return min(max(PAIRS_OF_VALIDATIONS // len(pairs), 1), MAX_VALIDATIONS)


def synthetic(millions: int) -> Interactions:
    """Return skewed interactions of users and items that grow with the square root."""
    fraction = (millions / LARGEST) ** 0.5
    shape = round(USERS * fraction), round(ITEMS * fraction)
    users, items, _ = datasets.synthetic(millions * 1_000_000, *shape)
    return Interactions(users, items, shape)
