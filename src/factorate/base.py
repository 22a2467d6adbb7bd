"""FactorModel: what every fitted model can do."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import numpy as np

from factorate import metrics
from factorate._fitted.fold_in import add_rows, user_of_ratings
from factorate._fitted.remove_users import remove_users
from factorate._input.frames import matrix_frame
from factorate._input.id_columns import read_ids
from factorate._input.id_index import look_up
from factorate._input.id_queries import IN_PREDICTIONS, IN_RATINGS, as_column, rows_of, warn_unknown
from factorate._input.ratings import read_further, read_pairs, read_ratings_of_one, read_values
from factorate._serving import neighbours
from factorate._training import factors as factors_room
from factorate._training.settings import check_columns, check_settings, draw_seed
from factorate._utils.validation import check_flag, show
from factorate.exceptions import not_fitted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from factorate._fitted.fitted_state import FittedState
    from factorate._input.frames import Names
    from factorate._utils.types import Floats, Rows

    Found = tuple[NDArray[Any], Floats]

MAX_CELLS = 50_000_000
CELLS_AT_ONCE = 1 << 20
WEIGHTED = ("fit", "partial_fit", "score")


class FactorModel:
    """Base class of the models: predictions, recommendations, neighbours, users and items.

    Parameters are the arguments of ``__init__``, stored untouched under their names, as
    scikit-learn asks of its estimators.
    """

    _estimator_type = "regressor"
    _fitted: FittedState
    clip: bool
    columns: Names | None
    n_threads: int | None
    random_state: int | np.random.Generator | np.random.RandomState | None

    # Parameters, as scikit-learn's estimators have them

    @classmethod
    def _parameters(cls) -> dict[str, inspect.Parameter]:
        parameters = dict(inspect.signature(cls.__init__).parameters)
        del parameters["self"]
        return parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        """Return the parameters by name.

        Parameters
        ----------
        deep
            Ignored: there are no nested estimators.
        """
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; what was fitted stays.

        Raises
        ------
        ValueError
            If there is no such parameter; then none is set.
        """
        names = self._parameters()
        for name in params:
            if name not in names:
                raise ValueError(f"there is no parameter {name!r}; there are {', '.join(names)}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Show the parameters that differ from the defaults."""
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, parameter in self._parameters().items()
            if repr(getattr(self, name)) != repr(parameter.default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def get_metadata_routing(self) -> Any:
        """Say to scikit-learn which of `fit`, `partial_fit` and `score` take ``sample_weight``."""
        from sklearn.utils.metadata_routing import MetadataRequest

        if "_metadata_request" in vars(self):
            return self._metadata_request
        request = MetadataRequest(owner=self)
        for method in WEIGHTED:
            getattr(request, method).add_request(param="sample_weight", alias=None)
        return request

    def set_fit_request(self, *, sample_weight: bool | str | None) -> Self:
        """Choose whether scikit-learn's tools pass ``sample_weight`` on to `fit`.

        Parameters
        ----------
        sample_weight
            True, False, None for an error when there is one, or the name it is passed under. It
            counts where ``sklearn.set_config(enable_metadata_routing=True)`` was called.
        """
        return self._set_request("fit", sample_weight)

    def set_partial_fit_request(self, *, sample_weight: bool | str | None) -> Self:
        """Choose whether ``sample_weight`` is passed to `partial_fit`; see `set_fit_request`."""
        return self._set_request("partial_fit", sample_weight)

    def set_score_request(self, *, sample_weight: bool | str | None) -> Self:
        """Choose whether ``sample_weight`` is passed to `score`; see `set_fit_request`."""
        return self._set_request("score", sample_weight)

    def _set_request(self, method: str, chosen: bool | str | None) -> Self:
        request = self.get_metadata_routing()
        getattr(request, method).add_request(param="sample_weight", alias=chosen)
        self._metadata_request: Any = request  # scikit-learn's clone copies what has this name
        return self

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn."""
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=False),
            regressor_tags=RegressorTags(),
            input_tags=InputTags(string=True, categorical=True, sparse=True),
            non_deterministic=getattr(self, "random_state", None) is None,
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Say whether there are factors."""
        return "_fitted" in vars(self)

    def _checked_columns(self) -> Names | None:
        return check_columns(self.columns)

    # What was learnt

    def _require(self) -> FittedState:
        fitted: FittedState | None = vars(self).get("_fitted")
        if fitted is None:
            raise not_fitted(type(self).__name__)
        return fitted

    @property
    def user_factors_(self) -> Floats:
        """Rows of P, shape (n_users, K)."""
        return self._require().factors.user_factors

    @property
    def item_factors_(self) -> Floats:
        """Rows of Q, shape (n_items, K)."""
        return self._require().factors.item_factors

    @property
    def svdpp_factors_(self) -> Floats:
        """Rows y of the items, shape (n_items, K); AttributeError without SVD++ terms."""
        svdpp = self._require().factors.svdpp
        if svdpp is None:
            raise AttributeError("svdpp_factors_ are there after a fit with svdpp=True")
        return svdpp

    @property
    def user_bias_(self) -> Floats:
        """Biases of the users, shape (n_users,)."""
        return self._require().factors.user_bias

    @property
    def item_bias_(self) -> Floats:
        """Biases of the items, shape (n_items,)."""
        return self._require().factors.item_bias

    @property
    def global_mean_(self) -> float:
        """The centre μ of predictions; which it is, and when it is 0, `fit_mean` says."""
        return self._require().factors.mean

    @property
    def users_(self) -> NDArray[Any]:
        """Ids of the users, in the order of their rows."""
        return self._require().user_index.ids

    @property
    def items_(self) -> NDArray[Any]:
        """Ids of the items, in the order of their rows."""
        return self._require().item_index.ids

    @property
    def id_kinds_(self) -> tuple[str, str]:
        """Kinds of the ids of users and items, such as "integer" or "str"."""
        fitted = self._require()
        return fitted.user_index.kind, fitted.item_index.kind

    @property
    def history_(self) -> dict[str, NDArray[Any]]:
        """Columns, one entry an epoch."""
        return self._require().history

    @property
    def best_epoch_(self) -> int:
        """Number of the epoch whose factors these are."""
        return self._require().best_epoch

    @property
    def n_epochs_(self) -> int:
        """Number of epochs trained."""
        return len(self._require().history["epoch"])

    # Predictions

    def predict(self, X: Any) -> Floats:
        """Predict the ratings of pairs.

        Parameters
        ----------
        X
            Pairs of user and item: an array of shape (n, 2), a tuple (users, items), a DataFrame,
            the path of a file, or a sparse matrix whose stored entries are the pairs.

        Returns
        -------
        ndarray
            Shape (n,). An unknown id adds nothing: μ + b_i, μ + b_u or μ.

        Raises
        ------
        TypeError, ValueError
            If `X` is not pairs, or a whole column has another type than the ids in training.
        NotFittedError
            Before `fit`.

        Warns
        -----
        UnknownIdWarning
            If users or items were not in the training ratings.

        Examples
        --------
        >>> import factorate as ft
        >>> ratings = [1, 1, 2, 3], ["tea", "jam", "tea", "rye"], [5, 2, 4, 1]
        >>> model = ft.MatrixFactorization(2, n_epochs=500, random_state=0).fit(ratings)
        >>> model.predict(([1, 3], ["tea", "rye"])).round()
        array([5., 1.], dtype=float32)
        """
        fitted = self._require()
        users, items, columns = read_pairs(
            X, fitted.user_index, fitted.item_index, names=self._checked_columns()
        )
        warn_unknown((columns.users, users), (columns.items, items), IN_PREDICTIONS, stacklevel=2)
        predicted = factors_room.predict(fitted.factors, users, items, self.n_threads)
        return self._clipped(predicted, fitted)

    def _clipped(self, predicted: Floats, fitted: FittedState) -> Floats:
        return np.clip(predicted, *fitted.bounds) if self.clip else predicted

    def evaluate(self, X: Any, y: ArrayLike | None = None) -> dict[str, float]:
        """Compare predictions with ratings.

        Parameters
        ----------
        X, y
            Ratings, in any form `fit` takes.

        Returns
        -------
        dict
            "rmse" and "mae" over all ratings, and "n_unknown", the number of ratings whose user or
            item was not in the training ratings.

        Examples
        --------
        >>> import factorate as ft
        >>> ratings = ft.datasets.synthetic(2000, 100, 50)
        >>> sorted(ft.MatrixFactorization(2, random_state=0).fit(ratings).evaluate(ratings))
        ['mae', 'n_unknown', 'rmse']
        """
        values, predicted, n_unknown = self._compare(X, y)
        return {
            "rmse": metrics.rmse(values, predicted),
            "mae": metrics.mae(values, predicted),
            "n_unknown": n_unknown,
        }

    def score(
        self, X: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return R², the coefficient of determination of the predictions, as scikit-learn does.

        Parameters
        ----------
        X, y
            Ratings, in any form `fit` takes.
        sample_weight
            Weight of each rating, ≥ 0, shape (n,); None for equal ones.
        """
        values, predicted, _ = self._compare(X, y)
        return metrics.r2(values, predicted, sample_weight)

    def _compare(self, X: Any, y: ArrayLike | None) -> tuple[Floats, Floats, int]:
        fitted = self._require()
        users, items, columns = read_pairs(
            X, fitted.user_index, fitted.item_index,
            y=y, names=self._checked_columns(), with_ratings=True,
        )  # fmt: skip
        values = read_values(columns.ratings, np.dtype(np.float64))
        if not len(values):
            raise ValueError("there are no ratings; at least one is needed")
        warn_unknown((columns.users, users), (columns.items, items), IN_PREDICTIONS, stacklevel=3)
        n_unknown = int(np.count_nonzero((users < 0) | (items < 0)))
        predicted = factors_room.predict(fitted.factors, users, items, self.n_threads)
        return values, self._clipped(predicted, fitted), n_unknown

    def complete(self, users: ArrayLike | None = None, items: ArrayLike | None = None) -> Any:
        """Return the filled matrix: the predictions of every item for every user.

        Parameters
        ----------
        users, items
            Ids of the rows and columns wanted; None for all, in the order of `users_` and
            `items_`.

        Returns
        -------
        ndarray or DataFrame
            Shape (len(users), len(items)), equal to `predict` bit for bit; a DataFrame when the
            model was fitted on one, with pandas labelled by the ids, with other libraries with the
            users in a first column "user".

        Raises
        ------
        ValueError
            If it has more than 50 million cells and neither `users` nor `items` was named.

        Examples
        --------
        >>> import factorate as ft
        >>> R, _, _ = ft.datasets.textbook()
        >>> ft.MatrixFactorization(3, random_state=0).fit(R).complete().shape
        (6, 4)
        """
        fitted = self._require()
        (user_ids, user_codes), (item_ids, item_codes) = (
            rows_of(wanted, index, what)
            for wanted, index, what in (
                (users, fitted.user_index, "users"),
                (items, fitted.item_index, "items"),
            )
        )
        shape = len(user_codes), len(item_codes)
        if users is None and items is None and shape[0] * shape[1] > MAX_CELLS:
            raise ValueError(
                f"the filled matrix has {shape[0]} × {shape[1]} cells, more than {MAX_CELLS:,}; "
                f"name the users or items that are wanted"
            )
        warn_unknown((user_ids, user_codes), (item_ids, item_codes), IN_PREDICTIONS, stacklevel=2)
        filled = np.empty(shape, fitted.factors.user_factors.dtype)
        rows = max(1, CELLS_AT_ONCE // max(1, shape[1]))
        for first in range(0, shape[0], rows):
            some = user_codes[first : first + rows]
            pairs = np.repeat(some, shape[1]), np.tile(item_codes, len(some))
            predicted = self._clipped(factors_room.predict(fitted.factors, *pairs), fitted)
            filled[first : first + rows] = predicted.reshape(len(some), -1)
        if fitted.library is None:
            return filled
        return matrix_frame(filled, user_ids, item_ids, fitted.library)

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
        one = user_of_ratings(fitted, rows, values, settings)
        found: Found = neighbours.recommend(one, 0, n, True, None, None, False, self.n_threads)
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

    def group_users(self, n_groups: int) -> Rows:
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

    def group_items(self, n_groups: int) -> Rows:
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
        self._fitted = add_rows(fitted, ratings, side, settings)
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
        self._fitted = remove_users(fitted, rows)
        return self
