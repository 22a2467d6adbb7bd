"""RatingModel: the methods of models of ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, overload

import numpy as np

from factorate import metrics
from factorate._fitted.fold_in import add_rows
from factorate._fitted.rating_state import RatingState
from factorate._input.ratings import read_further
from factorate._input.unknown_ids import RATINGS_MODEL, Policy, warn_unknown
from factorate._input.wide import as_wide
from factorate._serving import predictions, recommend
from factorate._serving.probabilities import check_logistic, probabilities
from factorate._serving.stored_errors import stored_errors
from factorate._training.losses import TWO_VALUED
from factorate._training.settings import check_settings
from factorate._utils import sklearn_protocol
from factorate._utils.available_if import available_if
from factorate._utils.writer_lock import writer_lock
from factorate.base import FactorModel
from factorate.metrics.baselines import baseline_errors
from factorate.rating_store import RatingStore

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from factorate._utils.types import Floats

    Found = tuple[NDArray[Any], Floats]


def _has_probabilities(model: RatingModel) -> None:
    fitted: RatingState | None = vars(model).get("_fitted")
    check_logistic(fitted.rule.loss if fitted else getattr(model, "loss", "squared"))


class RatingModel(FactorModel):
    """Base class of the models of ratings, which hold a `RatingState`."""

    _estimator_type = "regressor"
    _fitted: RatingState
    _weighted_methods: ClassVar[tuple[str, ...]] = ("fit", "partial_fit", "score")

    def set_fit_request(self, *, sample_weight: bool | str | None) -> Self:
        """Set whether meta-estimators of scikit-learn pass ``sample_weight`` to `fit`.

        This only has an effect after ``sklearn.set_config(enable_metadata_routing=True)``.

        Parameters
        ----------
        sample_weight : bool, str or None
            True to pass it, False not to pass it, None to raise an error if it is given, or the
            name under which it is given.

        Returns
        -------
        FactorModel
            This estimator.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        """
        sklearn_protocol.request_weights(self, "fit", sample_weight)
        return self

    def set_partial_fit_request(self, *, sample_weight: bool | str | None) -> Self:
        """Set whether meta-estimators of scikit-learn pass ``sample_weight`` to `partial_fit`.

        This only has an effect after ``sklearn.set_config(enable_metadata_routing=True)``.

        Parameters
        ----------
        sample_weight : bool, str or None
            True to pass it, False not to pass it, None to raise an error if it is given, or the
            name under which it is given.

        Returns
        -------
        FactorModel
            This estimator.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        """
        sklearn_protocol.request_weights(self, "partial_fit", sample_weight)
        return self

    def set_score_request(self, *, sample_weight: bool | str | None) -> Self:
        """Set whether meta-estimators of scikit-learn pass ``sample_weight`` to `score`.

        This only has an effect after ``sklearn.set_config(enable_metadata_routing=True)``.

        Parameters
        ----------
        sample_weight : bool, str or None
            True to pass it, False not to pass it, None to raise an error if it is given, or the
            name under which it is given.

        Returns
        -------
        FactorModel
            This estimator.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        """
        sklearn_protocol.request_weights(self, "score", sample_weight)
        return self

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn."""
        non_deterministic = getattr(self, "random_state", None) is None
        return sklearn_protocol.regressor_tags(non_deterministic=non_deterministic)

    def _require(self) -> RatingState:
        fitted = super()._require()
        assert isinstance(fitted, RatingState)  # noqa: S101  (for the type checker)
        return fitted

    # Fitted attributes

    @property
    def svdpp_factors_(self) -> Floats:
        """Item factors y of the SVD++ terms.

        Returns
        -------
        ndarray of shape (n_items, n_factors)
            One row for each of `items_`, read-only.

        Raises
        ------
        AttributeError
            If the model was fitted without SVD++ terms.
        """
        svdpp = self._require().factors.svdpp
        if svdpp is None:
            raise AttributeError("svdpp_factors_ exists only after a fit with svdpp=True")
        return svdpp

    @property
    def user_bias_(self) -> Floats:
        """User biases.

        Returns
        -------
        ndarray of shape (n_users,)
            One bias for each of `users_`, read-only.
        """
        return self._require().factors.user_bias

    @property
    def item_bias_(self) -> Floats:
        """Item biases.

        Returns
        -------
        ndarray of shape (n_items,)
            One bias for each of `items_`, read-only.
        """
        return self._require().factors.item_bias

    @property
    def global_mean_(self) -> float:
        """The centre μ of predictions.

        Returns
        -------
        float
            The mean of the training ratings, or the value described under `fit_mean`.
        """
        return self._require().factors.mean

    @property
    def classes_(self) -> Floats:
        """The two values of the ratings, the columns of `predict_proba`.

        Returns
        -------
        ndarray of shape (2,)
            The lower and the higher value.

        Raises
        ------
        AttributeError
            If the loss of the fit is not one for ratings of two values.
        """
        fitted = self._require()
        if fitted.rule.loss not in TWO_VALUED:
            raise AttributeError(
                f"classes_ exists only for ratings of two values; the loss is {fitted.rule.loss!r}"
            )
        return np.array(fitted.bounds)

    # Predictions

    def predict(self, X: Any, *, unknown: Policy = "warn") -> Floats:
        """Predict the ratings of pairs of user and item.

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
            Predicted ratings, μ + b_u + b_i + p_u·q_i. For an unknown user or item, its bias and
            factors are left out.

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
            If users or items were not in the training ratings.

        Examples
        --------
        >>> import factorate as ft
        >>> ratings = [1, 1, 2, 3], ["tea", "jam", "tea", "rye"], [5, 2, 4, 1]
        >>> model = ft.MatrixFactorization(2, n_epochs=500, shrinkage=0, random_state=0)
        >>> _ = model.fit(ratings)
        >>> model.predict(([1, 3], ["tea", "rye"])).round()
        array([5., 1.], dtype=float32)
        """
        return predictions.predict(
            self._require(),
            X,
            columns=self._checked_columns(),
            clip=self.clip,
            unknown=unknown,
            n_threads=self.n_threads,
        )

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any, *, unknown: Policy = "warn") -> Floats:
        """Predict the probabilities of the two values of the ratings; only with logistic loss.

        The logistic loss log(1 + exp(−m)) is the negative log-likelihood of ratings whose higher
        value has the probability 1 / (1 + exp(−m)) [1]_, where m is the distance of the prediction
        from the midpoint of both values, in units of half their distance. The hinge losses have no
        such likelihood, so they give no probabilities. `clip` does not apply.

        Parameters
        ----------
        X : array-like of shape (n, 2), tuple, DataFrame, path or sparse matrix
            Pairs in any form that `predict` accepts.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items: warn, ignore them or raise an error.

        Returns
        -------
        ndarray of shape (n, 2)
            Probabilities of the lower and of the higher value, in the order of `classes_`.

        Raises
        ------
        AttributeError
            If the loss is not "logistic"; ``hasattr`` is False then.
        TypeError, ValueError
            If `X` is not pairs, or ids are of another type than in training.
        UnknownIdError
            If users or items are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If users or items are unknown and `unknown` is "warn".

        References
        ----------
        .. [1] C. C. Johnson, "Logistic Matrix Factorization for Implicit Feedback Data", NIPS
           Workshop on Distributed Machine Learning and Matrix Computations, 2014, eq. 1.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items = [1, 1, 2, 2, 3], ["tea", "jam", "tea", "jam", "tea"]
        >>> model = ft.MatrixFactorization(2, loss="logistic", n_epochs=200, random_state=0)
        >>> model.fit((users, items, [1, 0, 1, 0, 1])).classes_
        array([0., 1.])
        >>> model.predict_proba(([3, 3], ["tea", "jam"])).argmax(axis=1)
        array([1, 0])
        """
        fitted = self._require()
        predicted = predictions.predict(
            fitted,
            X,
            columns=self._checked_columns(),
            n_threads=self.n_threads,
            unknown=unknown,
        )
        return probabilities(predicted, fitted.factors.mean, fitted.factors.scale)

    def evaluate(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        wide: bool = False,
        unknown: Policy = "warn",
        baselines: Any = None,
    ) -> dict[str, float]:
        """Compute the errors of the predictions of ratings.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix, array-like or RatingStore
            Ratings, in any form that `fit` accepts. Of a store, about a million are in memory at a
            time, and sums are rounded differently.
        y : array-like of shape (n,), default=None
            Ratings of the pairs in `X`; None if `X` contains the ratings.
        wide : bool, default=False
            Whether `X` is a table of users × items, as for `fit`.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items: warn, ignore them or raise an error.
        baselines : DataFrame, path, tuple, sparse matrix or array-like, default=None
            The training ratings, in any form that `fit` accepts (a table of users × items with
            ``wide=True``), or a tuple (X, y), to compare the model with predictions that need no
            factors; None for no comparison. The model itself does not store the values of its
            training ratings.

        Returns
        -------
        dict of str to float
            "rmse" and "mae", the root mean squared and the mean absolute error over all ratings,
            and "n_unknown", the number of ratings whose user or item is unknown. With `baselines`
            also "mean_rmse" and "mean_mae", the errors of the mean of the training ratings, and
            "biases_rmse" and "biases_mae", those of the mean plus the bias of the user and that of
            the item. These biases are fitted to the training ratings for this comparison, by
            alternating means of the residuals, damped by 5 ratings [1]_. They predict better than
            `user_bias_` and `item_bias_`, which were trained together with the factors. `clip`
            applies to them too.

        Raises
        ------
        TypeError, ValueError
            If the input is not ratings, or ids are of another type than in training; or if `y` or
            `baselines` are given with a store.
        UnknownIdError
            If users or items are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If users or items were not in the training ratings.

        References
        ----------
        .. [1] Y. Koren, "Factor in the Neighbors: Scalable and Accurate Collaborative Filtering",
           ACM TKDD 4(1), 2010, section 2.1.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items, ratings = ft.datasets.synthetic(20_000, 400, 200, n_factors=3)
        >>> training = users[:18_000], items[:18_000], ratings[:18_000]
        >>> test = users[18_000:], items[18_000:], ratings[18_000:]
        >>> model = ft.MatrixFactorization(8, random_state=0).fit(training)
        >>> list(model.evaluate(test))
        ['rmse', 'mae', 'n_unknown']
        >>> errors = model.evaluate(test, baselines=training)
        >>> errors["rmse"] < errors["biases_rmse"] < errors["mean_rmse"]
        True
        """
        fitted = self._require()
        if isinstance(X, RatingStore):
            if y is not None or baselines is not None or wide:
                raise ValueError(
                    "a RatingStore is evaluated without y, wide and baselines; for baselines, pass "
                    "ratings in memory"
                )
            return stored_errors(
                fitted, X._stored, clip=self.clip, unknown=unknown, n_threads=self.n_threads
            )
        compared = predictions.compare(
            fitted,
            as_wide(X, wide),
            y,
            columns=self._checked_columns(),
            clip=self.clip,
            unknown=unknown,
            n_threads=self.n_threads,
        )
        errors = {
            "rmse": metrics.rmse(compared.ratings, compared.predictions),
            "mae": metrics.mae(compared.ratings, compared.predictions),
            "n_unknown": compared.n_unknown,
        }
        if baselines is None:
            return errors
        if isinstance(baselines, bool):
            raise TypeError(f"baselines is {baselines}; expected the training ratings, or None")
        is_pair = isinstance(baselines, tuple) and len(baselines) == 2
        known, known_y = baselines if is_pair else (as_wide(baselines, wide), None)
        training, _ = read_further(
            known,
            known_y,
            fitted.user_index,
            fitted.item_index,
            dtype=np.dtype(np.float64),
            names=self._checked_columns(),
        )
        bounds = fitted.bounds if self.clip else None
        return errors | baseline_errors(training, compared, bounds)

    def score(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        wide: bool = False,
        unknown: Policy = "warn",
    ) -> float:
        """Compute the coefficient of determination R² of the predictions, as scikit-learn does.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix or array-like
            Ratings, in any form that `fit` accepts.
        y : array-like of shape (n,), default=None
            Ratings of the pairs in `X`; None if `X` contains the ratings.
        sample_weight : array-like of shape (n,), default=None
            Weights of the ratings, at least 0; None for equal weights.
        wide : bool, default=False
            Whether `X` is a table of users × items, as for `fit`.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items: warn, ignore them or raise an error.

        Returns
        -------
        float
            R²; 1 for exact predictions, 0 for predictions no better than the mean rating.

        Raises
        ------
        TypeError, ValueError
            If the input is not ratings, or ids are of another type than in training.
        UnknownIdError
            If users or items are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If users or items were not in the training ratings.

        Examples
        --------
        >>> import factorate as ft
        >>> ratings = ft.datasets.synthetic(2000, 100, 50)
        >>> ft.MatrixFactorization(2, random_state=0).fit(ratings).score(ratings) < 1
        True
        """
        compared = predictions.compare(
            self._require(),
            as_wide(X, wide),
            y,
            columns=self._checked_columns(),
            clip=self.clip,
            unknown=unknown,
            n_threads=self.n_threads,
        )
        return metrics.r2(compared.ratings, compared.predictions, sample_weight)

    @overload
    def recommend_for(
        self,
        ratings: Any,
        n: int = 10,
        *,
        as_lists: Literal[False] = False,
        unknown: Policy = "warn",
    ) -> Found: ...
    @overload
    def recommend_for(
        self, ratings: Any, n: int = 10, *, as_lists: bool, unknown: Policy = "warn"
    ) -> Any: ...
    def recommend_for(
        self, ratings: Any, n: int = 10, *, as_lists: bool = False, unknown: Policy = "warn"
    ) -> Any:
        """Recommend items to an unknown user by ratings, without changing the model.

        The recommendations equal those of `recommend` after `add_users`, which states the objective
        that the factors and bias of the user minimize.

        Parameters
        ----------
        ratings : dict or tuple of array-like
            All ratings of one user: a mapping from item to rating, or a tuple (items, ratings).
            A rating of an unknown item counts in the bias of the user only. Without ratings of
            known items, items are ranked by their bias.
        n : int, default=10
            Number of items.
        as_lists : bool, default=False
            Whether to return Python values without empty entries: ``[(item, score), ...]``.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown items: warn, ignore them or raise an error.

        Returns
        -------
        items : ndarray of shape (n,)
            Ids, best first, without the rated items.
        scores : ndarray of shape (n,)
            Predictions; see `recommend`.

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
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((users, items, [5, 2, 4, 1]))
        >>> items, scores = model.recommend_for({"tea": 5, "rye": 2}, n=1)
        >>> items.tolist()
        ['jam']
        """
        fitted = self._require()
        settings = check_settings(self._training_parameters(), fitted.seed)
        return recommend.recommend_for(
            fitted,
            ratings,
            n,
            settings=settings,
            as_lists=as_lists,
            unknown=unknown,
            n_threads=self.n_threads,
        )

    # Adding

    def add_users(
        self,
        X: Any,
        y: ArrayLike | None = None,
        *,
        wide: bool = False,
        unknown: Policy = "warn",
    ) -> Self:
        """Add users after training, each from all of their ratings; items do not change.

        Factors and bias of a user with n ratings minimize the terms of the training objective that
        depend on them, with the same shrinkage c::

            ½ Σ (r − r̂)² + ½ (λ n + c) (|p_u|² + b_u²)

        They do so exactly for the squared loss [1]_; approximately, by training on these ratings
        only, for other losses, with L1 regularization or with ``nonnegative=True``. The fewer
        ratings a user has, the closer its predictions are to those for an unknown user.

        The rows of new users follow those of the others. The factors of a user that the model
        already has are computed again from these ratings only, so pass all of them.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix or array-like
            Ratings, in any form that `fit` accepts. A rating of an unknown item counts in
            the bias of the user only, as if the factors and bias of the item were 0. The rows of a
            matrix are the users 0, 1, …; to add users with other ids, pass a tuple.
        y : array-like of shape (n,), default=None
            Ratings of the pairs in `X`; None if `X` contains the ratings.
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
            If the input is not ratings, or ids are of another type than in training; the model does
            not change.
        UnknownIdError
            If items are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If items are unknown.

        References
        ----------
        .. [1] Y. Zhou, D. Wilkinson, R. Schreiber and R. Pan, "Large-Scale Parallel Collaborative
           Filtering for the Netflix Prize", AAIM 2008, section 3.1.

        Examples
        --------
        >>> import factorate as ft
        >>> users, items = ["ann", "ann", "bob", "cy"], ["tea", "jam", "tea", "jam"]
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((users, items, [5, 2, 4, 1]))
        >>> model.add_users((["dee", "dee"], ["tea", "jam"], [4, 2])).users_.tolist()
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
        """Add items after training, each from all of its ratings; users do not change.

        This is `add_users` with users and items exchanged, and minimizes the same objective.

        Parameters
        ----------
        X : DataFrame, path, tuple, sparse matrix or array-like
            Ratings, in any form that `fit` accepts. A rating by an unknown user counts in
            the bias of the item only. The columns of a matrix are the items 0, 1, …; to add items
            with other ids, pass a tuple.
        y : array-like of shape (n,), default=None
            Ratings of the pairs in `X`; None if `X` contains the ratings.
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
            If the input is not ratings, or ids are of another type than in training; the model does
            not change.
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
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((users, items, [5, 2, 4, 1]))
        >>> model.add_items((["ann", "bob"], ["rye", "rye"], [4, 2])).items_.tolist()
        ['jam', 'tea', 'rye']
        """
        return self._add("item", as_wide(X, wide), y, unknown)

    def _add(
        self, side: Literal["user", "item"], X: Any, y: ArrayLike | None, unknown: Policy
    ) -> Self:
        with writer_lock(self):
            fitted = self._require()
            settings = check_settings(self._training_parameters(), fitted.seed)
            ratings, columns = read_further(
                X,
                y,
                fitted.user_index,
                fitted.item_index,
                dtype=fitted.factors.user_factors.dtype,
                names=self._checked_columns(),
                new_users=side == "user",
                new_items=side == "item",
            )
            users = columns.user_ids, ratings.user_rows
            items = columns.item_ids, ratings.item_rows
            warn_unknown(users, items, RATINGS_MODEL.in_training, stacklevel=3, policy=unknown)
            self._fitted = add_rows(fitted, ratings, side, settings)
        return self
