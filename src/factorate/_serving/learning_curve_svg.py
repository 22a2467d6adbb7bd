"""learning_curve_svg: a small learning curve as SVG, drawn without matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

WIDTH, HEIGHT = 300, 150
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 26, 32  # margins
MAX_POINTS = 100  # of a line; more could not be distinguished
COLOR = "#3b8ede"  # has a contrast above 3 to white and to black


def learning_curve_svg(history: Mapping[str, NDArray[Any]], best_epoch: int) -> str:
    """Draw the RMSE by epoch as an SVG element.

    Text has the color of the page and nothing has a background, which suits light and dark themes.

    Parameters
    ----------
    history : mapping of str to ndarray
        Columns "epoch", "train_rmse" and "valid_rmse"; the last is NaN without validation ratings.
    best_epoch : int
        Epoch to mark, counted from 1.

    Returns
    -------
    str
        The element; an empty string if there are no epochs.

    Examples
    --------
    >>> history = {"epoch": np.array([1, 2]), "train_rmse": np.array([1.0, 0.5])}
    >>> learning_curve_svg(history | {"valid_rmse": np.array([1.0, 0.75])}, 2)[:4]
    '<svg'
    """
    epochs = history["epoch"]
    lines = {"training": history["train_rmse"], "validation": history["valid_rmse"]}
    lines = {name: errors for name, errors in lines.items() if np.isfinite(errors).any()}
    if not len(epochs) or not lines:
        return ""
    finite = np.concatenate([errors[np.isfinite(errors)] for errors in lines.values()])
    low, high = float(finite.min()), float(finite.max())
    x = _scale(epochs, (float(epochs[0]), float(epochs[-1])), (LEFT, WIDTH - RIGHT))
    shapes = [_axes(), _labels(epochs, low, high)]
    legend = WIDTH - RIGHT
    for name, errors in reversed(lines.items()):
        y = _scale(errors, (low, high), (HEIGHT - BOTTOM, TOP))
        dashes = ' stroke-dasharray="5 3"' if name == "training" else ""
        shapes.append(_line(x, y, dashes))
        if name == list(lines)[-1] and 1 <= best_epoch <= len(epochs):
            at = best_epoch - 1
            shapes.append(f'<circle cx="{x[at]:.1f}" cy="{y[at]:.1f}" r="3.5" fill="{COLOR}"/>')
        start = legend - 6 * len(name)
        shapes.append(_text(legend, 12, name, anchor="end"))
        shapes.append(
            f'<path d="M{start - 26} 8H{start - 4}" stroke="{COLOR}" stroke-width="2"{dashes}/>'
        )
        legend = start - 40
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Learning curve: RMSE by epoch" font-family="sans-serif" font-size="11">'
        f"{''.join(shapes)}</svg>"
    )


def _scale(
    values: NDArray[Any], domain: tuple[float, float], pixels: tuple[float, float]
) -> NDArray[np.float64]:
    """Map a domain to pixels; a domain of a single number to their middle."""
    (low, high), (first, last) = domain, pixels
    if low == high:
        return np.full(len(values), (first + last) / 2)
    return first + (values - low) / (high - low) * (last - first)


def _axes() -> str:
    bottom = HEIGHT - BOTTOM + 6
    return (
        f'<path d="M{LEFT - 6} {TOP - 4}V{bottom}H{WIDTH - RIGHT + 4}" fill="none" '
        f'stroke="currentColor" stroke-opacity="0.4"/>'
    )


def _labels(epochs: NDArray[Any], low: float, high: float) -> str:
    """Label the axes with the first and last epoch, and the lowest and highest error."""
    middle, bottom = (LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM
    labels = [_text(LEFT - 4, 12, "RMSE", "end")]
    if len(epochs) == 1:
        labels.append(_text(middle, bottom + 20, f"epoch {epochs[0]}"))
    else:
        labels.append(_text(LEFT, bottom + 20, str(epochs[0])))
        labels.append(_text(middle, bottom + 20, "epoch"))
        labels.append(_text(WIDTH - RIGHT, bottom + 20, str(epochs[-1])))
    for error in dict.fromkeys((low, high)):
        (y,) = _scale(np.array([error]), (low, high), (bottom, TOP))
        labels.append(_text(LEFT - 10, y + 4, f"{error:.4g}", "end"))
    return "".join(labels)


def _line(x: NDArray[Any], y: NDArray[Any], dashes: str) -> str:
    shown = np.flatnonzero(np.isfinite(y))
    if len(shown) > MAX_POINTS:
        shown = shown[np.linspace(0, len(shown) - 1, MAX_POINTS).round().astype(int)]
    if len(shown) == 1:
        return f'<circle cx="{x[shown[0]]:.1f}" cy="{y[shown[0]]:.1f}" r="2.5" fill="{COLOR}"/>'
    points = " ".join(f"{x[at]:.1f},{y[at]:.1f}" for at in shown)
    return (
        f'<polyline points="{points}" fill="none" stroke="{COLOR}" stroke-width="2" '
        f'stroke-linejoin="round"{dashes}/>'
    )


def _text(x: float, y: float, label: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor">{label}</text>'
    )
