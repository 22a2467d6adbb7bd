"""TuningDisplay: validation RMSE of the trials of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from factorate.plotting._axes import choose_axes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from factorate.model_cv import MatrixFactorizationCV


class TuningDisplay:
    """Validation RMSE of the settings that a search tried, in their order.

    Each point is a trial, and its color the round of the search. A dashed line marks the error of
    the default settings, and a ring the settings that were chosen. Trials that were validated on
    some folds only are drawn smaller: their mean RMSE is not comparable with that of the others.

    Use `from_estimator` to draw the search of a fitted model.

    Parameters
    ----------
    results : dict of str to array-like
        Columns "iter", "n_folds", "mean_test_rmse" and "rank_test_loss", such as the `cv_results_`
        of a model.
    name : str or None, default=None
        Name of the model in the legend. None is no name.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last drawing.
    figure_ : matplotlib Figure
        Figure of the last drawing.
    points_ : matplotlib PathCollection
        The trials.
    default_ : matplotlib Line2D
        Error of the default settings.
    best_ : matplotlib Line2D
        The settings that were chosen.

    See Also
    --------
    MatrixFactorizationCV : The model, which records its `cv_results_`.

    Examples
    --------
    >>> import factorate as ft
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> model = ft.MatrixFactorizationCV(n_trials=8, random_state=0)
    >>> _ = model.fit(ft.datasets.synthetic(5000, 200, 100))
    >>> display = ft.TuningDisplay.from_estimator(model)
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('trial', 'validation RMSE')
    """

    ax_: Axes
    figure_: Figure
    points_: PathCollection
    default_: Line2D
    best_: Line2D

    def __init__(self, results: Mapping[str, Any], name: str | None = None) -> None:
        self.results = results
        self.name = name
        self._artists: list[Any] = []

    @classmethod
    def from_estimator(
        cls, estimator: MatrixFactorizationCV, *, name: str | None = None, ax: Axes | None = None
    ) -> Self:
        """Draw the search of a fitted model.

        Parameters
        ----------
        estimator : MatrixFactorizationCV
            A fitted model.
        name : str or None, default=None
            Name of the model in the legend. None is no name.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates new ones.

        Returns
        -------
        TuningDisplay
            The display that was drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        return cls(estimator.cv_results_, name).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the trials.

        If the display has already been drawn on the same axes, the new drawing replaces the old
        one. Trials whose training diverged are left out.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None reuses the axes of the last drawing, or creates new ones.

        Returns
        -------
        TuningDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        rmse, rounds, n_folds, rank = (
            np.asarray(self.results[key])
            for key in ("mean_test_rmse", "iter", "n_folds", "rank_test_loss")
        )
        ax = choose_axes(self, ax, self._artists)
        numbers = np.arange(1, len(rmse) + 1)
        sizes = np.where(n_folds == n_folds.max(), 36, 10)
        drawn = np.isfinite(rmse)
        self.points_ = ax.scatter(
            numbers[drawn], rmse[drawn], sizes[drawn], c=rounds[drawn], cmap="viridis"
        )
        label = f"{self.name}, {{}}" if self.name else "{}"
        default = label.format(f"defaults: {rmse[0]:.4f}")
        self.default_ = ax.axhline(rmse[0], linestyle="--", color="gray", label=default)
        best = int(np.argmin(rank))
        (self.best_,) = ax.plot(
            numbers[best],
            rmse[best],
            "o",
            markersize=12,
            fillstyle="none",
            color="C3",
            label=label.format(f"chosen: {rmse[best]:.4f}"),
        )
        self._artists = [self.points_, self.default_, self.best_]
        ax.set(xlabel="trial", ylabel="validation RMSE")
        locator: Any = ax.xaxis.get_major_locator()
        locator.set_params(integer=True)
        ax.legend()
        return self
