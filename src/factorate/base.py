"""FactorModel: the methods of every fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, overload

import numpy as np

from factorate import metrics
from factorate._fitted import model_file
from factorate._fitted.fold_in import add_rows
from factorate._fitted.remove_rows import remove_rows
from factorate._input.id_column import as_column, read_ids
from factorate._input.id_to_row import look_up
from factorate._input.ratings import read_further
from factorate._input.unknown_ids import IN_RATINGS, Policy, warn_unknown
from factorate._input.wide import as_wide
from factorate._serving import complete, groups, predictions, recommend, similar, vectors
from factorate._serving.probabilities import check_logistic, probabilities
from factorate._training.losses import TWO_VALUED
from factorate._training.settings import check_columns, check_settings, draw_seed
from factorate._utils import sklearn_protocol
from factorate._utils.available_if import available_if
from factorate._utils.validation import show
from factorate._utils.writer_lock import writer_lock
from factorate.exceptions import UnknownIdError, not_fitted
from factorate.metrics.baselines import baseline_errors

if TYPE_CHECKING:
    import inspect
    import os
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from factorate._fitted.fitted_state import FittedState
    from factorate._input.column_names import Names
    from factorate._serving.excluded_items import Exclude
    from factorate._utils.types import Floats, Rows

    Found = tuple[NDArray[Any], Floats]


def _has_probabilities(model: FactorModel) -> None:
    fitted: FittedState | None = vars(model).get("_fitted")
    check_logistic(fitted.rule.loss if fitted else getattr(model, "loss", "squared"))


class FactorModel(sklearn_protocol.Estimator):
    """Base class of the models: predictions, recommendations and storage of trained factors.

    As with any scikit-learn estimator, ``__init__`` stores its arguments unchanged as attributes of
    the same name. A fitted model holds a `FittedState` in ``_fitted``. Methods that change the
    model replace it in one assignment, so other threads can read the model meanwhile. They hold
    the `writer_lock` of the model, so that no change of another thread is lost.
    """

    _estimator_type = "regressor"
    _fitted: FittedState
    clip: bool
    columns: Names | None
    n_threads: int | None
    random_state: int | np.random.Generator | np.random.RandomState | None

    # Parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """Get the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Ignored, because no parameter is an estimator.

        Returns
        -------
        dict
            Parameters by name.

        Examples
        --------
        >>> import factorate as ft
        >>> ft.MatrixFactorization(n_factors=8).get_params()["n_factors"]
        8
        """
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this estimator; fitted attributes do not change.

        Parameters
        ----------
        **params : dict
            Values by name.

        Returns
        -------
        FactorModel
            This estimator.

        Raises
        ------
        ValueError
            If a name is not a parameter; then none is set.

        Examples
        --------
        >>> import factorate as ft
        >>> ft.MatrixFactorization().set_params(n_factors=8)
        MatrixFactorization(n_factors=8)
        """
        sklearn_protocol.set_params(self, params)
        return self

    def __repr__(self) -> str:
        """Show the parameters that differ from the defaults."""
        return sklearn_protocol.describe(self)

    def _repr_html_(self) -> str | None:
        """Show the model in a notebook, unless scikit-learn is set to show text."""
        if not sklearn_protocol.shows_html():
            return None
        from factorate._serving.html_repr import html_repr  # only notebooks need it

        changed = sklearn_protocol.changed_parameters(self)
        fitted: FittedState | None = vars(self).get("_fitted")
        return html_repr(type(self).__name__, self.get_params(), changed, fitted)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Show the same in notebooks that prefer this method, which scikit-learn also defines."""
        html = self._repr_html_()
        text = {"text/plain": repr(self)}
        return text if html is None else {**text, "text/html": html}

    def get_metadata_routing(self) -> Any:
        """Get the metadata routing of this estimator.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest
            Whether `fit`, `partial_fit` and `score` request ``sample_weight``.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        """
        return sklearn_protocol.metadata_request(self)

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

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether the model is fitted."""
        return "_fitted" in vars(self)

    @classmethod
    def _parameters(cls) -> Mapping[str, inspect.Parameter]:
        return sklearn_protocol.constructor_parameters(cls)

    def _training_parameters(self) -> dict[str, Any]:
        """Return the parameters of `MatrixFactorization` with which the model is trained."""
        return self.get_params()

    def _checked_columns(self) -> Names | None:
        return check_columns(self.columns)

    # Fitted attributes

    def _require(self) -> FittedState:
        fitted: FittedState | None = vars(self).get("_fitted")
        if fitted is None:
            raise not_fitted(type(self).__name__)
        return fitted

    @property
    def user_factors_(self) -> Floats:
        """User factors P.

        Returns
        -------
        ndarray of shape (n_users, n_factors)
            One row for each of `users_`, read-only. With SVD++ terms, these are included.
        """
        return self._require().factors.user_factors

    @property
    def item_factors_(self) -> Floats:
        """Item factors Q.

        Returns
        -------
        ndarray of shape (n_items, n_factors)
            One row for each of `items_`, read-only.
        """
        return self._require().factors.item_factors

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
    def users_(self) -> NDArray[Any]:
        """User ids, in the order of their rows.

        Returns
        -------
        ndarray of shape (n_users,)
            Those of the training ratings, sorted, followed by those added later; read-only.
        """
        return self._require().user_index.ids

    @property
    def items_(self) -> NDArray[Any]:
        """Item ids, in the order of their rows.

        Returns
        -------
        ndarray of shape (n_items,)
            Those of the training ratings, sorted, followed by those added later; read-only.
        """
        return self._require().item_index.ids

    @property
    def id_kinds_(self) -> tuple[str, str]:
        """The kinds of the user ids and the item ids.

        Returns
        -------
        tuple of str
            A kind such as "integer" or "str" for users, and one for items.
        """
        fitted = self._require()
        return fitted.user_index.kind, fitted.item_index.kind

    @property
    def history_(self) -> dict[str, NDArray[Any]]:
        """The errors, learning rate and time of each epoch.

        Returns
        -------
        dict of str to ndarray of shape (n_epochs,)
            Columns by name, read-only.
        """
        return self._require().history

    @property
    def best_epoch_(self) -> int:
        """Number of the epoch whose factors the model has.

        Returns
        -------
        int
            The last epoch, unless training stopped early.
        """
        return self._require().best_epoch

    @property
    def n_epochs_(self) -> int:
        """Number of epochs trained.

        Returns
        -------
        int
            At most ``n_epochs``.
        """
        return len(self._require().history["epoch"])

    @property
    def n_features_in_(self) -> int:
        """Number of columns of the pairs that `predict` takes, for the tools of scikit-learn.

        Returns
        -------
        int
            Always 2, user and item, for ratings in any form.
        """
        self._require()
        return 2

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """The names of the columns of users and items.

        Returns
        -------
        ndarray of shape (2,), object
            Those of the DataFrame or file that the model was fitted on.

        Raises
        ------
        AttributeError
            If the ratings had another form, or the model was loaded from a file.
        """
        names = self._require().column_names
        if names is None or not all(isinstance(name, str) for name in names):
            raise AttributeError(
                "feature_names_in_ exists only after a fit to ratings with named columns"
            )
        return np.array(names, object)

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
        X : DataFrame, path, tuple, sparse matrix or array-like
            Ratings, in any form that `fit` accepts.
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
            If the input is not ratings, or ids are of another type than in training.
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

    def complete(
        self,
        users: ArrayLike | None = None,
        items: ArrayLike | None = None,
        *,
        unknown: Policy = "warn",
    ) -> Any:
        """Predict the ratings of all items by all users: the filled matrix.

        Parameters
        ----------
        users : array-like of shape (m,), default=None
            Ids of the users of the rows; None for all, in the order of `users_`.
        items : array-like of shape (n,), default=None
            Ids of the items of the columns; None for all, in the order of `items_`.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items: warn, ignore them or raise an error.

        Returns
        -------
        ndarray or DataFrame of shape (m, n)
            Predictions, equal to `predict` bit for bit. A DataFrame if the model was fitted on one:
            with pandas, users are the index and items the columns; with other libraries, users are
            a first column "user".

        Raises
        ------
        TypeError
            If ids are of another type than in training.
        ValueError
            If the matrix has more than 50 million cells and neither `users` nor `items` is given.
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
        >>> R, _, _ = ft.datasets.textbook()
        >>> ft.MatrixFactorization(3, random_state=0).fit(R).complete().shape
        (6, 4)
        """
        return complete.complete(self._require(), users, items, clip=self.clip, unknown=unknown)

    # Recommendations

    @overload
    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        exclude_seen: bool = True,
        items: ArrayLike | None = None,
        exclude: Exclude | None = None,
        *,
        as_frame: Literal[False] = False,
        as_lists: Literal[False] = False,
        unknown: Policy = "warn",
    ) -> Found: ...
    @overload
    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        exclude_seen: bool = True,
        items: ArrayLike | None = None,
        exclude: Exclude | None = None,
        *,
        as_frame: bool = False,
        as_lists: bool = False,
        unknown: Policy = "warn",
    ) -> Any: ...
    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        exclude_seen: bool = True,
        items: ArrayLike | None = None,
        exclude: Exclude | None = None,
        *,
        as_frame: bool = False,
        as_lists: bool = False,
        unknown: Policy = "warn",
    ) -> Any:
        """Recommend the items with the highest predicted ratings.

        Parameters
        ----------
        users : array-like of shape (m,) or id, default=None
            Ids of users, or one id; None for all, in the order of `users_`. For an unknown user,
            items are ranked by μ + b_i.
        n : int, default=10
            Number of items for each user.
        exclude_seen : bool, default=True
            Whether to leave out the items that a user rated in training.
        items : array-like, default=None
            Ids of the items to choose from, for all users; None for all items. Unknown items are
            left out.
        exclude : array-like, set or mapping, default=None
            Ids of items to leave out for all users, or a mapping from user to the ids of items to
            leave out for that user. Unknown items have no effect.
        as_frame : bool, default=False
            Whether to return a DataFrame with columns "user", "item" and "score", of the library of
            the training ratings, or else of the first of pandas, polars and pyarrow that is
            installed.
        as_lists : bool, default=False
            Whether to return Python values without empty entries, as JSON needs them:
            ``{user: [(item, score), ...]}``, or the list for one user.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items: warn, ignore them or raise an error.

        Returns
        -------
        items : ndarray of shape (m, n), or (n,) for one user
            Ids, best first; equal scores are in the order of `items_`.
        scores : ndarray of shape (m, n), or (n,) for one user
            Predictions, equal to those of `predict` with ``clip=False`` bit for bit. Where fewer
            than n items remain, scores are NaN and ids are None, NaT, False, −1, or 0 for an
            unsigned type. A DataFrame and lists have no empty entries.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, or `exclude_seen` is True and the model was fitted with
            ``keep_seen=False``.
        ImportError
            If `as_frame` is True and no library of DataFrames is installed.
        UnknownIdError
            If users or items are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If users or items were not in the training ratings.

        Notes
        -----
        The result for a user depends neither on the number of threads nor on the other users. For
        many users, memory is that of the result and of one copy of the factors of the items; the
        matrix of all scores is never made.

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
        >>> lists = model.recommend(["ann", "bob"], as_lists=True)
        >>> lists["ann"], [item for item, score in lists["bob"]]
        ([], ['jam'])
        """
        return recommend.recommend(
            self._require(),
            users,
            n,
            exclude_seen=exclude_seen,
            items=items,
            exclude=exclude,
            as_frame=as_frame,
            as_lists=as_lists,
            unknown=unknown,
            n_threads=self.n_threads,
        )

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

    # Neighbours and groups

    @overload
    def similar_users(
        self,
        users: Any = None,
        n: int = 10,
        *,
        as_frame: Literal[False] = False,
        as_lists: Literal[False] = False,
        unknown: Policy = "warn",
    ) -> Found: ...
    @overload
    def similar_users(
        self,
        users: Any = None,
        n: int = 10,
        *,
        as_frame: bool = False,
        as_lists: bool = False,
        unknown: Policy = "warn",
    ) -> Any: ...
    def similar_users(
        self,
        users: Any = None,
        n: int = 10,
        *,
        as_frame: bool = False,
        as_lists: bool = False,
        unknown: Policy = "warn",
    ) -> Any:
        """Find the users whose factors have the largest cosine with those of a user.

        Parameters
        ----------
        users : array-like of shape (m,) or id, default=None
            Ids of users, or one id; None for all, in the order of `users_`. An unknown user has no
            neighbours.
        n : int, default=10
            Number of neighbours of each user.
        as_frame : bool, default=False
            Whether to return a DataFrame with columns "user", "similar_user" and "score"; see
            `recommend`.
        as_lists : bool, default=False
            Whether to return Python values without empty entries:
            ``{user: [(similar_user, score), ...]}``, or the list for one user.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users: warn, ignore them or raise an error.

        Returns
        -------
        users : ndarray of shape (m, n), or (n,) for one user
            Ids of the neighbours, largest cosine first, without the user itself.
        scores : ndarray of shape (m, n), or (n,) for one user
            Cosines, from −1 to 1; 0 where the factors of a user are all 0. Empty entries are as in
            `recommend`.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, ids are of another type than in training, or the model has no
            factors.
        ImportError
            If `as_frame` is True and no library of DataFrames is installed.
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
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> users, cosines = model.similar_users([0, 1], n=3)
        >>> users.shape
        (2, 3)
        """
        return similar.similar(
            self._require(),
            "user",
            users,
            n,
            as_frame=as_frame,
            as_lists=as_lists,
            unknown=unknown,
            n_threads=self.n_threads,
        )

    @overload
    def similar_items(
        self,
        items: Any = None,
        n: int = 10,
        *,
        as_frame: Literal[False] = False,
        as_lists: Literal[False] = False,
        unknown: Policy = "warn",
    ) -> Found: ...
    @overload
    def similar_items(
        self,
        items: Any = None,
        n: int = 10,
        *,
        as_frame: bool = False,
        as_lists: bool = False,
        unknown: Policy = "warn",
    ) -> Any: ...
    def similar_items(
        self,
        items: Any = None,
        n: int = 10,
        *,
        as_frame: bool = False,
        as_lists: bool = False,
        unknown: Policy = "warn",
    ) -> Any:
        """Find the items whose factors have the largest cosine with those of an item.

        Parameters
        ----------
        items : array-like of shape (m,) or id, default=None
            Ids of items, or one id; None for all, in the order of `items_`. An unknown item has no
            neighbours.
        n : int, default=10
            Number of neighbours of each item.
        as_frame : bool, default=False
            Whether to return a DataFrame with columns "item", "similar_item" and "score"; see
            `recommend`.
        as_lists : bool, default=False
            Whether to return Python values without empty entries:
            ``{item: [(similar_item, score), ...]}``, or the list for one item.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown items: warn, ignore them or raise an error.

        Returns
        -------
        items : ndarray of shape (m, n), or (n,) for one item
            Ids of the neighbours, largest cosine first, without the item itself.
        scores : ndarray of shape (m, n), or (n,) for one item
            Cosines, from −1 to 1; 0 where the factors of an item are all 0. Empty entries are as in
            `recommend`.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, ids are of another type than in training, or the model has no
            factors.
        ImportError
            If `as_frame` is True and no library of DataFrames is installed.
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
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> items, cosines = model.similar_items(0, n=2)
        >>> items.shape, bool(cosines[0] >= cosines[1])
        ((2,), True)
        """
        return similar.similar(
            self._require(),
            "item",
            items,
            n,
            as_frame=as_frame,
            as_lists=as_lists,
            unknown=unknown,
            n_threads=self.n_threads,
        )

    def group_users(self, n_groups: int) -> Rows:
        """Divide the users into groups with similar factors, by scikit-learn's KMeans.

        Parameters
        ----------
        n_groups : int
            Number of groups, at most the number of users.

        Returns
        -------
        ndarray of shape (n_users,), int32
            The group of each of `users_`, from 0 to n_groups − 1. It depends on `random_state`.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        TypeError, ValueError
            If `n_groups` is not an integer in its range, or the model has no users or factors.
        NotFittedError
            If the model is not fitted.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> sorted(set(model.group_users(2).tolist()))
        [0, 1]
        """
        factors = self.user_factors_
        if not len(factors):
            raise ValueError("the model has no users to group; all were removed")
        return groups.group(factors, n_groups, draw_seed(self.random_state))

    def group_items(self, n_groups: int) -> Rows:
        """Divide the items into groups with similar factors, by scikit-learn's KMeans.

        Parameters
        ----------
        n_groups : int
            Number of groups, at most the number of items.

        Returns
        -------
        ndarray of shape (n_items,), int32
            The group of each of `items_`, from 0 to n_groups − 1. It depends on `random_state`.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        TypeError, ValueError
            If `n_groups` is not an integer in its range, or the model has no items or factors.
        NotFittedError
            If the model is not fitted.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> sorted(set(model.group_items(2).tolist()))
        [0, 1]
        """
        factors = self.item_factors_
        if not len(factors):
            raise ValueError("the model has no items to group; all were removed")
        return groups.group(factors, n_groups, draw_seed(self.random_state))

    # Vectors

    def user_vectors(self, augmented: bool = False) -> Floats:
        """Return a vector for each of `users_`, to query an index of `item_vectors`.

        Parameters
        ----------
        augmented : bool, default=False
            Whether to return (p_u, 1, μ + b_u) instead of the factors p_u.

        Returns
        -------
        ndarray of shape (n_users, n_factors), or (n_users, n_factors + 2) if augmented
            One row for each user.

        Raises
        ------
        TypeError
            If `augmented` is not True or False.
        NotFittedError
            If the model is not fitted.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> model.user_vectors(augmented=True).shape
        (6, 5)
        """
        return vectors.user_vectors(self._require().factors, augmented)

    def item_vectors(self, augmented: bool = False) -> Floats:
        """Return a vector for each of `items_`, for an index of nearest neighbours.

        Parameters
        ----------
        augmented : bool, default=False
            Whether to return (q_i, b_i, 1) instead of the factors q_i. The inner product with a row
            of ``user_vectors(augmented=True)`` is the prediction, biases included.

        Returns
        -------
        ndarray of shape (n_items, n_factors), or (n_items, n_factors + 2) if augmented
            One row for each item.

        Raises
        ------
        TypeError
            If `augmented` is not True or False.
        NotFittedError
            If the model is not fitted.

        Examples
        --------
        >>> import factorate as ft, numpy as np
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> scores = model.user_vectors(augmented=True) @ model.item_vectors(augmented=True).T
        >>> bool(np.allclose(scores, model.complete(), rtol=1e-5))
        True
        """
        return vectors.item_vectors(self._require().factors, augmented)

    # Adding and removing

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
            warn_unknown(users, items, IN_RATINGS, stacklevel=3, policy=unknown)
            self._fitted = add_rows(fitted, ratings, side, settings)
        return self

    def remove_users(self, users: ArrayLike) -> Self:
        """Remove users: their ids, factors, biases and seen items.

        The rows of the other users move up. Factors and biases of the items do not change, although
        the ratings of the removed users contributed to them; to exclude these ratings, call `fit`
        without them.

        Parameters
        ----------
        users : array-like of shape (n,) or id
            Ids of the users.

        Returns
        -------
        FactorModel
            This model.

        Raises
        ------
        UnknownIdError
            If a user is unknown; the model does not change.
        TypeError, ValueError
            If the input is not ids, or ids are of another type than in training.
        NotFittedError
            If the model is not fitted.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((["a", "b"], [7, 8], [5, 3]))
        >>> model.remove_users(["a"]).users_.tolist()
        ['b']
        """
        return self._remove("user", users)

    def remove_items(self, items: ArrayLike) -> Self:
        """Remove items: their ids, factors, biases and SVD++ terms, also from the seen items.

        The rows of the other items move up. Factors and biases of the users do not change, although
        the ratings of the removed items contributed to them; to exclude these ratings, call `fit`
        without them.

        Parameters
        ----------
        items : array-like of shape (n,) or id
            Ids of the items.

        Returns
        -------
        FactorModel
            This model.

        Raises
        ------
        UnknownIdError
            If an item is unknown; the model does not change.
        TypeError, ValueError
            If the input is not ids, or ids are of another type than in training.
        NotFittedError
            If the model is not fitted.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((["a", "b"], [7, 8], [5, 3]))
        >>> model.remove_items([7]).items_.tolist()
        [8]
        """
        return self._remove("item", items)

    def _remove(self, side: Literal["user", "item"], ids: ArrayLike) -> Self:
        with writer_lock(self):
            fitted = self._require()
            index = fitted.user_index if side == "user" else fitted.item_index
            column = read_ids(as_column(ids), f"{side}s")  # unlike `rows_of`, for which None is all
            rows = look_up(index, column, f"{side}s")
            unknown = np.flatnonzero(rows < 0)
            if len(unknown):
                raise UnknownIdError(
                    f"{side}s[{unknown[0]}] is {show(column.values[unknown[0]])}, which is not "
                    f"{'a user' if side == 'user' else 'an item'} of the model; no {side} was "
                    f"removed"
                )
            self._fitted = remove_rows(fitted, side, rows)
        return self

    # Files

    def save(self, path: str | os.PathLike[str], dtype: str | None = None) -> None:
        """Write the model to one ``.npz`` file without pickles.

        Parameters
        ----------
        path : str or path-like
            Path of the file. An existing file is replaced when the new one is complete, and keeps
            its permissions, and its owner where the process may set it. A symbolic link stays, and
            the file that it leads to is replaced; a device or FIFO is written to. A process that is
            killed while saving can leave a file ``.NAME.…`` beside it, which can be deleted.
        dtype : {"float32", "float16"}, default=None
            Type of the factors and biases in the file; None for that of the model. float16 takes
            half the memory of float32 and keeps three decimal digits, an error of up to 0.05 %;
            it is loaded as float32.

        Raises
        ------
        OSError
            If the file cannot be written, or is a folder; an existing file does not change. On
            Windows, this includes an existing file that a model is mapped from.
        TypeError
            If a parameter has a value that a file cannot hold.
        ValueError
            If `columns` is invalid, `dtype` is not one of the values above, or the factors are
            outside its range.
        NotFittedError
            If the model is not fitted.

        See Also
        --------
        factorate.load : Read a model from a file.

        Examples
        --------
        >>> import factorate as ft, tempfile, pathlib
        >>> model = ft.MatrixFactorization(2, random_state=0).fit(ft.datasets.textbook()[0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(pathlib.Path(folder, "model.npz"))
        """
        fitted = self._require()
        self._checked_columns()  # `load` would report invalid columns as a damaged file
        parameters = self._training_parameters()
        if not isinstance(parameters["random_state"], int | np.integer | None):
            parameters["random_state"] = None  # the state of a generator is not a parameter
        model_file.save(path, parameters, fitted, dtype)
