"""Fold: ratings that are held out, and the error of settings for them."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import make_settings

import factorate as ft
from factorate._input.ratings import read_ratings
from factorate._training.held_out import assign_folds
from factorate._training.per_kind import PerKind
from factorate._tuning.folds import Fold, make_folds, score_fold

FLOAT = np.dtype(np.float32)


def read(columns: Any, dtype: Any = FLOAT) -> Any:
    return read_ratings(columns, dtype=np.dtype(dtype))


def pairs(ratings: Any) -> set[tuple[int, int]]:
    return set(zip(ratings.user_rows.tolist(), ratings.item_rows.tolist(), strict=True))


def same(one: Fold, other: Fold) -> None:
    for name in ("user_rows", "item_rows", "values"):
        a, b = getattr(one.held_out, name), getattr(other.held_out, name)
        np.testing.assert_array_equal(a, b)


@given(n=st.integers(2, 200), n_folds=st.integers(1, 10), seed=st.integers(0, 2**64))
def test_folds_are_of_equal_size_in_any_order(n: int, n_folds: int, seed: int) -> None:
    n_folds = min(n, n_folds)
    users, items = np.arange(n, dtype=np.int32), np.arange(n, dtype=np.int32) % 7
    folds = assign_folds(users, items, n_folds, seed)
    sizes = np.bincount(folds, minlength=n_folds)
    assert sizes.max() - sizes.min() <= 1
    back = assign_folds(users[::-1], items[::-1], n_folds, seed)
    np.testing.assert_array_equal(back[::-1], folds)


@pytest.mark.parametrize("n_folds", [None, 2, 5])
def test_every_rating_of_a_fold_is_either_trained_on_or_held_out(
    columns: Any, n_folds: int | None
) -> None:
    ratings = read(columns)
    folds = make_folds(ratings, None, n_folds, seed=3)
    assert len(folds) == (n_folds or 10)
    held_out: set[tuple[int, int]] = set()
    for fold in folds:
        training, held = pairs(fold.training), pairs(fold.held_out)
        assert not training & held
        assert training | held == pairs(ratings)
        assert not held_out & held
        held_out |= held
    assert held_out == pairs(ratings)


def test_all_ratings_of_a_pair_are_in_one_fold() -> None:
    users, items = np.random.default_rng(0).integers(0, 20, (2, 2000))
    for fold in make_folds(read((users, items, np.ones(2000))), None, 4, seed=0):
        assert not pairs(fold.training) & pairs(fold.held_out)


def test_the_order_of_the_ratings_does_not_matter(columns: Any) -> None:
    order = np.random.default_rng(0).permutation(len(columns[0]))
    shuffled = read(tuple(column[order] for column in columns))
    folds = make_folds(read(columns), None, 3, seed=1)
    settings = make_settings(n_epochs=3)
    for one, other in zip(folds, make_folds(shuffled, None, 3, seed=1), strict=True):
        same(one, other)
        a, b = score_fold(one, settings), score_fold(other, settings)
        assert (a.loss, a.metric) == (b.loss, b.metric)


def test_the_seed_chooses_the_folds(columns: Any) -> None:
    one, other = (make_folds(read(columns), None, 2, seed=seed)[0] for seed in (0, 1))
    assert pairs(one.held_out) != pairs(other.held_out)


@pytest.mark.parametrize(("n", "expected"), [(20, 10), (5, 5), (50_000, 2), (100_000, 1)])
def test_large_data_needs_few_folds(n: int, expected: int) -> None:
    users = np.arange(n)
    assert len(make_folds(read((users, users % 50, users % 5)), None, None, seed=0)) == expected


@pytest.mark.parametrize("clip", [False, True])
def test_the_score_is_the_error_of_a_model_of_the_training_ratings(
    columns: Any, clip: bool
) -> None:
    weights = np.random.default_rng(0).uniform(0.5, 2, len(columns[0])).astype(np.float32)
    fold = make_folds(read(columns), weights, 4, seed=0, clip=clip)[1]
    assert fold.weights is not None
    fold = replace(fold, weights=fold.weights / fold.weights.mean())  # as the model does
    settings = make_settings(n_epochs=8)
    score = score_fold(fold, settings)
    model = ft.MatrixFactorization(
        6,
        8,
        learning_rate=settings.rates._asdict(),
        regularization=settings.l2._asdict(),
        shrinkage=settings.shrinkage._asdict(),
        count_scale=settings.count_scale if math.isfinite(settings.count_scale) else None,
        random_state=settings.seed,
        clip=clip,
    )
    training = fold.training
    model.fit((training.user_rows, training.item_rows, training.values), sample_weight=fold.weights)
    held = fold.held_out
    errors = held.values - model.predict((held.user_rows, held.item_rows)).astype(np.float64)
    expected = math.sqrt(np.average(errors**2, weights=held.weights))
    assert score.metric == pytest.approx(expected, rel=1e-5)
    assert score.seconds > 0


def test_training_that_diverges_has_an_infinite_error(columns: Any) -> None:
    fold = make_folds(read(columns), None, 2, seed=0)[0]
    rates = make_settings().rates._replace(user_factors=1e9, item_factors=1e9)
    score = score_fold(fold, make_settings(rates=rates))
    assert math.isinf(score.loss)
    assert math.isinf(score.metric)


def test_trials_that_lower_their_learning_rate_log_no_warning(
    columns: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Regression: a search warned that training diverged, with settings the user did not choose."""
    fold = make_folds(read(columns), None, 2, seed=0)[0]
    fast = make_settings(rates=PerKind(3.0, 3.0, 3.0, 3.0))
    with caplog.at_level(logging.DEBUG, logger="factorate"):
        score_fold(fold, fast)
    assert "training diverged in epoch" in caplog.text
    assert all(record.levelno == logging.DEBUG for record in caplog.records)


@pytest.mark.parametrize("exponent", [-640, 640])
@pytest.mark.parametrize("clip", [False, True])
def test_very_large_and_very_small_ratings_have_an_error_in_their_unit(
    columns: Any, exponent: int, clip: bool
) -> None:
    """Regression: the squares of the errors overflowed, or were 0."""
    users, items, values = columns
    scores = [
        score_fold(
            make_folds(read((users, items, ratings), np.float64), None, 2, 0, clip=clip)[0],
            make_settings(n_epochs=2),
        )
        for ratings in (values.astype(np.float64), np.ldexp(values.astype(np.float64), exponent))
    ]
    assert scores[1].loss == scores[0].loss
    assert math.ldexp(scores[1].metric, -exponent) == pytest.approx(scores[0].metric)
