"""TuningDisplay: validation RMSE, or NDCG, of the trials of a search."""

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

    from factorate._utils.types import Doubles
    from factorate.implicit_cv import ImplicitMatrixFactorizationCV
    from factorate.model_cv import MatrixFactorizationCV


class TuningDisplay:
    """Validation RMSE, or NDCG, of the settings that a search tried, in their order.

    Each point is a trial, and its color the round of the search. A dashed line marks the metric of
    the default settings, and a ring the settings that were chosen. Trials that were validated on
    some folds only are drawn smaller, at the metric of the default settings plus the mean
    difference from it on these folds, because some folds are easier than others.

    Use `from_estimator` to draw the search of a fitted model.

    Parameters
    ----------
    results : dict of str to array-like
        Columns "iter", "n_folds", "mean_test_rmse", "rank_test_loss", and "split0_test_rmse",
        "split1_test_rmse", … of each fold, such as the `cv_results_` of a model; or "ndcg" instead
        of "rmse" and "loss".
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
        Metric of the default settings.
    best_ : matplotlib Line2D
        The settings that were chosen.

    See Also
    --------
    MatrixFactorizationCV : A model that searches, and records its `cv_results_`.
    ImplicitMatrixFactorizationCV : The one for implicit feedback.

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
        cls,
        estimator: MatrixFactorizationCV | ImplicitMatrixFactorizationCV,
        *,
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the search of a fitted model.

        Parameters
        ----------
        estimator : MatrixFactorizationCV or ImplicitMatrixFactorizationCV
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
        is_ndcg = "mean_test_ndcg" in self.results
        metric, ranked_by = ("ndcg", "ndcg") if is_ndcg else ("rmse", "loss")
        rounds, n_folds, rank = (
            np.asarray(self.results[key]) for key in ("iter", "n_folds", f"rank_test_{ranked_by}")
        )
        values = _comparable(self.results, metric, int(n_folds.max()))
        ax = choose_axes(self, ax, self._artists)
        numbers = np.arange(1, len(values) + 1)
        sizes = np.where(n_folds == n_folds.max(), 36, 10)
        drawn = np.isfinite(values)
        self.points_ = ax.scatter(
            numbers[drawn], values[drawn], sizes[drawn], c=rounds[drawn], cmap="viridis"
        )
        label = f"{self.name}, {{}}" if self.name else "{}"
        default = label.format(f"defaults: {values[0]:.4f}")
        self.default_ = ax.axhline(values[0], linestyle="--", color="gray", label=default)
        best = int(np.argmin(rank))
        (self.best_,) = ax.plot(
            numbers[best],
            values[best],
            "o",
            markersize=12,
            fillstyle="none",
            color="C3",
            label=label.format(f"chosen: {values[best]:.4f}"),
        )
        self._artists = [self.points_, self.default_, self.best_]
        ax.set(xlabel="trial", ylabel="validation NDCG@10" if is_ndcg else "validation RMSE")
        locator: Any = ax.xaxis.get_major_locator()
        locator.set_params(integer=True)
        ax.legend()
        return self


def _comparable(results: Mapping[str, Any], metric: str, n_folds: int) -> Doubles:
    """Return the metric of each trial as if it had been validated on all folds."""
    mean = np.asarray(results[f"mean_test_{metric}"], np.float64)
    folds = np.array([results[f"split{fold}_test_{metric}"] for fold in range(n_folds)])
    defaults = folds[:, :1]
    if not np.isfinite(defaults).all():
        return mean
    comparable = mean[0] + np.nanmean(folds - defaults, axis=0)
    return np.where(np.isnan(folds).any(axis=0), comparable, mean)
