"""Serving: what is asked of a model in production, and who joins and leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, overload

import numpy as np

from factorate._fitted import fold_in
from factorate._input.id_columns import read_ids
from factorate._input.id_index import look_up
from factorate._input.id_queries import IN_RATINGS, as_column, warn_unknown
from factorate._input.ratings import read_further, read_ratings_of_one
from factorate._serving import neighbours
from factorate._training.settings import check_settings, draw_seed
from factorate._utils.validation import check_flag, show
from factorate.learnt import Learnt

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.floating[Any]]
    Codes = NDArray[np.int32]
    Found = tuple[NDArray[Any], Floats]


class Serving(Learnt):
    """The part of a model that recommends, and takes in and forgets people and things."""

    random_state: int | np.random.Generator | np.random.RandomState | None

    # Neighbours

    @overload
    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        exclude_seen: bool = True,
        items: ArrayLike | None = None,
        exclude: ArrayLike | None = None,
        *,
        as_frame: Literal[False] = False,
    ) -> Found: ...
    @overload
    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        exclude_seen: bool = True,
        items: ArrayLike | None = None,
        exclude: ArrayLike | None = None,
        *,
        as_frame: bool,
    ) -> Any: ...
    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        exclude_seen: bool = True,
        items: ArrayLike | None = None,
        exclude: ArrayLike | None = None,
        *,
        as_frame: bool = False,
    ) -> Any:
        """Recommend the items with the highest predictions.

        Parameters
        ----------
        users
            Ids of users, shape (m,), or one id; None for all, in the order of `users_`. An unknown
            user gets the best items by μ + b_i.
        n
            How many items for each.
        exclude_seen
            Whether to leave out what a user has rated in training.
        items
            Ids of the items to choose from, for all users; None for all items. Unknown ones are
            left out.
        exclude
            Ids of items to leave out, for all users; unknown ones change nothing.
        as_frame
            Whether to return a DataFrame with columns "user", "item" and "score": of the library of
            the training ratings, or else of the first of pandas, polars and pyarrow that is
            installed.

        Returns
        -------
        items : ndarray
            Ids, best first, shape (m, n), or (n,) for one user. Equal scores are in the order of
            `items_`.
        scores : ndarray
            Their predictions, same shape, equal to those of `predict` with ``clip=False`` bit for
            bit: they are never clipped. Where fewer than n items are left a score is NaN, and the
            id there means nothing: None, NaT, False, −1 or, of an unsigned type, 0. A DataFrame
            leaves these places out.

        Raises
        ------
        TypeError, ValueError
            If an argument is not what it should be, or what users have seen was not kept.
        NotFittedError
            Before `fit`.

        Warns
        -----
        UnknownIdWarning
            If users or items were not in the training ratings.

        Notes
        -----
        The result depends neither on the number of threads (`n_threads`) nor on who else is asked
        about. For many users, memory is that of the result and one more copy of the factors of the
        items; the matrix of all scores is never made.

        Examples
        --------
        >>> import factorate as ft
        >>> ratings = ["ann", "ann", "bob"], ["tea", "jam", "tea"], [5, 2, 4]
        >>> model = ft.MatrixFactorization(n_factors=2, random_state=0).fit(ratings)
        >>> items, scores = model.recommend("bob", n=1)
        >>> items
        array(['jam'], dtype=object)
        >>> bool(scores[0] == model.predict((["bob"], ["jam"]))[0])
        True
        """
        return neighbours.recommend(
            self._require(), users, n, exclude_seen, items, exclude, as_frame, self.n_threads
        )

    def recommend_for(self, ratings: Any, n: int = 10) -> Found:
        """Recommend items to somebody the model does not know, by their ratings; nothing is kept.

        The recommendations are those that `add_users` and `recommend` would give.

        Parameters
        ----------
        ratings
            All ratings of one user: a mapping {item: rating}, or a tuple (items, ratings) of
            arrays. Those of unknown items are left out; without any, the best items by μ + b_i are
            recommended.
        n
            How many items.

        Returns
        -------
        items, scores
            Ids and predictions, shape (n,), best first, rated items left out; see `recommend`.

        Warns
        -----
        UnknownIdWarning
            If items are unknown.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items = ["ann", "ann", "bob", "cy"], ["tea", "jam", "tea", "rye"]
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((users, items, [5, 2, 4, 1]))
        >>> items, scores = model.recommend_for({"tea": 5, "rye": 2}, n=1)
        >>> items.tolist()
        ['jam']
        """
        fitted = self._require()
        rows, values, items = read_ratings_of_one(
            ratings, fitted.item_index, dtype=fitted.factors.user_factors.dtype
        )
        warn_unknown(neighbours.NOBODY, (items, rows), IN_RATINGS, stacklevel=2)
        settings = check_settings(self.get_params(), fitted.seed)
        alone = fold_in.alone(fitted, rows, values, settings)
        found: Found = neighbours.recommend(alone, 0, n, True, None, None, False, self.n_threads)
        return found

    @overload
    def similar_items(
        self, items: Any = None, n: int = 10, *, as_frame: Literal[False] = False
    ) -> Found: ...
    @overload
    def similar_items(self, items: Any = None, n: int = 10, *, as_frame: bool) -> Any: ...
    def similar_items(self, items: Any = None, n: int = 10, *, as_frame: bool = False) -> Any:
        """Find the items whose factors point the same way.

        Parameters
        ----------
        items
            Ids of items, shape (m,), or one id; None for all. For an unknown one nothing is found.
        n
            How many for each.
        as_frame
            Whether to return a DataFrame with columns "item", "similar_item" and "score".

        Returns
        -------
        items : ndarray
            Ids, most alike first, the item itself left out, shape (m, n), or (n,) for one item.
        scores : ndarray
            The cosines of their factors, from −1 to 1, same shape; 0 with an item without factors.
            Empty places are as in `recommend`.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> items, cosines = model.similar_items(0, n=2)
        >>> items.shape, bool(cosines[0] >= cosines[1])
        ((2,), True)
        """
        return neighbours.similar(self._require(), "item", items, n, as_frame, self.n_threads)

    @overload
    def similar_users(
        self, users: Any = None, n: int = 10, *, as_frame: Literal[False] = False
    ) -> Found: ...
    @overload
    def similar_users(self, users: Any = None, n: int = 10, *, as_frame: bool) -> Any: ...
    def similar_users(self, users: Any = None, n: int = 10, *, as_frame: bool = False) -> Any:
        """Find the users of like taste; as `similar_items`, with columns "user", "similar_user"."""
        return neighbours.similar(self._require(), "user", users, n, as_frame, self.n_threads)

    def group_users(self, n_groups: int) -> Codes:
        """Sort users of like taste into groups, by scikit-learn's KMeans on their factors.

        Parameters
        ----------
        n_groups
            Number of groups, at most that of the users.

        Returns
        -------
        ndarray
            The group (int32, from 0) of each of `users_`, shape (n_users,). Seeded by
            `random_state`.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        ValueError
            If there are not as many users, or none at all.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> sorted(set(model.group_users(2).tolist()))
        [0, 1]
        """
        if not len(self.users_):
            raise ValueError("there are no users to group: all were removed")
        return neighbours.group(self.user_factors_, n_groups, draw_seed(self.random_state))

    def group_items(self, n_groups: int) -> Codes:
        """Sort items that are alike into groups; as `group_users`, for `items_`."""
        return neighbours.group(self.item_factors_, n_groups, draw_seed(self.random_state))

    def user_vectors(self, augmented: bool = False) -> Floats:
        """Return a vector for each of `users_`, to query an index of `item_vectors` with.

        Parameters
        ----------
        augmented
            Whether to return (p_u, 1, μ + b_u), shape (n_users, K + 2), instead of the factors p_u.
        """
        return neighbours.user_vectors(self._require().factors, check_flag("augmented", augmented))

    def item_vectors(self, augmented: bool = False) -> Floats:
        """Return a vector for each of `items_`, for an index of nearest neighbours.

        Parameters
        ----------
        augmented
            Whether to return (q_i, b_i, 1), shape (n_items, K + 2), instead of the factors q_i: the
            inner product with a row of ``user_vectors(augmented=True)`` is then the prediction,
            biases included.

        Examples
        --------
        >>> import factorate as ft, numpy as np
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> scores = model.user_vectors(augmented=True) @ model.item_vectors(augmented=True).T
        >>> bool(np.allclose(scores, model.complete(), rtol=1e-5))
        True
        """
        return neighbours.item_vectors(self._require().factors, check_flag("augmented", augmented))

    # People and things that come and go

    def add_users(self, X: Any, y: ArrayLike | None = None) -> Self:
        """Take in users after training, each from all of their ratings; items stay as they are.

        Factors and bias of each user are those that minimize the objective of training: exactly for
        the squared loss; with other losses, L1 or ``nonnegative`` nearly, by training on these
        ratings alone.
        Rows of old users stay where they are, new ones follow. A user whom the model knows is
        solved anew from the ratings given here alone, so give all of them.

        Parameters
        ----------
        X, y
            Ratings, in any form `fit` takes. Those of unknown items are left out. The rows of a
            matrix are the users 0, 1, …, so give a tuple with other ids for new ones.

        Returns
        -------
        MatrixFactorization
            This model. Other threads may read it meanwhile, and go on with what it was until all
            is done; only one at a time may change it.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError
            If they are not ratings, or ids are of another type than in training; the model is as
            it was.

        Warns
        -----
        UnknownIdWarning
            If items are unknown.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items = ["ann", "ann", "bob", "cy"], ["tea", "jam", "tea", "jam"]
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((users, items, [5, 2, 4, 1]))
        >>> model.add_users((["dee", "dee"], ["tea", "jam"], [4, 2])).users_.tolist()
        ['ann', 'bob', 'cy', 'dee']
        """
        return self._add("user", X, y)

    def add_items(self, X: Any, y: ArrayLike | None = None) -> Self:
        """Take in items after training, each from all of its ratings; users stay as they are.

        As `add_users`, with users and items exchanged.

        Parameters
        ----------
        X, y
            Ratings, in any form `fit` takes. Those by unknown users are left out.
        """
        return self._add("item", X, y)

    def _add(self, side: str, X: Any, y: ArrayLike | None) -> Self:
        fitted = self._require()
        settings = check_settings(self.get_params(), fitted.seed)
        ratings, columns = read_further(
            X, y, fitted.user_index, fitted.item_index,
            dtype=fitted.factors.user_factors.dtype, names=self._checked_columns(),
            new_users=side == "user", new_items=side == "item",
        )  # fmt: skip
        warn_unknown(
            (columns.users, ratings.users), (columns.items, ratings.items), IN_RATINGS, stacklevel=3
        )
        self._fitted = fold_in.add(fitted, ratings, side, settings)
        return self

    def remove_users(self, users: ArrayLike) -> Self:
        """Forget users: their ids, factors, biases and seen items.

        The rows of the others move up. What items have learnt from their ratings is not undone;
        `fit` without them does that.

        Parameters
        ----------
        users
            Their ids, shape (n,), or one id.

        Returns
        -------
        MatrixFactorization
            This model.

        Raises
        ------
        ValueError
            If one is unknown; then nobody is forgotten.
        TypeError
            If the ids are of another type than in training.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((["a", "b"], [7, 8], [5, 3]))
        >>> model.remove_users(["a"]).users_.tolist()
        ['b']
        """
        fitted = self._require()
        column = read_ids(as_column(users), "users")  # None is not everybody here
        rows = look_up(fitted.user_index, column, "users")
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            name = show(column.values[unknown[0]])
            raise ValueError(
                f"users[{unknown[0]}] is {name}, whom the model does not know; nobody was removed"
            )
        self._fitted = fold_in.remove_users(fitted, rows)
        return self
