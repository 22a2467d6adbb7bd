"""FactorModel: the methods of every fitted model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, overload

import numpy as np

from factorate._fitted import model_file
from factorate._fitted.remove_rows import remove_rows
from factorate._input.id_column import as_column, read_ids
from factorate._input.id_to_row import look_up
from factorate._serving import complete, groups, recommend, result_files, similar, vectors
from factorate._training.settings import check_columns, draw_seed
from factorate._utils import sklearn_protocol
from factorate._utils.validation import show
from factorate._utils.writer_lock import writer_lock
from factorate.exceptions import UnknownIdError, not_fitted

if TYPE_CHECKING:
    import inspect
    import os
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from factorate._fitted.fitted_state import FittedState
    from factorate._input.column_names import Names
    from factorate._input.unknown_ids import Policy
    from factorate._serving.excluded_items import Exclude
    from factorate._utils.types import Floats, Rows

    Found = tuple[NDArray[Any], Floats]


class FactorModel(sklearn_protocol.Estimator):
    """Base class of the models: predictions, recommendations and storage of trained factors.

    As with any scikit-learn estimator, ``__init__`` stores its arguments unchanged as attributes of
    the same name. A fitted model holds a `FittedState` in ``_fitted``. Methods that change the
    model replace it in one assignment, so other threads can read the model meanwhile. They hold
    the `writer_lock` of the model, so that no change of another thread is lost.
    """

    _fitted: FittedState
    _weighted_methods: ClassVar[tuple[str, ...]] = ()  # those with the argument `sample_weight`
    clip: bool = False
    columns: Names | None
    n_threads: int | None
    random_state: int | np.random.Generator | np.random.RandomState | None
    verbose: bool

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
            Whether the methods that take a ``sample_weight`` request it.

        Raises
        ------
        ImportError
            If scikit-learn is not installed.
        """
        return sklearn_protocol.metadata_request(self, self._weighted_methods)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether the model is fitted."""
        return "_fitted" in vars(self)

    @classmethod
    def _parameters(cls) -> Mapping[str, inspect.Parameter]:
        return sklearn_protocol.constructor_parameters(cls)

    def _training_parameters(self) -> dict[str, Any]:
        """Return the parameters with which the model is trained, and which its file has."""
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
    def users_(self) -> NDArray[Any]:
        """User ids, in the order of their rows.

        Returns
        -------
        ndarray of shape (n_users,)
            Those in the training data, sorted, followed by those added later; read-only.
        """
        return self._require().user_index.ids

    @property
    def items_(self) -> NDArray[Any]:
        """Item ids, in the order of their rows.

        Returns
        -------
        ndarray of shape (n_items,)
            Those in the training data, sorted, followed by those added later; read-only.
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
        """The errors or losses of each epoch, and when it ended.

        Returns
        -------
        dict of str to ndarray of shape (n_epochs,)
            Columns by name, read-only; see the attributes of the model.
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
            Always 2, user and item, for input in any form.
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
            If the input had another form, or the model was loaded from a file.
        """
        names = self._require().column_names
        if names is None or not all(isinstance(name, str) for name in names):
            raise AttributeError(
                "feature_names_in_ exists only after a fit to data with named columns"
            )
        return np.array(names, object)

    # Predictions

    def complete(
        self,
        users: ArrayLike | None = None,
        items: ArrayLike | None = None,
        *,
        unknown: Policy = "warn",
    ) -> Any:
        """Predict the ratings or scores of all items for all users: the filled matrix.

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
            If users or items were not in the training data.

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
        """Recommend the items with the highest predicted ratings or scores.

        Parameters
        ----------
        users : array-like of shape (m,) or id, default=None
            Ids of users, or one id; None for all, in the order of `users_`. For an unknown user,
            items are ranked by μ + b_i in a model of ratings, and by their mean score for all users
            in a model of implicit feedback.
        n : int, default=10
            Number of items for each user.
        exclude_seen : bool, default=True
            Whether to leave out the items that a user rated, or interacted with, in training.
        items : array-like, default=None
            Ids of the items to choose from, for all users; None for all items. Unknown items are
            left out.
        exclude : array-like, set or mapping, default=None
            Ids of items to leave out for all users, or a mapping from user to the ids of items to
            leave out for that user. Unknown items have no effect.
        as_frame : bool, default=False
            Whether to return a DataFrame with columns "user", "item" and "score", of the library of
            the training data, or else of the first of pandas, polars and pyarrow that is
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
            If users or items were not in the training data.

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

    # Results in files

    def write_predictions(
        self, path: str | os.PathLike[str], X: Any, *, unknown: Policy = "warn"
    ) -> None:
        """Predict the ratings or scores of any number of pairs, and write them to a file.

        Pairs are read, predicted and written in batches, so memory holds a batch at a time. With
        ``verbose=True``, the model shows a progress bar.

        Parameters
        ----------
        path : str or path-like
            Path of the file, which ends in .parquet, .csv, .tsv or .jsonl. An existing file is
            replaced when the new one is complete, as by `save`.
        X : path, RatingStore, iterator, tuple, DataFrame, array-like or sparse matrix
            The pairs:

            - the path of a file, a folder or a glob, or an open file, which is read in batches;
            - a `RatingStore`, whose pairs are taken;
            - a dataset of pyarrow;
            - an iterator of batches, each in any form that `predict` accepts;
            - pairs in any form that `predict` accepts.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items: warn, ignore them or raise an error.

        Raises
        ------
        TypeError, ValueError
            If `X` is not pairs, ids are of another type than in training, batches have other
            columns than the first, a column of ids has the name of the results, or the path has
            another ending. After any error, a file that existed stays as it was.
        OSError
            If the file cannot be written.
        ImportError
            If pyarrow is not installed.
        UnknownIdError
            If users or items are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            Once, when the file is complete, if users or items were not in the training data.

        Notes
        -----
        The columns are those of users and items, with the names that they have in `X`, or else
        "user" and "item"; and "prediction", or "score" in a model of implicit feedback. The order
        is that of `X`, and the values are those of `predict`, bit for bit, in a Parquet file.

        Examples
        --------
        >>> import factorate as ft, pathlib, tempfile
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((["a", "b"], [7, 8], [5, 3]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "predictions.csv")
        ...     model.write_predictions(path, (["a", "b", "b"], [8, 7, 8]))
        ...     len(path.read_text().splitlines())
        4
        """
        result_files.write_predictions(
            self._require(),
            path,
            X,
            columns=self._checked_columns(),
            clip=self.clip,
            unknown=unknown,
            n_threads=self.n_threads,
            verbose=self.verbose,
        )

    def write_recommendations(
        self,
        path: str | os.PathLike[str],
        users: Any = None,
        n: int = 10,
        exclude_seen: bool = True,
        items: ArrayLike | None = None,
        exclude: Exclude | None = None,
        *,
        unknown: Policy = "warn",
    ) -> None:
        """Recommend items to any number of users, and write them to a file.

        Lists are computed and written for some thousand users at a time, so memory holds no more
        of them. With ``verbose=True``, the model shows a progress bar.

        Parameters
        ----------
        path : str or path-like
            Path of the file, which ends in .parquet, .csv, .tsv or .jsonl. An existing file is
            replaced when the new one is complete, as by `save`.
        users : array-like of shape (m,) or id, default=None
            Ids of users, or one id; None for all, in the order of `users_`.
        n : int, default=10
            Number of items for each user.
        exclude_seen : bool, default=True
            Whether to leave out the items that a user rated, or interacted with, in training.
        items : array-like, default=None
            Ids of the items to choose from, for all users; None for all items.
        exclude : array-like, set or mapping, default=None
            Ids of items to leave out, as for `recommend`.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items: warn, ignore them or raise an error.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid, ids are of another type than in training, or the path has
            another ending. After any error, a file that existed stays as it was.
        OSError
            If the file cannot be written.
        ImportError
            If pyarrow is not installed.
        UnknownIdError
            If users or items are unknown and `unknown` is "raise".
        NotFittedError
            If the model is not fitted.

        Warns
        -----
        UnknownIdWarning
            If users or items were not in the training data.

        See Also
        --------
        recommend : The same in memory.

        Notes
        -----
        The columns are "user", "item" and "score". There is a row for each recommendation, the
        best of each user first, as ``recommend(as_frame=True)`` returns them, bit for bit in a
        Parquet file.

        Examples
        --------
        >>> import factorate as ft, pathlib, tempfile
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "recommendations.csv")
        ...     model.write_recommendations(path, n=1)
        ...     path.read_text().splitlines()[0]
        '"user","item","score"'
        """
        result_files.write_recommendations(
            self._require(),
            path,
            users,
            n,
            exclude_seen=exclude_seen,
            items=items,
            exclude=exclude,
            unknown=unknown,
            n_threads=self.n_threads,
            verbose=self.verbose,
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
            Whether to return (p_u, 1, μ + b_u) instead of the factors p_u. A model of implicit
            feedback has no biases, so the factors are enough.

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

    def remove_users(self, users: ArrayLike) -> Self:
        """Remove users: their ids, factors, biases and seen items.

        The rows of the other users move up. Factors and biases of the items do not change, although
        the ratings or interactions of the removed users contributed to them; to exclude these, call
        `fit` without them.

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
        the ratings or interactions of the removed items contributed to them; to exclude these, call
        `fit` without them.

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
