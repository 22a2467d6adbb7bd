"""ImplicitFold: interactions that are held out, and the NDCG of settings on them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate._fitted.implicit_fit import InteractionData, read_training_interactions
from factorate._training.als import train_als
from factorate._training.implicit_settings import ImplicitSettings, check_implicit_settings
from factorate._tuning.implicit_folds import (
    ImplicitFold,
    make_implicit_folds,
    score_implicit_fold,
)
from factorate.metrics.validation_ndcg import make_validator

PARAMETERS = ft.ImplicitMatrixFactorization(4, 3, random_state=5).get_params()


@pytest.fixture
def counted(columns: Any) -> tuple[Any, Any, Any]:
    return columns[0], columns[1], np.ceil(columns[2])


def folds(data: Any, n_folds: int | None = 4, **options: Any) -> list[ImplicitFold]:
    given = read_training_interactions(PARAMETERS, InteractionData(data))
    return make_implicit_folds(given, make_validator, n_folds, 3, **options)


def settings(**changes: Any) -> ImplicitSettings:
    return check_implicit_settings({**PARAMETERS, **changes}, 5)


def pairs(fold: ImplicitFold) -> tuple[Any, Any]:
    training = fold.training
    users = np.repeat(np.arange(training.shape[0]), np.diff(training.user_starts))
    return users, training.user_items


@pytest.mark.parametrize("n_folds", [None, 2, 5])
def test_each_interaction_is_held_out_of_one_fold(columns: Any, n_folds: int | None) -> None:
    found = folds(columns[:2], n_folds)
    assert len(found) == (n_folds or 10)
    n_held_out = np.zeros((60, 80), int)
    n_held_out[columns[:2]] = len(found)
    for fold in found:
        n_held_out[pairs(fold)] -= 1
        assert fold.fraction == fold.training.n_pairs / 3000
    assert (n_held_out[columns[:2]] == 1).all()
    assert n_held_out.sum() == 3000


@pytest.mark.parametrize(("n", "expected"), [(20, 10), (50_000, 6), (300_000, 1)])
def test_large_data_needs_few_folds(n: int, expected: int) -> None:
    events = np.arange(n)
    assert len(folds((events % 7, events // 7 % 50), None)) == expected


@pytest.mark.parametrize("alpha", [None, 0.5])
@pytest.mark.parametrize("unobserved_weight", [None, 0.3])
def test_the_score_is_the_ndcg_of_a_model_of_the_training_interactions(
    counted: Any, alpha: float | None, unobserved_weight: float | None
) -> None:
    users, items, counts = counted
    fold = folds(counted)[1]
    chosen = {"alpha": alpha, "unobserved_weight": unobserved_weight}
    score = score_implicit_fold(fold, settings(**chosen))
    held_out = np.ones((60, 80), np.bool)
    held_out[pairs(fold)] = False
    held_out = held_out[users, items]
    if unobserved_weight is not None:
        chosen["unobserved_weight"] = unobserved_weight * fold.fraction
    model = ft.ImplicitMatrixFactorization(**{**PARAMETERS, **chosen})
    model.fit((users[~held_out], items[~held_out], counts[~held_out]))
    expected = model.evaluate((users[held_out], items[held_out]))["ndcg"]
    assert score.metric == pytest.approx(expected, rel=1e-12)
    assert score.loss == 1 - score.metric
    assert score.seconds > 0


def test_the_order_and_the_number_of_threads_do_not_matter(counted: Any) -> None:
    order = np.random.default_rng(0).permutation(3000)
    shuffled = tuple(column[order] for column in counted)
    for one, other in zip(folds(counted), folds(shuffled), strict=True):
        expected = score_implicit_fold(one, settings(n_threads=1))
        assert score_implicit_fold(other, settings(n_threads=3))[:2] == expected[:2]


def test_of_very_many_users_some_are_validated_on(columns: Any) -> None:
    few, again, all_users = (
        folds(columns[:2], max_users=max_users)[0] for max_users in (20, 20, 1000)
    )
    assert len(few.lists.starts) == 21
    assert len(all_users.lists.starts) == 61
    assert score_implicit_fold(few, settings())[:2] == score_implicit_fold(again, settings())[:2]
    assert score_implicit_fold(few, settings()).metric != pytest.approx(
        score_implicit_fold(all_users, settings()).metric
    )


def test_users_without_training_interactions_are_left_out() -> None:
    """A user with one interaction is validated on in no fold."""
    users, items = np.repeat(np.arange(10), 6), np.tile(np.arange(6), 10)
    users, items = np.append(users, [10]), np.append(items, [3])
    for fold in folds((users, items), 3):
        assert len(fold.lists.starts) - 1 <= 10
        assert (np.diff(fold.lists.starts) > 0).all()


def test_an_eval_set_is_the_only_fold(columns: Any) -> None:
    known, recent = (
        tuple(c[part] for c in columns[:2]) for part in (slice(2700), slice(2700, None))
    )
    data = InteractionData(known, eval_set=recent)
    (fold,) = make_implicit_folds(
        read_training_interactions(PARAMETERS, data), make_validator, None, 3
    )
    assert fold.fraction == 1
    assert fold.training.n_pairs == 2700
    model = ft.ImplicitMatrixFactorization(**PARAMETERS).fit(known)
    score = score_implicit_fold(fold, settings())
    assert score.metric == pytest.approx(model.evaluate(recent)["ndcg"], rel=1e-12)


@pytest.mark.parametrize("side", [0, 1])
def test_factors_that_are_not_finite_have_an_infinite_loss(
    columns: Any, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*arguments: Any) -> Any:
        factors = train_als(*arguments)
        factors[side][3, 2] = np.nan
        return factors

    monkeypatch.setattr("factorate._tuning.implicit_folds.train_als", diverge)
    score = score_implicit_fold(folds(columns[:2])[0], settings())
    assert (score.loss, score.metric) == (math.inf, -math.inf)
