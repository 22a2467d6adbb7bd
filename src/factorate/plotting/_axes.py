"""choose_axes: where a display draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes


def choose_axes(display: Any, ax: Axes | None, artists: Iterable[Any]) -> Axes:
    """Return the axes to draw on, without what the display has drawn on them before.

    Parameters
    ----------
    display : object
        The display; its attributes ``ax_`` and ``figure_`` are set.
    ax : matplotlib Axes or None
        Axes to draw on. None reuses the axes of the last drawing, or creates new ones.
    artists : iterable of matplotlib artists
        What the display has drawn the last time.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'factorate[plot]'") from error
    if ax is None:
        ax = vars(display).get("ax_") or pyplot.subplots(layout="constrained")[1]
    for artist in artists:
        member = artist[0] if isinstance(artist, tuple) else artist  # a container has no axes
        if member.axes is ax:
            artist.remove()
    display.ax_, display.figure_ = ax, ax.get_figure(root=True)
    return ax
