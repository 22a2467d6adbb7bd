"""Continuing a training: learning rates and initial factors of rows that were trained before."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import (
    SMALL,
    make_settings,
    reference_rates_and_penalties,
    scheduled_ratings,
)

import factorate as ft
from factorate import reference
from factorate._input.ratings import Ratings, read_ratings
from factorate._training.block_order import block_order
from factorate._training.continuation import continue_rows
from factorate._training.factors import WarmStart
from factorate._training.learning_rates import learning_rate_factor
from factorate._training.schedule import Schedule, make_schedule
from factorate._training.trainer import Trained, Trainer
from factorate._training.update_rule import UpdateRule

FRACTIONS = st.floats(0, 1)


def read(columns: Any) -> Ratings:
    return read_ratings(columns, dtype=np.dtype(np.float64))


def warm_start(trained: Trained, **changes: Any) -> WarmStart:
    n_users, n_items = len(trained.factors.user_bias), len(trained.factors.item_bias)
    start = WarmStart(
        factors=trained.factors,
        known_users=np.ones(n_users, np.bool),
        known_items=np.ones(n_items, np.bool),
        progress=trained.progress,
    )
    return dataclasses.replace(start, **changes)


def first_part(ratings: Ratings, n: int) -> Ratings:
    return dataclasses.replace(
        ratings,
        user_rows=ratings.user_rows[:n],
        item_rows=ratings.item_rows[:n],
        values=ratings.values[:n],
    )


def test_a_warm_start_agrees_with_the_reference_in_block_order(columns: Any) -> None:
    ratings, settings = read(columns), make_settings(n_epochs=2, sizes=SMALL)
    first = Trainer(first_part(ratings, 2000), settings).train()
    start = warm_start(first)
    trained = Trainer(ratings, settings, warm_start=start).train()

    untrained = dataclasses.replace(settings, n_epochs=0)
    random = Trainer(ratings, untrained).train().factors
    counts = (
        np.bincount(ratings.user_rows).astype(np.float64),
        np.bincount(ratings.item_rows).astype(np.float64),
    )
    (user_rates, user_kept), (item_rates, item_kept) = (
        reference.continue_fit(progress[:, 0], n, progress[:, 1], 2)
        for progress, n in zip(first.progress, counts, strict=True)
    )
    root = np.sqrt(random.scale)
    P, Q = (
        (kept[:, None] * old + (1 - kept[:, None]) * new) / root
        for kept, old, new in (
            (user_kept, first.factors.user_factors, random.user_factors),
            (item_kept, first.factors.item_factors, random.item_factors),
        )
    )
    biases = first.factors.user_bias / random.scale, first.factors.item_bias / random.scale
    schedule = make_schedule(ratings, settings)
    for epoch in (1, 2):
        factor = learning_rate_factor("linear", epoch, 2)
        rates, _ = reference_rates_and_penalties(settings, counts, factor)
        rates = [
            rate * fractions
            for rate, fractions in zip(rates, [user_rates, item_rates] * 2, strict=True)
        ]
        penalties = [
            reference.row_penalties(l2, c, n, rate)
            for l2, c, n, rate in zip(
                settings.l2, settings.shrinkage, counts * 2, rates, strict=True
            )
        ]
        for block in block_order(schedule.n_bands, settings.seed, epoch):
            users, items, values = scheduled_ratings(schedule, block)
            reference.train_epoch(
                users,
                items,
                (values - random.mean) / random.scale,
                P,
                Q,
                *biases,
                rates=rates,
                l2=penalties,
            )
    np.testing.assert_allclose(trained.factors.user_factors, P * root, 1e-8, 1e-11)
    np.testing.assert_allclose(trained.factors.item_factors, Q * root, 1e-8, 1e-11)
    np.testing.assert_allclose(trained.factors.user_bias, biases[0] * random.scale, 1e-8, 1e-11)
    np.testing.assert_allclose(trained.factors.item_bias, biases[1] * random.scale, 1e-8, 1e-11)


@functools.cache
def schedule_and_start() -> tuple[Schedule, WarmStart]:
    """Return a schedule of 60 users, and a warm start from nothing."""
    ratings, settings = read(ft.datasets.synthetic(2000, 60, 90)), make_settings(n_epochs=0)
    return make_schedule(ratings, settings), warm_start(Trainer(ratings, settings).train())


@given(
    rows=st.lists(st.tuples(st.integers(0, 50), FRACTIONS), min_size=60, max_size=60),
    n_epochs=st.integers(0, 20),
)
def test_a_continuation_agrees_with_the_reference(
    rows: list[tuple[int, float]], n_epochs: int
) -> None:
    settings = make_settings(n_epochs=n_epochs)
    schedule, start = schedule_and_start()
    progress = np.array(rows, np.float64)
    start = dataclasses.replace(start, progress=(progress, start.progress[1]))
    same, (users, _) = continue_rows(schedule, settings, start)
    assert same is schedule
    order = schedule.user_order
    rates, kept = reference.continue_fit(
        progress[order, 0], schedule.user_counts, progress[order, 1], n_epochs
    )
    np.testing.assert_allclose(users.scales, rates, 1e-12)
    np.testing.assert_allclose(users.kept, kept, 1e-12, 1e-15)


@pytest.mark.parametrize("schedule", ["linear", "constant", "inverse"])
def test_training_ends_at_the_rate_of_its_last_epoch(columns: Any, schedule: str) -> None:
    ratings, settings = read(columns), make_settings(learning_rate_schedule=schedule)
    last = learning_rate_factor(schedule, 10, 10)
    first = Trainer(ratings, settings).train()
    for side, rows in enumerate((ratings.user_rows, ratings.item_rows)):
        expected = np.column_stack([np.bincount(rows), np.full(max(rows) + 1, last)])
        np.testing.assert_array_equal(first.progress[side], expected)
    second = Trainer(ratings, settings, warm_start=warm_start(first)).train()
    np.testing.assert_allclose(second.progress[0][:, 1], last**2)


def test_an_interrupted_training_ends_at_the_rate_of_its_last_epoch(columns: Any) -> None:
    trainer = Trainer(read(columns), make_settings())
    trainer.run_epochs([lambda epoch: epoch.number == 3])
    assert (trainer.result().progress[0][:, 1] == learning_rate_factor("linear", 3, 10)).all()


def test_repeated_fits_to_the_same_ratings_hardly_change_predictions(columns: Any) -> None:
    ratings, settings = read(columns), make_settings()
    first = Trainer(ratings, settings).train()
    again = Trainer(ratings, settings, warm_start=warm_start(first)).train()
    third = Trainer(ratings, settings, warm_start=warm_start(again)).train()
    from_nothing = np.abs(first.factors.user_bias).max()
    changes = [
        np.abs(after.factors.user_bias - before.factors.user_bias).max()
        for before, after in ((first, again), (again, third))
    ]
    assert changes[0] < 0.2 * from_nothing
    assert changes[1] < 0.2 * changes[0]


def test_fewer_ratings_than_before_count_as_old(columns: Any) -> None:
    ratings, settings = read(columns), make_settings()
    start = warm_start(Trainer(ratings, settings).train())
    part = make_schedule(first_part(ratings, 1500), settings)
    _, (users, items) = continue_rows(part, settings, start)
    for side in (users, items):
        np.testing.assert_allclose(side.scales, 0.1)
        np.testing.assert_array_equal(side.kept, 1)


def test_further_ratings_add_to_those_of_before(columns: Any) -> None:
    ratings = read(columns)
    settings = make_settings(n_epochs=1, learning_rate_schedule="constant")
    start = warm_start(Trainer(ratings, make_settings()).train(), further=True)
    schedule = make_schedule(ratings, settings)
    together, (users, _) = continue_rows(schedule, settings, start)
    np.testing.assert_array_equal(together.user_counts, 2 * schedule.user_counts)
    np.testing.assert_allclose(users.scales, np.sqrt(0.5))
    np.testing.assert_allclose(users.pending, 0.1 + 0.9 * 0.5)
    adagrad = dataclasses.replace(settings, rule=UpdateRule(adagrad=True))
    _, (users, _) = continue_rows(schedule, adagrad, start)
    np.testing.assert_array_equal(users.scales, 1)
