"""ResidualsDisplay: errors by predicted rating."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from factorate._utils.validation import check_count
from factorate.plotting._axes import choose_axes
from factorate.plotting._comparison import (
    check_comparison,
    ratings_and_predictions,
    split_by_prediction,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import ArrayLike

    from factorate._input.unknown_ids import Policy
    from factorate.base import FactorModel

QUANTILES = (5, 25, 50, 75, 95)  # percent


class ResidualsDisplay:
    """Residuals, rating − prediction, by predicted rating.

    The line is the median of the residuals in bins of similar predictions, the bands hold 50 % and
    90 % of them. A median away from 0 shows a bias, and bands of different height show for which
    predictions the model is less certain.

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
    line_ : matplotlib Line2D
        Median of the residuals.
    bands_ : list of matplotlib PolyCollection
        Bands of 90 % and of 50 %.
    scatter_ : matplotlib PathCollection or None
        Single residuals, if any were drawn.

    See Also
    --------
    CalibrationDisplay : The mean rating by predicted rating.

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
    >>> display = ft.ResidualsDisplay.from_estimator(model, held_out)
    >>> display.ax_.get_xlabel()
    'predicted rating'
    """

    ax_: Axes
    figure_: Figure
    line_: Line2D
    bands_: list[Any]
    scatter_: PathCollection | None

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
        n_bins: int = 20,
        n_points: int = 1000,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the residuals of a fitted model on ratings.

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
        n_bins : int, default=20
            Maximum number of bins, which have about the same number of predictions.
        n_points : int, default=1000
            Maximum number of single residuals to draw, from the lowest to the highest prediction in
            equal steps.
        name : str or None, default=None
            Name of the model in the legend. None is no name.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates new ones.

        Returns
        -------
        ResidualsDisplay
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
        comparison = ratings_and_predictions(estimator, X, y, wide=wide, unknown=unknown)
        return cls(*comparison, name).plot(ax, n_bins=n_bins, n_points=n_points)

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        n_bins: int = 20,
        n_points: int = 1000,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the residuals of predictions of any model.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Ratings.
        y_pred : array-like of shape (n,)
            Their predictions.
        n_bins : int, default=20
            Maximum number of bins, which have about the same number of predictions.
        n_points : int, default=1000
            Maximum number of single residuals to draw, from the lowest to the highest prediction in
            equal steps.
        name : str or None, default=None
            Name of the model in the legend. None is no name.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates new ones.

        Returns
        -------
        ResidualsDisplay
            The display that was drawn.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        ImportError
            If matplotlib is not installed.
        """
        return cls(y_true, y_pred, name).plot(ax, n_bins=n_bins, n_points=n_points)

    def plot(self, ax: Axes | None = None, *, n_bins: int = 20, n_points: int = 1000) -> Self:
        """Draw the residuals.

        If the display has already been drawn on the same axes, the new drawing replaces the old
        one.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None reuses the axes of the last drawing, or creates new ones.
        n_bins : int, default=20
            Maximum number of bins, which have about the same number of predictions.
        n_points : int, default=1000
            Maximum number of single residuals to draw, from the lowest to the highest prediction in
            equal steps.

        Returns
        -------
        ResidualsDisplay
            The display itself.

        Raises
        ------
        TypeError, ValueError
            If an argument is invalid.
        ImportError
            If matplotlib is not installed.
        """
        true, predicted = check_comparison(self.y_true, self.y_pred)
        n_points = check_count("n_points", n_points, 0)
        residuals = true - predicted
        bins = split_by_prediction(predicted, n_bins)
        centres = [predicted[rows].mean() for rows in bins]
        low, lower, median, upper, high = np.transpose(
            [np.percentile(residuals[rows], QUANTILES) for rows in bins]
        )
        ax = choose_axes(self, ax, self._artists)
        zero = ax.axhline(0, color="gray", linewidth=1, linestyle="--")
        label = f"{self.name}, {{}}" if self.name else "{}"
        marker = "." if len(bins) == 1 else ""
        (self.line_,) = ax.plot(
            centres, median, marker=marker, color=self._color, label=label.format("median")
        )
        self._color = color = self.line_.get_color()
        self.bands_ = [
            ax.fill_between(centres, bottom, top, color=color, alpha=alpha, linewidth=0, label=name)
            for bottom, top, alpha, name in (
                (low, high, 0.15, label.format("90 %")),
                (lower, upper, 0.3, label.format("50 %")),
            )
        ]
        self.scatter_ = None
        if n_points:
            order = np.argsort(predicted, kind="stable")
            chosen = order[np.linspace(0, len(order) - 1, min(n_points, len(order))).astype(int)]
            self.scatter_ = ax.scatter(
                predicted[chosen], residuals[chosen], s=4, color="gray", alpha=0.5, linewidth=0
            )
        self._artists = [zero, self.line_, *self.bands_, *filter(None, [self.scatter_])]
        ax.set(xlabel="predicted rating", ylabel="residual: rating − prediction")
        ax.legend()
        return self
