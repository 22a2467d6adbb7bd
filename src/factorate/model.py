"""MatrixFactorization: parameters, and calls to the other rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from factorate import factors as factors_room
from factorate import fitting, fold_in, metrics, neighbours, storage
from factorate.checks import check_flag, show
from factorate.estimator import Estimator
from factorate.exceptions import ModelFileError, not_fitted
from factorate.frames import matrix_frame
from factorate.ids import look_up, read_ids
from factorate.lookup import as_column, rows_of, warn_unknown
from factorate.ratings import read_further, read_pairs, read_ratings_of_one, read_values

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from factorate.fitted import Fitted
    from factorate.frames import Names
    from factorate.solver import Epoch

    Floats = NDArray[np.floating[Any]]
    Codes = NDArray[np.int32]
    Rates = float | Mapping[str, float]

MAX_CELLS = 50_000_000
CELLS_AT_ONCE = 1 << 20


class MatrixFactorization(Estimator):
    """Matrix factorization of ratings with biases, by stochastic gradient descent.

    A rating is predicted as μ + b_u + b_i + p_u·q_i. Training minimizes, over the observed ratings
    r, centred by their mean and divided by their standard deviation::

        ½ Σ [ (r − r̂)² + λ (|p_u|² + |q_i|² + b_u² + b_i²) ]

    (Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems", IEEE
    Computer 42(8), 2009, eq. 5). The same seed gives the same bits for any number of threads, any
    form of the input and any order of its rows.

    Parameters
    ----------
    n_factors
        K, the length of a user's and an item's row of factors.
    n_epochs
        Passes over the ratings.
    learning_rate
        η, on the scale of the standardized ratings: one number for all, or a mapping with some of
        the keys "factors", "biases", "user_factors", "item_factors", "user_bias" and "item_bias".
        None is what suits the schedule, ``{"factors": 0.07, "biases": 0.015}`` for "linear"; it
        also fills what a mapping leaves out.
    regularization
        λ, likewise one number or a mapping; 0.036 fills what a mapping leaves out.
    l1_regularization
        Likewise, of the absolute values of factors and biases, which become exactly 0; what a
        mapping leaves out is 0. By proximal steps (Duchi and Singer, "Efficient Online and Batch
        Learning Using Forward Backward Splitting", JMLR 10, 2009, eq. 19).
    learning_rate_schedule
        How η goes on: "linear" and "cosine" fall towards 0 over the epochs, "inverse" falls as
        1/√epoch, "constant" stays, and "adagrad" divides the rate of each row by the root of its
        summed squared gradients (Duchi, Hazan and Singer, JMLR 12, 2011; one sum a row, as in Chin
        et al., "A Learning-Rate Schedule for Stochastic Gradient Methods to Matrix Factorization",
        PAKDD 2015).
    loss
        "squared", "absolute" or "huber"; for ratings of two values "logistic", "hinge" or
        "squared_hinge"; with ``nonnegative=True`` also "kullback_leibler" (generalized). The two
        robust losses centre ratings by their median; ratings of two values become −1 and 1, so
        that a prediction above their middle means the higher one.
    huber_width
        Error beyond which Huber's loss is linear, in standard deviations of the ratings.
    nonnegative
        Whether factors and biases stay ≥ 0; μ is 0 then.
    implicit
        Whether what a user has rated counts, whatever the ratings (SVD++; Koren, "Factorization
        Meets the Neighborhood", KDD 2008, eq. 15): p_u becomes
        ``p_u + |N(u)|^-½ Σ y_j`` over the items N(u) that u rated in training. It serves accuracy,
        at two to three times the seconds.
    early_stopping
        Whether to hold out ratings (or use the `eval_set` of `fit`), to stop when their loss has
        not fallen for `patience` epochs, and to go back to the best epoch.
    validation_fraction
        Share of the ratings that is held out, above 0 and below 1.
    patience
        Epochs.
    warm_start
        Whether `fit` goes on from what was learnt before: users and items of the new ratings keep
        their factors and biases, and the sums of AdaGrad go on; those not in the new ratings are
        dropped.
    partial_learning_rate
        η of `partial_fit`; None is ``{"factors": 0.03, "biases": 0.03}``.
    clip
        Whether predictions are kept within the least and largest rating in training. Rankings
        never are.
    fit_bias
        Whether users and items have biases.
    fit_mean
        Whether μ, the centre, is subtracted: the mean of the ratings for the squared loss, their
        median for "absolute" and "huber". Else it is 0, as with `nonnegative` it always is; for the
        losses of two values it always is their middle.
    random_state
        Seed: an int ≥ 0, a NumPy Generator or RandomState to draw one from, or None for a new one
        each time.
    n_threads
        Threads to train, predict and recommend with; None for all the cores this process may use.
    dtype
        "float32" or "float64".
    columns
        Names of the columns (user, item, rating) of DataFrames and files; None to find them.
    verbose
        Whether to show a progress bar.
    keep_seen
        Whether to keep which items each user has rated, 4 bytes a rating, for recommendations of
        others.

    Attributes
    ----------
    user_factors_, item_factors_
        Shapes (n_users, K) and (n_items, K), read-only. With ``implicit=True`` those of a user
        contain the implicit terms.
    implicit_factors_
        y, with ``implicit=True``: shape (n_items, K), read-only.
    user_bias_, item_bias_
        Shapes (n_users,) and (n_items,), read-only.
    global_mean_
        μ, the centre: the mean of the training ratings, or what `fit_mean` says.
    users_, items_
        The ids of the rows, sorted.
    n_epochs_
        Number of epochs trained.
    best_epoch_
        The epoch whose factors these are: the last one, unless training stopped early.
    history_
        Columns "epoch", "learning_rate" (of the users' factors), "train_rmse" (of the errors before
        each visit), "valid_rmse" (NaN without a validation set) and "seconds".

    Examples
    --------
    >>> import factorate as ft
    >>> model = ft.MatrixFactorization(n_factors=2, random_state=0)
    >>> users, items = ["ann", "ann", "bob", "cy"], ["tea", "jam", "tea", "jam"]
    >>> _ = model.fit((users, items, [5, 2, 4, 1]))
    >>> model.predict((["bob"], ["jam"])).shape
    (1,)
    """

    def __init__(
        self,
        n_factors: int = 64,
        n_epochs: int = 10,
        learning_rate: Rates | None = None,
        regularization: Rates = 0.036,
        l1_regularization: Rates = 0.0,
        learning_rate_schedule: str = "linear",
        loss: str = "squared",
        huber_width: float = 1.0,
        nonnegative: bool = False,
        implicit: bool = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 3,
        warm_start: bool = False,
        partial_learning_rate: Rates | None = None,
        clip: bool = False,
        fit_bias: bool = True,
        fit_mean: bool = True,
        random_state: int | np.random.Generator | np.random.RandomState | None = None,
        n_threads: int | None = None,
        dtype: str = "float32",
        columns: Names | None = None,
        verbose: bool = False,
        keep_seen: bool = True,
    ) -> None:
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.l1_regularization = l1_regularization
        self.learning_rate_schedule = learning_rate_schedule
        self.loss = loss
        self.huber_width = huber_width
        self.nonnegative = nonnegative
        self.implicit = implicit
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.partial_learning_rate = partial_learning_rate
        self.clip = clip
        self.fit_bias = fit_bias
        self.fit_mean = fit_mean
        self.random_state = random_state
        self.n_threads = n_threads
        self.dtype = dtype
        self.columns = columns
        self.verbose = verbose
        self.keep_seen = keep_seen

    def __sklearn_is_fitted__(self) -> bool:
        """Say whether there are factors."""
        return "_fitted" in vars(self)

    # Training

    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        eval_set: Any = None,
        callbacks: Sequence[Callable[[Epoch], object]] = (),
    ) -> Self:
        """Learn from ratings; what was learnt before is replaced.

        Parameters
        ----------
        X
            Ratings: a DataFrame, the path of a CSV or Parquet file, a tuple (users, items,
            ratings), a scipy.sparse matrix or a dense 2-d array (0 and NaN are not observed); or
            pairs of shape (n, 2) with `y`.
        y
            Ratings of the pairs, shape (n,).
        sample_weight
            Weight of each rating, ≥ 0, shape (n,). It multiplies the rating's part of the
            objective, regularization included; one of 0 is as if it were not there. Weights are
            divided by their mean, so their unit is no matter (`partial_fit` takes them as given).
        eval_set
            Ratings to validate on after each epoch, in any form `X` takes, or (X, y).
        callbacks
            Functions called after each epoch with an object that has the attributes ``number``,
            ``learning_rate``, ``train_rmse``, ``valid_rmse`` and ``seconds``; training ends when
            one returns True.

        Returns
        -------
        MatrixFactorization
            This model.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError
            If the parameters or ratings are not what they should be.
        DivergenceError
            If the error explodes, also after halving the learning rate five times.
        KeyboardInterrupt
            The epochs finished so far are kept; before the first, and after any other error, the
            model is as it was.
        """
        self._fitted, interruption = fitting.fit(
            self.get_params(), X, y, sample_weight, eval_set, callbacks, vars(self).get("_fitted")
        )
        if interruption is not None:
            raise interruption
        return self

    def partial_fit(
        self, X: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn from more ratings in one pass; on a model without a fit, it is `fit`.

        Only the users and items that are rated move; unknown ones are appended. Centre and scale
        stay what they were.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        MatrixFactorization
            This model; other threads go on with what it was until all is done.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError, DivergenceError
            As `fit`; the model is as it was.

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(2, random_state=0).fit((["a", "b"], [7, 8], [5, 3]))
        >>> model.partial_fit((["c"], [7], [4])).users_.tolist()
        ['a', 'b', 'c']
        """
        old: Fitted | None = vars(self).get("_fitted")
        if old is None:
            return self.fit(X, y, sample_weight)
        self._fitted = fitting.partial_fit(self.get_params(), X, y, sample_weight, old)
        return self

    def _checked_columns(self) -> Names | None:
        return fitting.check_columns(self.columns)

    # What was learnt

    def _require(self) -> Fitted:
        fitted: Fitted | None = vars(self).get("_fitted")
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
    def implicit_factors_(self) -> Floats:
        """Rows y of the items, shape (n_items, K); AttributeError without implicit terms."""
        implicit = self._require().factors.implicit
        if implicit is None:
            raise AttributeError("implicit_factors_ are there after a fit with implicit=True")
        return implicit

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

        Warns
        -----
        UnknownIdWarning
            If users or items were not in the training ratings.

        Raises
        ------
        TypeError, ValueError
            If `X` is not pairs, or a whole column has another type than the ids in training.
        NotFittedError
            Before `fit`.
        """
        fitted = self._require()
        users, items, columns = read_pairs(
            X, fitted.user_index, fitted.item_index, names=self._checked_columns()
        )
        warn_unknown((columns.users, users), (columns.items, items), stacklevel=2)
        predicted = factors_room.predict(fitted.factors, users, items, self.n_threads)
        return self._clipped(predicted, fitted)

    def _clipped(self, predicted: Floats, fitted: Fitted) -> Floats:
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
        warn_unknown((columns.users, users), (columns.items, items), stacklevel=3)
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
        warn_unknown((user_ids, user_codes), (item_ids, item_codes), stacklevel=2)
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

    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        exclude_seen: bool = True,
        items: ArrayLike | None = None,
        exclude: ArrayLike | None = None,
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

        Warns
        -----
        UnknownIdWarning
            If users or items were not in the training ratings.

        Raises
        ------
        TypeError, ValueError
            If an argument is not what it should be, or what users have seen was not kept.
        NotFittedError
            Before `fit`.

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

    def recommend_for(self, ratings: Any, n: int = 10) -> tuple[NDArray[Any], Floats]:
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
        warn_unknown(neighbours.NOBODY, (items, rows), stacklevel=2)
        alone = fold_in.alone(fitted, rows, values, fitting.check_settings(self.get_params()))
        found: tuple[NDArray[Any], Floats] = neighbours.recommend(
            alone, 0, n, True, None, None, False, self.n_threads
        )
        return found

    def similar_items(self, items: Any = None, n: int = 10, as_frame: bool = False) -> Any:
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

    def similar_users(self, users: Any = None, n: int = 10, as_frame: bool = False) -> Any:
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

        Examples
        --------
        >>> import factorate as ft
        >>> model = ft.MatrixFactorization(3, random_state=0).fit(ft.datasets.textbook()[0])
        >>> sorted(set(model.group_users(2).tolist()))
        [0, 1]
        """
        return neighbours.group(self.user_factors_, n_groups, fitting.draw_seed(self.random_state))

    def group_items(self, n_groups: int) -> Codes:
        """Sort items that are alike into groups; as `group_users`, for `items_`."""
        return neighbours.group(self.item_factors_, n_groups, fitting.draw_seed(self.random_state))

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

        Warns
        -----
        UnknownIdWarning
            If items are unknown.

        Raises
        ------
        TypeError, ValueError, FileNotFoundError
            If they are not ratings, or ids are of another type than in training; the model is as
            it was.

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
        settings = fitting.check_settings(self.get_params())
        ratings, columns = read_further(
            X, y, fitted.user_index, fitted.item_index,
            dtype=fitted.factors.user_factors.dtype, names=self._checked_columns(),
            new_users=side == "user", new_items=side == "item",
        )  # fmt: skip
        warn_unknown((columns.users, ratings.users), (columns.items, ratings.items), stacklevel=3)
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

    # Files

    def save(self, path: str | os.PathLike[str], dtype: str | None = None) -> None:
        """Write the model to one ``.npz`` file that holds no pickle.

        Parameters
        ----------
        path
            Where to; an existing file is replaced only when the new one is whole. A process that
            is killed while saving leaves a file ``.NAME.…`` beside it, which may be deleted.
        dtype
            Of the factors and biases in the file: None for that of the model, "float32" or
            "float16". Half the size of float32, float16 keeps three decimal digits of each, an
            error of up to 0.05 %; they are loaded as float32, and all that is computed is.

        Raises
        ------
        OSError
            If it cannot be written; an old file stays. On Windows that is so, too, while a model
            is mapped from it.
        TypeError
            If a parameter was set to what a file cannot hold.
        ValueError
            If `dtype` is none of these, or its range is too narrow for the factors.

        See Also
        --------
        factorate.load
        """
        fitted = self._require()
        parameters = self.get_params()
        if not isinstance(parameters["random_state"], int | np.integer | None):
            parameters["random_state"] = None  # the state of a generator is not a parameter
        storage.save(path, parameters, fitted, dtype)


def load(path: str | os.PathLike[str], mmap: bool = False) -> MatrixFactorization:
    """Read a model that :meth:`MatrixFactorization.save` wrote.

    Parameters
    ----------
    path
        The ``.npz`` file.
    mmap
        Whether to map the large arrays into memory, where processes share them, rather than copy
        them. It takes no time, and checks all but the content of these arrays. The file may be
        replaced meanwhile (not on Windows), but not changed in place. Factors saved as float16
        are copied nevertheless.

    Raises
    ------
    FileNotFoundError
        If no file is there.
    ModelFileError
        If it is not a model, is damaged, or was written by a later version.

    Examples
    --------
    >>> import factorate as ft, tempfile, pathlib
    >>> model = ft.MatrixFactorization(2, random_state=0).fit(ft.datasets.textbook()[0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(pathlib.Path(folder, "model.npz"))
    ...     again = ft.load(pathlib.Path(folder, "model.npz"))
    >>> bool((again.complete() == model.complete()).all())
    True
    """
    parameters, fitted = storage.load(path, check_flag("mmap", mmap))
    later = sorted(parameters.keys() - MatrixFactorization._parameters().keys())
    if later:
        raise ModelFileError(
            f"{path} has parameters that this version does not know ({', '.join(later)}): upgrade "
            f"factorate"
        )
    model = MatrixFactorization(**parameters)
    model._fitted = fitted
    return model
