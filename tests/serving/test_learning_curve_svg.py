"""learning_curve_svg draws errors by epoch without matplotlib."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from factorate._serving.learning_curve_svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MAX_POINTS,
    RIGHT,
    TOP,
    WIDTH,
    learning_curve_svg,
)


def lines(svg: str) -> list[list[tuple[float, float]]]:
    """Return the points of each line."""
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in points.split(" "))]
        for points in re.findall(r'<polyline points="([^"]*)"', svg)
    ]


def marks(svg: str) -> list[tuple[float, float]]:
    """Return the centres of the circles."""
    found = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg)
    return [(float(x), float(y)) for x, y in found]


def history(train: list[float], valid: list[float] | None = None) -> dict[str, Any]:
    n = len(train)
    return {
        "epoch": np.arange(1, n + 1),
        "train_rmse": np.array(train),
        "valid_rmse": np.array([np.nan] * n if valid is None else valid),
    }


def test_lines_fill_the_area_between_the_axes() -> None:
    svg = learning_curve_svg(history([4.0, 2.0, 1.0], [3.0, 2.5, 2.0]), 3)
    validation, training = lines(svg)
    ends = [training[0], training[-1]]
    assert ends == [(LEFT, TOP), (WIDTH - RIGHT, HEIGHT - BOTTOM)]
    assert [y for _, y in validation] == sorted(y for _, y in validation)
    assert svg.count("stroke-dasharray") == 2  # the training line, and its key
    assert marks(svg) == [validation[-1]]


def test_without_validation_only_the_training_line_is_drawn() -> None:
    svg = learning_curve_svg(history([2.0, 1.0]), 2)
    assert len(lines(svg)) == 1
    assert "validation" not in svg
    assert {"2", "1", "RMSE", "training"} <= set(re.findall(r">([^<]+)</text>", svg))


def test_equal_errors_and_single_epochs_are_in_the_middle() -> None:
    svg = learning_curve_svg(history([1.5, 1.5]), 2)
    middle = (TOP + HEIGHT - BOTTOM) / 2
    assert [y for _, y in lines(svg)[0]] == [middle, middle]
    single = learning_curve_svg(history([1.5]), 1)
    assert f'cx="{(LEFT + WIDTH - RIGHT) / 2:.1f}" cy="{middle:.1f}"' in single
    assert "epoch 1" in single


def test_long_histories_are_thinned_and_keep_both_ends() -> None:
    (line,) = lines(learning_curve_svg(history(np.linspace(2, 1, 5000).tolist()), 5000))
    assert len(line) == MAX_POINTS
    assert (line[0][0], line[-1][0]) == (LEFT, WIDTH - RIGHT)


def implicit_history(loss: list[float], ndcg: list[float] | None = None) -> dict[str, Any]:
    n = len(loss)
    return {
        "epoch": np.arange(1, n + 1),
        "loss": np.array(loss),
        "valid_ndcg": np.array([np.nan] * n if ndcg is None else ndcg),
    }


def test_loss_and_ndcg_each_fill_the_area_between_their_own_axes() -> None:
    svg = learning_curve_svg(implicit_history([900.0, 500.0, 400.0], [0.1, 0.3, 0.2]), 2)
    loss, ndcg = lines(svg)
    right = WIDTH - LEFT
    assert [loss[0], loss[-1]] == [(LEFT, TOP), (right, HEIGHT - BOTTOM)]
    assert ndcg[:1] == [(LEFT, HEIGHT - BOTTOM)]
    assert ndcg[1][1] == TOP
    assert marks(svg) == [ndcg[1]]
    assert svg.count("stroke-dasharray") == 2  # the loss, and its key
    shown = set(re.findall(r">([^<]+)</text>", svg))
    assert shown == {"400", "900", "0.1", "0.3", "1", "epoch", "3", "loss", "NDCG@10"}
    assert 'aria-label="Learning curve: loss by epoch"' in svg


def test_without_validation_the_loss_alone_is_drawn() -> None:
    svg = learning_curve_svg(implicit_history([900.0, 500.0]), 2)
    (loss,) = lines(svg)
    assert loss[1:] == [(WIDTH - RIGHT, HEIGHT - BOTTOM)]
    assert marks(svg) == [loss[1]]
    assert "NDCG" not in svg


def test_an_empty_history_has_no_curve() -> None:
    assert learning_curve_svg(history([]), 0) == ""
