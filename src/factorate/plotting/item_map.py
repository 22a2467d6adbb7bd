"""ItemMapDisplay: two-dimensional map of the items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from factorate._fitted.rating_state import RatingState
from factorate._input.id_to_row import rows_of
from factorate._training.factors import require_factors
from factorate._utils.validation import check_count, show
from factorate.plotting._axes import choose_axes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from numpy.typing import ArrayLike, NDArray

    from factorate._utils.types import Floats
    from factorate.base import FactorModel

CANDIDATES_PER_LABEL = 10  # because those that would overlap others are not drawn


class ItemMapDisplay:
    """Two-dimensional map of the items: the first two principal components of their factors.

    Items that the same users like are close to each other. Only distances and directions matter:
    the single factors have no meaning, because rotating those of users and items together changes
    no prediction. Koren, Bell and Volinsky draw such a map of films [1]_.

    Use `from_estimator` to draw the items of a fitted model.

    Parameters
    ----------
    positions : ndarray of shape (n, 2)
        Principal components of each item.
    biases : ndarray of shape (n,) or None, default=None
        Biases of the items, which are their colors. None draws all in one color.
    labels : mapping of int to str, default=None
        Texts by row of `positions`. Where two would overlap, the one that comes first in the
        mapping is drawn. None draws none.
    explained_variance_ratio : tuple of float or None, default=None
        Fractions of the variance of the factors that the two components have.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the last drawing.
    figure_ : matplotlib Figure
        Figure of the last drawing.
    scatter_ : matplotlib PathCollection
        Points of the items.
    texts_ : list of matplotlib Annotation
        Labels that were drawn.
    colorbar_ : matplotlib Colorbar or None
        Scale of the biases.

    See Also
    --------
    MatrixFactorization.similar_items : The closest items by all factors.

    References
    ----------
    .. [1] Y. Koren, R. Bell and C. Volinsky, "Matrix Factorization Techniques for Recommender
       Systems", IEEE Computer 42(8), 2009, figure 3.

    Examples
    --------
    >>> import factorate as ft
    >>> import matplotlib
    >>> matplotlib.use("agg")
    >>> model = ft.MatrixFactorization(8, random_state=0)
    >>> _ = model.fit(ft.datasets.synthetic(5000, 200, 100))
    >>> display = ft.ItemMapDisplay.from_estimator(model, n_labels=3)
    >>> len(display.texts_)
    3
    """

    ax_: Axes
    figure_: Figure
    scatter_: PathCollection
    texts_: list[Annotation]
    colorbar_: Colorbar | None

    def __init__(
        self,
        positions: NDArray[Any],
        biases: NDArray[Any] | None = None,
        labels: Mapping[int, str] | None = None,
        explained_variance_ratio: tuple[float, float] | None = None,
    ) -> None:
        self.positions = positions
        self.biases = biases
        self.labels = labels
        self.explained_variance_ratio = explained_variance_ratio
        self._artists: list[Any] = []

    @classmethod
    def from_estimator(
        cls,
        estimator: FactorModel,
        *,
        items: ArrayLike | None = None,
        labels: Mapping[Any, str] | None = None,
        n_labels: int = 10,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the items of a fitted model.

        Parameters
        ----------
        estimator : MatrixFactorization
            A fitted model.
        items : array-like of shape (n,), default=None
            Ids of the items to draw; None for all. The components are always those of all items.
        labels : mapping of id to str, default=None
            Texts of the items, such as titles; the ids of items without one are drawn.
        n_labels : int, default=10
            Maximum number of labels to draw: for the most rated items, or with ``keep_seen=False``
            those farthest from the centre. Labels that would overlap others are left out.
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None creates new ones.

        Returns
        -------
        ItemMapDisplay
            The display that was drawn.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError, ValueError
            If an item is unknown, an argument is invalid, or the model has no factors.
        ImportError
            If matplotlib is not installed.
        """
        fitted = estimator._require()
        n_labels = check_count("n_labels", n_labels, 0)
        ids, rows = rows_of(items, fitted.item_index, "items")
        if not len(rows):
            raise ValueError("there are no items to draw; expected at least one")
        if (rows < 0).any():
            at = int(np.argmin(rows))
            raise ValueError(f"items[{at}] is {show(ids[at])}, which is not an item of the model")
        factors = require_factors(fitted.factors.item_factors, "maps of items")
        positions, explained = principal_components(factors)
        positions = positions[rows]
        if fitted.seen is None:
            importance = np.square(positions).sum(axis=1)
        else:
            counts = np.bincount(fitted.seen.items, minlength=len(fitted.item_index.ids))
            importance = counts[rows].astype(np.float64)
        first = np.argsort(-importance, kind="stable")[: CANDIDATES_PER_LABEL * n_labels]
        names = [ids[row].item() if isinstance(ids[row], np.generic) else ids[row] for row in first]
        texts = {
            int(row): str((labels or {}).get(name, name))
            for row, name in zip(first, names, strict=True)
        }
        has_biases = isinstance(fitted, RatingState) and fitted.rule.fit_bias
        biases = fitted.factors.item_bias[rows] if has_biases else None
        return cls(positions, biases, texts, explained).plot(ax, n_labels=n_labels)

    def plot(self, ax: Axes | None = None, *, n_labels: int = 10) -> Self:
        """Draw the map.

        If the display has already been drawn on the same axes, the new drawing replaces the old
        one.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Axes to draw on. None reuses the axes of the last drawing, or creates new ones.
        n_labels : int, default=10
            Maximum number of labels to draw.

        Returns
        -------
        ItemMapDisplay
            The display itself.

        Raises
        ------
        TypeError, ValueError
            If `n_labels` is not an integer ≥ 0.
        ImportError
            If matplotlib is not installed.
        """
        n_labels = check_count("n_labels", n_labels, 0)
        colorbar = vars(self).get("colorbar_")
        if colorbar is not None and ax in {None, self.ax_}:
            colorbar.remove()
        ax = choose_axes(self, ax, self._artists)
        x, y = np.transpose(self.positions)
        size = float(np.clip(2000 / len(x), 4, 30))
        self.colorbar_ = None
        if self.biases is None:
            self.scatter_ = ax.scatter(x, y, s=size, alpha=0.7, linewidth=0)
        else:
            limit = float(np.abs(self.biases).max()) or 1.0
            self.scatter_ = ax.scatter(
                x, y, s=size, c=self.biases, cmap="coolwarm", vmin=-limit, vmax=limit
            )
            self.colorbar_ = self.figure_.colorbar(self.scatter_, ax=ax, label="item bias")
        names = [f"component {number}" for number in (1, 2)]
        if self.explained_variance_ratio is not None:
            percentages = [100 * ratio for ratio in self.explained_variance_ratio]
            names = [
                f"{name}: {percent:.0f} % of the variance"
                for name, percent in zip(names, percentages, strict=True)
            ]
        ax.set(xlabel=names[0], ylabel=names[1], aspect="equal", adjustable="datalim")
        ax.autoscale_view()
        self.texts_ = self._draw_labels(ax, n_labels)
        labelled = np.reshape([text.xy for text in self.texts_], (-1, 2)).T
        color = ax.xaxis.label.get_color()  # that of text, in dark styles too
        (rings,) = ax.plot(*labelled, "o", ms=size**0.5 + 3, mfc="none", mec=color, mew=0.8)
        self._artists = [self.scatter_, rings, *self.texts_]
        return self

    def _draw_labels(self, ax: Axes, n_labels: int) -> list[Annotation]:
        """Draw labels one by one, without those that overlap an earlier one."""
        from matplotlib.patheffects import withStroke

        outline = withStroke(linewidth=2.5, foreground=ax.get_facecolor())
        drawn: list[Annotation] = []
        boxes: list[Any] = []
        for row, label in (self.labels or {}).items():
            if len(drawn) >= n_labels:
                break
            text = ax.annotate(
                label.replace("$", r"\$"),
                self.positions[row],
                xytext=(5, 4),
                textcoords="offset points",
                fontsize="small",
                path_effects=[outline],
            )
            box = text.get_window_extent()
            if any(box.overlaps(other) for other in boxes):
                text.remove()
            else:
                drawn.append(text)
                boxes.append(box)
        return drawn


