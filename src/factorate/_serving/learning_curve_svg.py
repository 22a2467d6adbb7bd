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
DASHES = ' stroke-dasharray="5 3"'


def learning_curve_svg(history: Mapping[str, NDArray[Any]], best_epoch: int) -> str:
    """Draw the RMSE by epoch, or the loss and the validation NDCG, as an SVG element.

    Text has the color of the page and nothing has a background, which suits light and dark themes.

    Parameters
    ----------
    history : mapping of str to ndarray
        Columns "epoch", "train_rmse" and "valid_rmse", or "epoch", "loss" and "valid_ndcg"; the
        last is NaN without validation data. The loss has its scale on the left, the NDCG on the
        right.
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
    curve, title = (_loss_curve, "loss") if "loss" in history else (_rmse_curve, "RMSE")
    shapes = curve(history, best_epoch)
    if not len(epochs) or not shapes:
        return ""
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Learning curve: {title} by epoch" font-family="sans-serif" font-size="11">'
        f"{''.join(shapes)}</svg>"
    )


def _rmse_curve(history: Mapping[str, NDArray[Any]], best_epoch: int) -> list[str]:
    """Draw the errors of training and validation on one scale, with a legend."""
    epochs = history["epoch"]
    lines = {"training": history["train_rmse"], "validation": history["valid_rmse"]}
    lines = {name: errors for name, errors in lines.items() if np.isfinite(errors).any()}
    if not lines:
        return []
    domain = _domain(*lines.values())
    x = _across(epochs, RIGHT)
    shapes = [_axes(RIGHT), _epoch_labels(epochs, RIGHT), _text(LEFT - 4, 12, "RMSE", "end")]
    shapes.append(_value_labels(domain, LEFT - 10, "end"))
    legend = WIDTH - RIGHT
    for name, errors in reversed(lines.items()):
        y = _upwards(errors, domain)
        dashes = DASHES if name == "training" else ""
        shapes.append(_line(x, y, dashes))
        if name == list(lines)[-1]:
            shapes.append(_mark(x, y, best_epoch))
        start = legend - 6 * len(name)
        shapes.append(_text(legend, 12, name, anchor="end"))
        shapes.append(_key(start - 26, dashes))
        legend = start - 40
    return shapes


def _loss_curve(history: Mapping[str, NDArray[Any]], best_epoch: int) -> list[str]:
    """Draw the loss and, if there is any, the validation NDCG, each on a scale of its own."""
    epochs, loss, ndcg = (history[name] for name in ("epoch", "loss", "valid_ndcg"))
    if not np.isfinite(loss).any():
        return []
    validated = bool(np.isfinite(ndcg).any())
    right = LEFT if validated else RIGHT
    x, domain = _across(epochs, right), _domain(loss)
    y = _upwards(loss, domain)
    shapes = [_axes(right), _epoch_labels(epochs, right), _value_labels(domain, LEFT - 10, "end")]
    shapes += [_line(x, y, DASHES), _text(LEFT - 10, 12, "loss", "end"), _key(LEFT - 4, DASHES)]
    if validated:
        domain = _domain(ndcg)
        y = _upwards(ndcg, domain)
        shapes += [_line(x, y, ""), _value_labels(domain, WIDTH - right + 6, "start")]
        shapes += [_text(WIDTH - 4, 12, "NDCG@10", "end"), _key(WIDTH - 84, "")]
    return [*shapes, _mark(x, y, best_epoch)]


def _domain(*lines: NDArray[Any]) -> tuple[float, float]:
    """Return the lowest and the highest finite value."""
    finite = np.concatenate([values[np.isfinite(values)] for values in lines])
    return float(finite.min()), float(finite.max())


def _across(epochs: NDArray[Any], right: int) -> NDArray[np.float64]:
    if not len(epochs):
        return np.empty(0)
    return _scale(epochs, (float(epochs[0]), float(epochs[-1])), (LEFT, WIDTH - right))


def _upwards(values: NDArray[Any], domain: tuple[float, float]) -> NDArray[np.float64]:
    return _scale(values, domain, (HEIGHT - BOTTOM, TOP))


def _scale(
    values: NDArray[Any], domain: tuple[float, float], pixels: tuple[float, float]
) -> NDArray[np.float64]:
    """Map a domain to pixels; a domain of a single number to their middle."""
    (low, high), (first, last) = domain, pixels
    if low == high:
        return np.full(len(values), (first + last) / 2)
    return first + (values - low) / (high - low) * (last - first)


def _axes(right: int) -> str:
    bottom = HEIGHT - BOTTOM + 6
    return (
        f'<path d="M{LEFT - 6} {TOP - 4}V{bottom}H{WIDTH - right + 4}" fill="none" '
        f'stroke="currentColor" stroke-opacity="0.4"/>'
    )


def _epoch_labels(epochs: NDArray[Any], right: int) -> str:
    """Label the horizontal axis with the first and the last epoch."""
    if not len(epochs):
        return ""
    middle, y = (LEFT + WIDTH - right) / 2, HEIGHT - BOTTOM + 20
    if len(epochs) == 1:
        return _text(middle, y, f"epoch {epochs[0]}")
    ends = _text(LEFT, y, str(epochs[0])) + _text(WIDTH - right, y, str(epochs[-1]))
    return ends + _text(middle, y, "epoch")


def _value_labels(domain: tuple[float, float], x: float, anchor: str) -> str:
    """Label a vertical axis with the lowest and the highest value."""
    values = np.array(list(dict.fromkeys(domain)))
    places = zip(values.tolist(), _upwards(values, domain).tolist(), strict=True)
    return "".join(_text(x, y + 4, _short(value), anchor) for value, y in places)


def _short(value: float) -> str:
    """Return a number with four digits and at most seven characters.

    Examples
    --------
    >>> _short(0.91234), _short(9876.54), _short(98765.4), _short(1.2e14)
    ('0.9123', '9877', '98.77k', '1.2e+14')
    """
    if value >= 1e4:
        for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if factor <= value < 1e4 * factor:
                return f"{value / factor:.4g}{suffix}"
        return f"{value:.2g}"
    return f"{value:.4g}"


def _key(x: float, dashes: str) -> str:
    return f'<path d="M{x} 8h22" stroke="{COLOR}" stroke-width="2"{dashes}/>'


def _mark(x: NDArray[Any], y: NDArray[Any], best_epoch: int) -> str:
    """Mark the best epoch on a line."""
    at = best_epoch - 1
    if not 0 <= at < len(x) or not np.isfinite(y[at]):
        return ""
    return f'<circle cx="{x[at]:.1f}" cy="{y[at]:.1f}" r="3.5" fill="{COLOR}"/>'


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
