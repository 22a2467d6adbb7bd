"""Losses: the ratings they accept, their centre and scale, and their mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate._training.losses import (
    TWO_VALUED,
    centre_and_scale,
    check,
    mean_loss,
)
from factorate._training.update_rule import LOSSES, UpdateRule

ONES_AND_FIVES = np.array([1.0, 5.0, 5.0, 1.0])
STARS = np.array([1.0, 2.0, 2.0, 5.0])


class InSlices:
    """Numbers that can only be read in slices, as those in a file."""

    def __init__(self, numbers: Any) -> None:
        self._numbers = numbers
        self.dtype = numbers.dtype

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, span: slice) -> Any:
        return self._numbers[span].copy()


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("squared", (0.5 + 0.125) / 2),
        ("absolute", 0.75),
        ("huber", ((1 - 0.3) * 0.6 + 0.5**2 / 2) / 2),
        ("logistic", (np.log1p(np.exp(-2)) + np.log1p(np.exp(0.5))) / 2),
        ("hinge", (0 + 1.5) / 2),
        ("squared_hinge", (0 + 1.5**2 / 2) / 2),
    ],
)
def test_mean_losses_by_hand(loss: str, expected: float) -> None:
    ratings, predicted = np.array([1.0, -1.0]), np.array([2.0, 0.5])
    if loss not in TWO_VALUED:
        ratings = np.array([1.0, 1.0])
    got = mean_loss(UpdateRule(loss, huber_delta=0.6), ratings, predicted)
    assert got == pytest.approx(expected)


def test_kullback_leibler_is_zero_at_the_ratings_and_finite_for_zeros() -> None:
    rule = UpdateRule("kullback_leibler", nonnegative=True)
    assert mean_loss(rule, STARS, STARS) == 0
    assert mean_loss(rule, np.array([0.0]), np.array([2.0])) == 2
    assert np.isfinite(mean_loss(rule, STARS, np.zeros(4)))


def test_the_centre_minimizes_the_loss_of_a_constant_prediction() -> None:
    assert centre_and_scale(STARS, UpdateRule(), True) == pytest.approx((2.5, STARS.std()))
    for loss in ("absolute", "huber"):
        assert centre_and_scale(STARS, UpdateRule(loss), True) == pytest.approx((2, STARS.std()))
    assert centre_and_scale(STARS, UpdateRule(), False) == pytest.approx((0, STARS.std()))
    assert centre_and_scale(STARS, UpdateRule(nonnegative=True), True)[0] == 0
    kl = UpdateRule("kullback_leibler", nonnegative=True)
    assert centre_and_scale(STARS, kl, True) == (0, 2.5)
    for loss in TWO_VALUED:
        assert centre_and_scale(ONES_AND_FIVES, UpdateRule(loss), True) == (3, 2)


def test_ratings_for_which_a_loss_is_undefined_raise() -> None:
    for loss in TWO_VALUED:
        with pytest.raises(ValueError, match=r"ratings\[1\] is 2\.0 and others are 1\.0 and 5\.0"):
            check(STARS, UpdateRule(loss))
        with pytest.raises(ValueError, match=r"ratings\[0\] is 3\.0 and all are equal"):
            check(np.full(4, 3.0), UpdateRule(loss))
    with pytest.raises(ValueError, match=r"ratings\[2\] is -3\.0; nonnegative=True"):
        check(np.array([0.0, 1.0, -3.0]), UpdateRule(nonnegative=True))
    with pytest.raises(ValueError, match="all ratings are 0"):
        check(np.zeros(3), UpdateRule("kullback_leibler", nonnegative=True))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_fits_synthetic_ratings(loss: str) -> None:
    """Predictions of unseen ratings are better than those of a constant."""
    users, items, ratings = ft.datasets.synthetic(30_000, 300, 200, n_factors=3, noise=0.3)
    values: Any = ratings - ratings.min()
    if loss in TWO_VALUED:
        values = ratings > np.median(ratings)
    training = users[:27_000], items[:27_000], values[:27_000]
    model = ft.MatrixFactorization(
        8, 20, loss=loss, nonnegative=loss == "kullback_leibler", random_state=0
    ).fit(training)
    predicted = model.predict((users[27_000:], items[27_000:]))
    actual = values[27_000:]
    if loss in TWO_VALUED:
        assert ((predicted > 0.5) == actual).mean() > 0.84
    else:
        assert np.sqrt(np.mean((predicted - actual) ** 2)) < 0.75 * actual.std()


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - TWO_VALUED))
@pytest.mark.parametrize(
    ("dtype", "scale"), [("float32", 1.0), ("float64", 1.0), ("float64", 1e-95), ("float64", 1e95)]
)
@pytest.mark.parametrize("n", [1, 2, 20_001])
def test_numbers_read_in_slices_have_the_same_centre_and_scale(
    loss: str, dtype: str, scale: float, n: int
) -> None:
    values = (scale * np.random.default_rng(0).gamma(2.0, size=n)).astype(dtype)
    rule = UpdateRule(loss, nonnegative=loss == "kullback_leibler")
    assert centre_and_scale(InSlices(values), rule, True) == centre_and_scale(values, rule, True)