def principal_components(factors: Floats) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Return the first two principal components of rows, and their fractions of the variance.

    The sign of a component is that for which its largest entry is above 0.

    Parameters
    ----------
    factors : ndarray of shape (n, K)
        One row for each item.

    Returns
    -------
    components : ndarray of shape (n, 2)
        Principal components of each row. With a single factor, the second is 0.
    fractions : tuple of float
        Fractions of the variance of the rows that the two components have.

    Examples
    --------
    >>> rows = np.array([[-1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.5, 1.0], [0.0, -0.5, 1.0]])
    >>> components, explained = principal_components(rows)
    >>> np.abs(components).round(3).tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 0.5], [0.0, 0.5]]
    >>> np.round(explained, 3).tolist()
    [0.8, 0.2]
    """
    centred = factors - factors.mean(axis=0, dtype=np.float64)
    directions = np.linalg.eigh(centred.T @ centred)[1]  # ascending variance
    components = np.zeros((len(factors), 2))
    found = centred @ directions[:, :-3:-1]  # the largest two, or one if there is one factor
    components[:, : found.shape[1]] = found
    largest = np.abs(components).argmax(axis=0)
    components *= np.where(components[largest, [0, 1]] < 0, -1, 1)
    spread = np.square(components).sum(axis=0) / (np.square(centred).sum() or 1.0)
    return components, (float(spread[0]), float(spread[1]))
