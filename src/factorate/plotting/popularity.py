"""PopularityDisplay: numbers of ratings by rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from factorate._utils.validation import check_numeric
from factorate.plotting._axes import choose_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import ArrayLike

    from factorate.base import FactorModel

KINDS = ("items", "users")


class PopularityDisplay:
    """Number of ratings of each item against its rank, from the most to the least rated.

    Both axes are logarithmic. A straight line is a power law, the long tail of most catalogues. A
    point marks how many items have half of all ratings.

    Use `from_estimator` to draw the items or users of a fitted model.

    Parameters
    ----------
    counts : array-like of shape (n,)
        Number of ratings of each item, in any order. Items without ratings are not drawn.
    kind : {"items", "users"}, default="items"
        What is counted.
    name : str or None, default=None
        Name in the legend. None is the `kind`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last drawing.
    figure_ : matplotlib Figure
        Figure of the last drawing.
    line_ : matplotlib Line2D
        Number of ratings by rank.
    half_ : matplotlib Line2D
        The point up to which there are half of the ratings.

    See Also
    --------
    ItemMapDisplay : Two-dimensional map of the items.

    Examples
    --------
    >>> import factorate as ft
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> model = ft.MatrixFactorization(8, random_state=0)
    >>> _ = model.fit(ft.datasets.synthetic(5000, 200, 100))
    >>> display = ft.PopularityDisplay.from_estimator(model)
    >>> display.ax_.get_xscale(), display.ax_.get_xlabel()
    ('log', 'rank')
    """

    ax_: Axes
    figure_: Figure
    line_: Line2D
    half_: Line2D

    def __init__(self, counts: ArrayLike, kind: str = "items", name: str | None = None) -> None:
        self.counts = counts
        self.kind = kind
        self.name = name
        self._artists: list[Any] = []
        self._color: Any = None

    @classmethod
    def from_estimator(
        cls,
        estimator: FactorModel,
        *,
        kind: str = "items",
        name: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the number of ratings of the items or users of a fitted model.

        Parameters
        ----------
        estimator : MatrixFactorization
            A fitted model.
        kind : {"items", "users"}, default="items"
            What to count. Several ratings of an item by the same user count once.
        name : str or None, default=None
            Name in the legend. None is the `kind`.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates new ones.

        Returns
        -------
        PopularityDisplay
            The display that was drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError
            If `kind` has another value, or the model was fitted with ``keep_seen=False``.
        ImportError
            If matplotlib is not installed.
        """
        seen = estimator._require().seen
        if seen is None:
            raise ValueError(
                "the items that users have rated were not stored (keep_seen=False), so they cannot "
                "be counted; fit with keep_seen=True, or pass counts to PopularityDisplay"
            )
        if kind == "users":
            return cls(np.diff(seen.starts), kind, name).plot(ax)
        counts = np.bincount(seen.items, minlength=len(estimator.items_))
        return cls(counts, kind, name).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the numbers of ratings.

        If the display has already been drawn on the same axes, the new drawing replaces the old
        one.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None reuses the axes of the last drawing, or creates new ones.

        Returns
        -------
        PopularityDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `kind` has another value, or all counts are 0.
        ImportError
            If matplotlib is not installed.
        """
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; expected 'items' or 'users'")
        counts = np.asarray(self.counts)
        check_numeric(counts, "counts")
        counts = -np.sort(-counts.ravel()[counts.ravel() > 0].astype(np.int64))
        if not len(counts):
            raise ValueError("no count is above 0; there is nothing to draw")
        ranks = np.arange(1, len(counts) + 1)
        half = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
        ax = choose_axes(self, ax, self._artists)
        name = self.name or self.kind
        marker = "." if len(counts) == 1 else ""
        (self.line_,) = ax.plot(ranks, counts, marker=marker, color=self._color, label=name)
        self._color = self.line_.get_color()
        share = 100 * (half + 1) / len(counts)
        (self.half_,) = ax.plot(
            ranks[half],
            counts[half],
            "o",
            color=self._color,
            label=f"half of the ratings: {half + 1:,} {self.kind} ({share:.2g} %)",
        )
        self._artists = [self.line_, self.half_]
        ax.set(xscale="log", yscale="log", xlabel="rank", ylabel="number of ratings")
        ax.legend(loc="lower left")  # the lines fall to the right
        return self
