"""Learnt: what a fitted model knows, and what it predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate import metrics
from factorate._input.frames import matrix_frame
from factorate._input.id_queries import IN_PREDICTIONS, rows_of, warn_unknown
from factorate._input.ratings import read_pairs, read_values
from factorate._training import factors as factors_room
from factorate._training.settings import check_columns
from factorate.estimator import Estimator
from factorate.exceptions import not_fitted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from factorate._fitted.fitted_state import Fitted
    from factorate._input.frames import Names

    Floats = NDArray[np.floating[Any]]

MAX_CELLS = 50_000_000
CELLS_AT_ONCE = 1 << 20


class Learnt(Estimator):
    """The part of a model that reads what was learnt."""

    _fitted: Fitted
    clip: bool
    columns: Names | None
    n_threads: int | None

    def __sklearn_is_fitted__(self) -> bool:
        """Say whether there are factors."""
        return "_fitted" in vars(self)

    def _checked_columns(self) -> Names | None:
        return check_columns(self.columns)

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
