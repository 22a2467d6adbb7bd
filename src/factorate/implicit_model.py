"""ImplicitModel: the methods of models of implicit feedback."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from factorate._fitted.implicit_state import ImplicitState
from factorate._fitted.implicit_update import (
    add_interactions,
    partial_fit_implicit,
    user_of_interactions,
)
from factorate._input.interactions import read_further_interactions, read_interactions_of_one
from factorate._input.unknown_ids import IMPLICIT_MODEL, Policy, warn_unknown
from factorate._input.wide import as_wide
from factorate._serving import predictions, recommend
from factorate._training.factors import NO_ROWS
from factorate._training.implicit_settings import check_implicit_settings
from factorate._utils import sklearn_protocol
from factorate._utils.writer_lock import writer_lock
from factorate.base import FactorModel
from factorate.metrics.model_ranking import ranking
from factorate.metrics.validation_ndcg import make_validator

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from factorate._fitted.seen import Seen
    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._utils.types import Floats, Rows

    Found = tuple[NDArray[Any], Floats]


class ImplicitModel(FactorModel):
    """Base class of the models of implicit feedback, which hold an `ImplicitState`."""

    _fitted: ImplicitState

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn."""
        non_deterministic = getattr(self, "random_state", None) is None
        return sklearn_protocol.recommender_tags(non_deterministic=non_deterministic)

    def _require(self) -> ImplicitState:
        fitted = super()._require()
        assert isinstance(fitted, ImplicitState)  # noqa: S101  (for the type checker)
        return fitted

    @property
    def unobserved_weight_(self) -> float:
        """Weight α₀ of each pair of user and item in training.

        Returns
        -------
        float
            `unobserved_weight`, or its default for the training interactions.
        """
        return self._require().unobserved_weight

    @property
    def mean_weight_(self) -> float:
        """Mean weight w̄ of the interactions in training.

        Returns
        -------
        float
            1 without counts.
        """
        return self._require().mean_weight

    # Scores

    def predict(self, X: Any, *, unknown: Policy = "warn") -> Floats:
        """Compute the scores of pairs of user and item. A score is not a rating.

        Scores order the items for a user: the higher, the better. Most are between 0, the target of
        pairs without an interaction, and 1, that of observed pairs; they are neither probabilities
        nor on the scale of any rating or count.

        Parameters
        ----------
        X : array-like of shape (n, 2), tuple, DataFrame, path or sparse matrix
            Pairs: an array, a tuple (users, items) of arrays, a DataFrame, the path of a file, or a
            sparse matrix whose stored entries are the pairs.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items: warn, ignore them or raise an error.

        Returns
        -------
        ndarray of shape (n,)
            Scores, p_u · q_i. An unknown user has the mean of the factors of all users, so its
            scores are the mean scores; an unknown item has the score 0.

        Raises
        ------
        TypeError, ValueError
            If `X` is not pairs, or ids are of another type than in training.
        UnknownIdError
            If users or items are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If users or items were not in the training interactions.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items = [1, 1, 2, 2, 3], ["tea", "jam", "tea", "jam", "rye"]
        >>> model = ft.ImplicitMatrixFactorization(2, random_state=0).fit((users, items))
        >>> tea, rye = model.predict(([1, 1], ["tea", "rye"]))
        >>> bool(tea > rye)
        True
        """
        return predictions.predict(
            self._require(),
            X,
            columns=self._checked_columns(),
            unknown=unknown,
            n_threads=self.n_threads,
        )

    def evaluate(
        self,
        X: Any,
        n: int = 10,
        *,
        fold_in: Any = None,
        wide: bool = False,
        unknown: Policy = "warn",
        popular: bool = False,
        auc: bool = False,
    ) -> dict[str, float]:
        """Evaluate recommendations on held-out interactions, as `factorate.metrics.ranking` does.

        Each user gets a list of the `n` best of all items, without those of the interactions of the
        user in training.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix or array-like
            Interactions that were not used in training, in any form that `fit` accepts; counts are
            not used.
        n : int, default=10
            Length of the lists.
        fold_in : interactions, default=None
            Interactions of users who are added with `add_users` to a copy of the model before the
            evaluation; the model does not change. Their other interactions are in `X`. This
            measures the recommendations for users who were not there in training.
        wide : bool, default=False
            Whether `X` and `fold_in` are tables of users × items, as for `fit`.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users: warn, ignore them or raise an error.
        popular : bool, default=False
            Whether to compare the lists with those of the most popular items.
        auc : bool, default=False
            Whether to compute the AUC also, which takes more time.

        Returns
        -------
        dict of str to float
            "precision", "recall", "capped_recall", "ndcg", "map", "hit_rate", "auc" if `auc`,
            "coverage", "n_users" and "n_seen", and with `popular` the same metrics of the most
            popular items as "popular_precision" and so on; see `factorate.metrics.ranking`. A
            metric is its expected value over all orders of items with equal scores.

        Raises
        ------
        TypeError, ValueError
            If the input is not interactions, ids are of another type than in training, or the model
            was fitted with ``keep_seen=False``.
        UnknownIdError
            If users are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If users were not in the training interactions.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items, _ = ft.datasets.synthetic(2200, 100, 50)
        >>> model = ft.ImplicitMatrixFactorization(4, random_state=0)
        >>> found = model.fit((users[:2000], items[:2000])).evaluate((users[2000:], items[2000:]))
        >>> 0 < found["ndcg"] < 1
        True
        """
        return ranking(
            self, X, n, fold_in=fold_in, wide=wide, unknown=unknown, popular=popular, auc=auc
        )

    def score(self, X: Any, y: object = None) -> float:  # noqa: ARG002
        """Compute the NDCG at 10 on held-out interactions, for the tools of scikit-learn.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix or array-like
            Interactions that were not used in training, in any form that `fit` accepts.
        y : object, default=None
            Not used, present by convention.

        Returns
        -------
        float
            From 0 to 1; see `evaluate`.

        Raises
        ------
        TypeError, ValueError
            If the input is not interactions, ids are of another type than in training, or the model
            was fitted with ``keep_seen=False``.
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If users were not in the training interactions.
        """
        return ranking(self, X)["ndcg"]

    @overload
    def recommend_for(
        self,
        interactions: Any,
        n: int = 10,
        *,
        as_lists: Literal[False] = False,
        unknown: Policy = "warn",
    ) -> Found: ...
    @overload
    def recommend_for(
        self, interactions: Any, n: int = 10, *, as_lists: bool, unknown: Policy = "warn"
    ) -> Any: ...
    def recommend_for(
        self, interactions: Any, n: int = 10, *, as_lists: bool = False, unknown: Policy = "warn"
    ) -> Any:
        """Recommend items to an unknown user by its interactions, without changing the model.

        The recommendations equal those of `recommend` after `add_users`. Without interactions with
        known items, they are those for an unknown user: the items with the best mean scores.

        Parameters
        ----------
        interactions : array-like, set, dict or tuple of array-like
            All interactions of one user: items, a mapping from item to count, or a tuple (items,
            counts). Those with unknown items are left out.
        n : int, default=10
            Number of items.
        as_lists : bool, default=False
            Whether to return Python values without empty entries: ``[(item, score), ...]``.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown items: warn, ignore them or raise an error.

        Returns
        -------
        items : ndarray of shape (n,)
            Ids, best first, without those of the interactions.
        scores : ndarray of shape (n,)
            Scores; see `recommend`.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, or ids are of another type than in training.
        UnknownIdError
            If items are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If items are unknown.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items = ["ann", "ann", "bob", "cy"], ["tea", "jam", "tea", "rye"]
        >>> model = ft.ImplicitMatrixFactorization(2, random_state=0).fit((users, items))
        >>> items, scores = model.recommend_for(["tea"], n=1)
        >>> items.tolist()
        ['jam']
        """
        fitted = self._require()
        rows, counts, items = read_interactions_of_one(
            interactions, fitted.item_index, dtype=self._dtype(fitted)
        )
        given = items, rows
        consequence = IMPLICIT_MODEL.in_training
        warn_unknown((None, NO_ROWS), given, consequence, stacklevel=2, policy=unknown)
        user = user_of_interactions(fitted, rows, counts, self._settings(fitted))
        return recommend.recommend(user, 0, n, as_lists=as_lists, n_threads=self.n_threads)

    # Adding

    def add_users(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        wide: bool = False,
        unknown: Policy = "warn",
    ) -> Self:
        """Add users after training, each from all of their interactions; items do not change.

        The factors of a user minimize the terms of the objective that depend on them, exactly.

        The rows of new users follow those of the others. The interactions of a user that the model
        already has are replaced by these, so pass all of them; `partial_fit` adds to them.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix or array-like
            Interactions, in any form that `fit` accepts. Those with unknown items are left out. The
            rows of a matrix are the users 0, 1, …; to add users with other ids, pass a tuple.
        y : array-like of shape (n,), default=None
            Counts or weights of the pairs `X`.
        wide : bool, default=False
            Whether `X` is a table of users × items, as for `fit`.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown items: warn, ignore them or raise an error.

        Returns
        -------
        FactorModel
            This model. Other threads may read it during the call, and see the old model until the
            call ends; those that change it wait.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError
            If the input is not interactions, or ids are of another type than in training; the model
            does not change.
        UnknownIdError
            If items are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If items are unknown.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items = ["ann", "ann", "bob", "cy"], ["tea", "jam", "tea", "jam"]
        >>> model = ft.ImplicitMatrixFactorization(2, random_state=0).fit((users, items))
        >>> model.add_users((["dee", "dee"], ["tea", "jam"])).users_.tolist()
        ['ann', 'bob', 'cy', 'dee']
        """
        return self._add("user", as_wide(X, wide), y, unknown)

    def add_items(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        wide: bool = False,
        unknown: Policy = "warn",
    ) -> Self:
        """Add items after training, each from all of its interactions; users do not change.

        This is `add_users` with users and items exchanged, and minimizes the same objective.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix or array-like
            Interactions, in any form that `fit` accepts. Those of unknown users are left out. The
            columns of a matrix are the items 0, 1, …; to add items with other ids, pass a tuple.
        y : array-like of shape (n,), default=None
            Counts or weights of the pairs `X`.
        wide : bool, default=False
            Whether `X` is a table of users × items, as for `fit`.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users: warn, ignore them or raise an error.

        Returns
        -------
        FactorModel
            This model. Other threads may read it during the call, and see the old model until the
            call ends; those that change it wait.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError
            If the input is not interactions, or ids are of another type than in training; the model
            does not change.
        UnknownIdError
            If users are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If users are unknown.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items = ["ann", "ann", "bob", "cy"], ["tea", "jam", "tea", "jam"]
        >>> model = ft.ImplicitMatrixFactorization(2, random_state=0).fit((users, items))
        >>> model.add_items((["ann", "bob"], ["rye", "rye"])).items_.tolist()
        ['jam', 'tea', 'rye']
        """
        return self._add("item", as_wide(X, wide), y, unknown)

    def _add(
        self, side: Literal["user", "item"], X: Any, y: ArrayLike | None, unknown: Policy
    ) -> Self:
        with writer_lock(self):
            fitted = self._require()
            given, columns = read_further_interactions(
                X,
                y,
                (fitted.user_index, fitted.item_index),
                dtype=self._dtype(fitted),
                names=self._checked_columns(),
                may_grow=(side == "user", side == "item"),
            )
            users = columns.user_ids, given.user_rows
            items = columns.item_ids, given.item_rows
            consequence = IMPLICIT_MODEL.in_training
            warn_unknown(users, items, consequence, stacklevel=3, policy=unknown)
            self._fitted = add_interactions(fitted, given, side, self._settings(fitted))
        return self

    def _update(self, X: Any, y: ArrayLike | None) -> None:
        """Update the fitted state by more interactions, for `partial_fit`."""
        fitted = self._require()
        indexes, dtype = (fitted.user_index, fitted.item_index), self._dtype(fitted)
        given, _ = read_further_interactions(
            X, y, indexes, dtype=dtype, names=self._checked_columns()
        )
        self._fitted = partial_fit_implicit(fitted, given, self._settings(fitted))

    def _make_validator(
        self, seen: Seen, users: Rows, items: Rows
    ) -> Callable[[Floats, Floats], float]:
        """Return a function that computes the NDCG of factors on validation interactions."""
        return make_validator(seen, users, items, self.n_threads)

    def _settings(self, fitted: ImplicitState) -> ImplicitSettings:
        """Return the settings, with the number of factors and the dtype of the fit."""
        P, parameters = fitted.factors.user_factors, self._training_parameters()
        fixed = {"n_factors": P.shape[1], "dtype": P.dtype}
        settings = check_implicit_settings({**parameters, **fixed}, fitted.seed)
        weight = settings.unobserved_weight
        if weight is None:  # the default, which may be above the maximum of the parameter
            weight = fitted.unobserved_weight
        als = replace(settings.als, unobserved_weight=weight, mean_weight=fitted.mean_weight)
        return replace(settings, als=als)

    def _dtype(self, fitted: ImplicitState) -> np.dtype[Any]:
        return fitted.factors.user_factors.dtype
