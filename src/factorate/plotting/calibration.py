"""CalibrationDisplay: the mean rating by predicted rating."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from factorate.plotting._axes import choose_axes
from factorate.plotting._comparison import (
    check_comparison,
    ratings_and_predictions,
    split_by_prediction,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from factorate._input.unknown_ids import Policy
    from factorate.base import FactorModel


class CalibrationDisplay:
    """Mean rating by predicted rating.

    Each point is a bin of similar predictions; its bar is the 95 % confidence interval of the mean,
    ±1.96 standard errors. Predictions are calibrated where points lie on the diagonal: the ratings
    that are predicted as 4 have a mean of 4. A flatter line shows that predictions are too extreme,
    a steeper one that they are too close to the mean.

    Use `from_estimator` or `from_predictions` to draw one.

    Parameters
    ----------
    y_true : array-like of shape (n,)
        Ratings.
    y_pred : array-like of shape (n,)
        Their predictions.
    name : str or None, default=None
        Name of the model in the legend. None is no name.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last drawing.
    figure_ : matplotlib Figure
        Figure of the last drawing.
    errorbar_ : matplotlib ErrorbarContainer
        Points and their intervals.

    See Also
    --------
    ResidualsDisplay : The spread of the errors by predicted rating.

    Examples
    --------
    >>> import factorate as ft
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> users, items, ratings = ft.datasets.synthetic(5000, 200, 100)
    >>> train, test = slice(0, 4000), slice(4000, None)
    >>> model = ft.MatrixFactorization(8, random_state=0)
    >>> _ = model.fit((users[train], items[train], ratings[train]))
    >>> held_out = users[test], items[test], ratings[test]
    >>> display = ft.CalibrationDisplay.from_estimator(model, held_out)
    >>> display.ax_.get_ylabel()
    'mean rating'
    """

    ax_: Axes
    figure_: Figure
    errorbar_: ErrorbarContainer

    def __init__(self, y_true: ArrayLike, y_pred: ArrayLike, name: str | None = None) -> None:
        self.y_true = y_true
        self.y_pred = y_pred
        self.name = name
        self._artists: list[Any] = []
        self._color: Any = None

    @classmethod
    def from_estimator(
        cls,
        estimator: FactorModel,
        X: Any,
        y: ArrayLike | None = None,
        *,
        wide: bool = False,
        unknown: Policy = "warn",
        n_bins: int = 10,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the calibration of a fitted model on ratings.

        Parameters
        ----------
        estimator : MatrixFactorization
            A fitted model.
        X : DataFrame, path, tuple, sparse matrix or array-like
            Ratings, in any form that `fit` accepts; best ratings that the model has not been
            trained on.
        y : array-like of shape (n,), default=None
            Ratings of the pairs in `X`; None if `X` contains the ratings.
        wide : bool, default=False
            Whether `X` is a table of users × items, as for `fit`.
        unknown : {"warn", "ignore", "raise"}, default="warn"
            What to do about unknown users and items: warn, ignore them or raise an error.
        n_bins : int, default=10
            Maximum number of bins, which have about the same number of predictions.
        name : str or None, default=None
            Name of the model in the legend. None is no name.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates new ones.

        Returns
        -------
        CalibrationDisplay
            The display that was drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError, ValueError
            If `X` is not ratings, or another argument is invalid.
        UnknownIdError
            If users or items are unknown and `unknown` is "raise".
        ImportError
            If matplotlib is not installed.

        Warns
        -----
        UnknownIdWarning
            If users or items are unknown and `unknown` is "warn".
        """
        return cls(
            *ratings_and_predictions(estimator, X, y, wide=wide, unknown=unknown), name
        ).plot(ax, n_bins=n_bins)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        n_bins: int = 10,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the calibration of predictions of any model.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Ratings.
        y_pred : array-like of shape (n,)
            Their predictions, or the probabilities of the rating 1 if ratings are 0 and 1.
        n_bins : int, default=10
            Maximum number of bins, which have about the same number of predictions.
        name : str or None, default=None
            Name of the model in the legend. None is no name.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates new ones.

        Returns
        -------
        CalibrationDisplay
            The display that was drawn.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        ImportError
            If matplotlib is not installed.
        """
        return cls(y_true, y_pred, name).plot(ax, n_bins=n_bins)

    def plot(self, ax: Axes | None = None, *, n_bins: int = 10) -> Self:
        """Draw the calibration.

        If the display has already been drawn on the same axes, the new drawing replaces the old
        one.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None reuses the axes of the last drawing, or creates new ones.
        n_bins : int, default=10
            Maximum number of bins, which have about the same number of predictions.

        Returns
        -------
        CalibrationDisplay
            The display itself.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        ImportError
            If matplotlib is not installed.
        """
        true, predicted = check_comparison(self.y_true, self.y_pred)
        bins = split_by_prediction(predicted, n_bins)
        mean_predicted = np.array([predicted[rows].mean() for rows in bins])
        means = np.array([true[rows].mean() for rows in bins])
        errors = np.array([true[rows].std() / len(rows) ** 0.5 for rows in bins])
        ax = choose_axes(self, ax, self._artists)
        diagonal = ax.axline(
            (mean_predicted[0], mean_predicted[0]),
            slope=1,
            color="gray",
            linewidth=1,
            dashes=(4, 3),
        )
        self.errorbar_ = ax.errorbar(
            mean_predicted,
            means,
            1.96 * errors,
            fmt=".-",
            capsize=2,
            color=self._color,
            label=self.name,
        )
        self._color = self.errorbar_[0].get_color()
        self._artists = [diagonal, self.errorbar_]
        ax.set(xlabel="mean predicted rating", ylabel="mean rating")
        if self.name:
            ax.legend()
        return self
