"""HeldOut: ratings that are used for validation, not for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from factorate._input.pairs import read_pairs
from factorate._input.rating_values import read_values
from factorate._training import losses
from factorate._training.sample_weights import select_ratings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._input.column_names import Names
    from factorate._input.id_index import IdIndex
    from factorate._input.ratings import Ratings
    from factorate._training.update_rule import UpdateRule
    from factorate._utils.types import Flags, Floats, Rows


class HasIndexes(Protocol):
    """Ratings whose users and items have indexes of their ids."""

    @property
    def user_index(self) -> IdIndex:
        """The ids of the users."""

    @property
    def item_index(self) -> IdIndex:
        """The ids of the items."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The ratings of a validation set.

    Attributes
    ----------
    user_rows, item_rows : ndarray of int32
        Rows in the training ratings; -1 is an unknown user or item.
    values : ndarray
        Ratings.
    weights : ndarray or None
        Their weights; None if all are equal.
    """

    user_rows: Rows
    item_rows: Rows
    values: Floats
    weights: Floats | None = None


def split_ratings(
    ratings: Ratings, weights: Floats | None, fraction: float, seed: int
) -> tuple[Ratings, Floats | None, HeldOut]:
    """Split ratings into training ratings with their weights, and held-out ratings."""
    held = hold_out(ratings.user_rows, ratings.item_rows, fraction, seed)
    validation = select_ratings(ratings, held)
    held_out = HeldOut(
        user_rows=validation.user_rows,
        item_rows=validation.item_rows,
        values=validation.values,
        weights=None if weights is None else weights[held],
    )
    return select_ratings(ratings, ~held), None if weights is None else weights[~held], held_out


def hold_out(user_rows: Rows, item_rows: Rows, fraction: float, seed: int) -> Flags:
    """Choose the ratings to hold out, by a hash of user and item.

    The choice does not depend on the order of the ratings and is the same for all ratings of one
    pair.

    Parameters
    ----------
    user_rows, item_rows : ndarray of int32
        Rows of each rating.
    fraction : float
        Fraction of the ratings to hold out; at least one rating is held out.
    seed : int
        Seeds the hash.

    Returns
    -------
    ndarray of bool

    Raises
    ------
    ValueError
        If all ratings would be held out.

    Examples
    --------
    >>> import numpy as np
    >>> users, items = np.indices((10, 10), np.int32).reshape(2, -1)
    >>> int(hold_out(users, items, 0.2, seed=0).sum())
    20
    """
    keys = hash_pairs(user_rows, item_rows, seed)
    n_held = count_held_out(fraction, len(keys))
    held: Flags = keys <= np.partition(keys, n_held - 1)[n_held - 1]
    check_rest(int(held.sum()), len(held))
    return held


def count_held_out(fraction: float, n_ratings: int) -> int:
    """Return how many ratings to hold out, without others of the pair of the last of them."""
    return max(1, round(fraction * n_ratings))


def check_rest(n_held: int, n_ratings: int) -> None:
    """Raise ValueError if all ratings would be held out."""
    if n_held == n_ratings:
        raise ValueError(
            f"early_stopping holds out {n_held} of {n_ratings} entries, which leaves none "
            f"to train on; pass more, or an eval_set"
        )


def assign_folds(user_rows: Rows, item_rows: Rows, n_folds: int, seed: int) -> NDArray[np.intp]:
    """Divide ratings into folds of equal size, by a hash of user and item.

    As in `hold_out`, the order of the ratings does not matter, and all ratings of one pair are in
    the same fold.

    Parameters
    ----------
    user_rows, item_rows : ndarray of int32
        Rows of each rating.
    n_folds : int
        Number of folds, at most the number of ratings.
    seed : int
        Seeds the hash.

    Returns
    -------
    ndarray of intp
        The fold of each rating, from 0.

    Examples
    --------
    >>> import numpy as np
    >>> users, items = np.indices((10, 10), np.int32).reshape(2, -1)
    >>> np.bincount(assign_folds(users, items, 4, seed=0)).tolist()
    [25, 25, 25, 25]
    """
    keys = hash_pairs(user_rows, item_rows, seed)
    lasts = np.arange(1, n_folds) * len(keys) // n_folds - 1
    return np.searchsorted(np.partition(keys, lasts)[lasts], keys)


def hash_pairs(user_rows: Rows, item_rows: Rows, seed: int) -> NDArray[np.uint64]:
    """Return a hash of each pair of rows.

    It is the mixing function of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom
    Number Generators", OOPSLA 2014, fig. 17).
    """
    salt = np.random.SeedSequence(seed, spawn_key=(4,)).generate_state(1, np.uint64)
    keys = (user_rows.astype(np.uint64) << np.uint64(32)) + item_rows.astype(np.uint64) + salt
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        keys = (keys ^ (keys >> np.uint64(shift))) * np.uint64(factor)
    return keys


def read_eval_set(
    eval_set: Any,
    ratings: HasIndexes,
    rule: UpdateRule,
    names: Names | None,
    bounds: tuple[float, float],
) -> HeldOut:
    """Read the ratings that the user passed as `eval_set`.

    Parameters
    ----------
    eval_set : object
        Ratings in any form that `fit` accepts, or (X, y).
    ratings : Ratings or RatingsInStore
        The training ratings, which define the rows.
    rule : UpdateRule
        The update rule, whose loss must be defined for the ratings.
    names : tuple of str or None
        Names of columns.
    bounds : tuple of float
        Minimum and maximum training rating.

    Returns
    -------
    HeldOut

    Raises
    ------
    TypeError, ValueError
        If it is not a set of ratings, or is empty; the message begins with "eval_set".
    """
    if isinstance(eval_set, list):
        raise TypeError(
            "eval_set is a list; expected ratings in any form that fit accepts, or (X, y)"
        )
    X, y = eval_set if isinstance(eval_set, tuple) and len(eval_set) == 2 else (eval_set, None)
    indexes = ratings.user_index, ratings.item_index
    try:
        user_rows, item_rows, columns = read_pairs(X, *indexes, y=y, names=names, with_ratings=True)
        values = read_values(columns.ratings, np.dtype(np.float64))
    except TypeError as error:
        raise TypeError(f"eval_set: {error}") from error
    except ValueError as error:  # also its subclasses, such as UnicodeDecodeError
        raise ValueError(f"eval_set: {error}") from error
    if not len(values):
        raise ValueError("there are no ratings in eval_set; at least one is needed")
    losses.check(values, rule, bounds, "ratings of eval_set")
    return HeldOut(user_rows=user_rows, item_rows=item_rows, values=values)
