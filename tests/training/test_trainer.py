"""Trainer: agreement with the reference, bits for any number of threads, divergence, stopping."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
import multiprocessing
import os
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import (
    NAMES,
    SMALL,
    assert_same,
    first_ratings,
    make_settings,
    reference_rates_and_penalties,
    scheduled_ratings,
    times,
)

import factorate as ft
from factorate import reference
from factorate._input.ratings import Ratings, read_ratings
from factorate._training.block_order import block_order
from factorate._training.epoch import Epoch
from factorate._training.epoch_runner import EpochRunner
from factorate._training.factors import predict
from factorate._training.learning_rates import learning_rate_factor
from factorate._training.per_kind import PerKind
from factorate._training.schedule import make_schedule
from factorate._training.settings import Settings
from factorate._training.state import START_WIDTH
from factorate._training.trainer import Trainer
from factorate._training.update_rule import UpdateRule

RULES = {
    "plain": make_settings(),
    "without biases": make_settings(rule=UpdateRule(fit_bias=False)),
    "without mean": make_settings(fit_mean=False),
    "constant": make_settings(learning_rate_schedule="constant"),
    "cosine": make_settings(learning_rate_schedule="cosine"),
    "inverse": make_settings(learning_rate_schedule="inverse"),
    "adagrad": make_settings(
        learning_rate_schedule="adagrad", rule=UpdateRule(adagrad=True), count_scale=np.inf
    ),
    "l1": make_settings(l1=PerKind(0.01, 0.02, 0.0, 0.01)),
    "huber": make_settings(rule=UpdateRule("huber", 0.8)),
    "biases alone": make_settings(n_factors=0),
    "biases alone, adagrad": make_settings(
        n_factors=0,
        learning_rate_schedule="adagrad",
        rule=UpdateRule(adagrad=True),
        count_scale=np.inf,
    ),
    "nonnegative": make_settings(rule=UpdateRule(nonnegative=True)),
    "kullback_leibler": make_settings(rule=UpdateRule("kullback_leibler", nonnegative=True)),
}


def train_by_reference(ratings: Ratings, settings: Settings, weights: Any) -> dict[str, Any]:
    """Return the parameters after training, on the scale of training, and the scale."""
    untrained = dataclasses.replace(settings, n_epochs=0)
    factors = Trainer(ratings, untrained, weights=weights).train().factors
    root, K, rule = np.sqrt(factors.scale), settings.n_factors, settings.rule
    P, Q = factors.user_factors / root, factors.item_factors / root
    biases = np.zeros(len(P)), np.zeros(len(Q))
    first = [max(1.0, K), 1.0]
    accumulators = np.tile(first, (len(P), 1)), np.tile(first, (len(Q), 1))
    counts = (
        np.bincount(ratings.user_rows, weights, minlength=len(P)),
        np.bincount(ratings.item_rows, weights, minlength=len(Q)),
    )
    schedule = make_schedule(ratings, settings, weights)
    for epoch in range(1, settings.n_epochs + 1):
        factor = learning_rate_factor(settings.learning_rate_schedule, epoch, settings.n_epochs)
        rates, penalties = reference_rates_and_penalties(settings, counts, factor)
        if rule.adagrad:
            rates = [rate * np.sqrt(K) if kind < 2 else rate for kind, rate in enumerate(rates)]
        for block in block_order(schedule.n_bands, settings.seed, epoch):
            users, items, values = scheduled_ratings(schedule, block)
            span = slice(*schedule.block_starts[block : block + 2])
            reference.train_epoch(
                users,
                items,
                (values - factors.mean) / factors.scale,
                P,
                Q,
                *biases,
                rates=rates,
                l2=penalties,
                fit_bias=rule.fit_bias,
                l1=settings.l1,
                weights=None if weights is None else schedule.ratings.weights[span],
                loss=rule.loss,
                loss_parameter=rule.loss_parameter,
                nonnegative=rule.nonnegative,
                accumulators=accumulators if rule.adagrad else None,
            )
    return {
        "n_bands": schedule.n_bands,
        "factors": (P * root, Q * root),
        "biases": tuple(bias * factors.scale for bias in biases),
        "accumulators": accumulators,
    }


def assert_agrees(ratings: Ratings, settings: Settings, weights: Any, expected: Any) -> None:
    trained = Trainer(ratings, settings, weights=weights).train()
    got = trained.factors
    close = functools.partial(np.testing.assert_allclose, rtol=1e-8, atol=1e-11)
    close(got.user_factors, expected["factors"][0])
    close(got.item_factors, expected["factors"][1])
    close(got.user_bias, expected["biases"][0])
    close(got.item_bias, expected["biases"][1])
    if settings.rule.adagrad:
        assert trained.accumulators is not None
        close(trained.accumulators[0], expected["accumulators"][0])
        close(trained.accumulators[1], expected["accumulators"][1])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("settings", RULES.values(), ids=RULES)
def test_ten_epochs_agree_with_the_reference_in_block_order(
    columns: Any, settings: Settings, weighted: bool
) -> None:
    settings = dataclasses.replace(settings, sizes=SMALL)
    few = tuple(column[:1500] for column in columns)
    ratings = read_ratings(few, dtype=np.dtype(np.float64))
    if settings.rule.nonnegative:
        ratings = dataclasses.replace(ratings, values=ratings.values - ratings.values.min())
    weights = np.random.default_rng(1).uniform(0, 2, len(ratings.values)) if weighted else None
    expected = train_by_reference(ratings, settings, weights)
    assert expected["n_bands"][0] > 3
    assert_agrees(ratings, settings, weights, expected)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 5)), min_size=1),
    st.integers(0, 100),
    st.integers(1, 4),
    st.sampled_from([name for name in RULES if name.startswith("biases alone")]),
)
def test_biases_alone_agree_with_the_reference_for_any_ratings(
    rated: list[tuple[int, int, int]], seed: int, n_epochs: int, name: str
) -> None:
    columns = tuple(np.array(column) for column in zip(*rated, strict=True))
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    settings = dataclasses.replace(RULES[name], seed=seed, n_epochs=n_epochs, sizes=SMALL)
    assert_agrees(ratings, settings, None, train_by_reference(ratings, settings, None))


@pytest.mark.parametrize("weighted", [False, True])
def test_the_order_of_the_input_does_not_affect_the_bits(columns: Any, weighted: bool) -> None:
    """Regression: sums of ratings and of float64 weights do not depend on the order."""
    generator = np.random.default_rng(0)
    columns = (*columns[:2], generator.normal(3, 1, 3000))
    weights = generator.uniform(0.1, 2, 3000) if weighted else None
    fits = []
    for _ in range(8):
        order = generator.permutation(3000)
        model = ft.MatrixFactorization(4, 1, random_state=0, dtype="float64", n_threads=1)
        model.fit(
            tuple(column[order] for column in columns),
            sample_weight=None if weights is None else weights[order],
        )
        fits.append(model)
    for model in fits[1:]:
        assert_same(model._fitted.factors, fits[0]._fitted.factors)


def test_initial_factors_are_small_and_positive_for_any_scale_of_ratings(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    start = Trainer(ratings, make_settings(n_epochs=0)).train().factors
    P = start.user_factors / np.sqrt(start.scale)
    assert (P >= 0).all()
    assert P.max() < START_WIDTH / np.sqrt(6)
    assert P.max() > 0.9 * START_WIDTH / np.sqrt(6)
    other = dataclasses.replace(ratings, values=ratings.values[::-1] * 20 - 50)
    other_start = Trainer(other, make_settings(n_epochs=0)).train().factors
    np.testing.assert_allclose(other_start.user_factors / np.sqrt(other_start.scale), P)


def skewed() -> Any:
    """Return ratings of which one user has a tenth."""
    generator = np.random.default_rng(0)
    users = generator.integers(1, 300, 5000)
    users[:500] = 0
    return users, generator.integers(0, 400, 5000), generator.standard_normal(5000)


DATA: dict[str, Any] = {
    "skewed": skewed(),
    "one user": (np.zeros(300, int), np.arange(300), np.linspace(1, 5, 300)),
    "one item": (np.arange(300), np.zeros(300, int), np.linspace(1, 5, 300)),
    "more blocks than users": (np.arange(900) % 3, np.arange(900) // 3, np.linspace(1, 5, 900)),
}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("rule", [UpdateRule(), UpdateRule("huber", adagrad=True)], ids=str)
def test_any_number_of_threads_gives_the_same_bits(data: str, dtype: str, rule: Any) -> None:
    ratings = read_ratings(DATA[data], dtype=np.dtype(dtype))
    settings = make_settings(n_epochs=5, rule=rule, sizes=SMALL)
    expected = Trainer(ratings, settings).train()
    for n_threads in (2, 3, 8):
        got = Trainer(ratings, dataclasses.replace(settings, n_threads=n_threads)).train()
        assert_same(got.factors, expected.factors)
        assert [e.train_rmse for e in got.history] == [e.train_rmse for e in expected.history]


def _train_on_two_threads(columns: Any) -> Any:
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    return Trainer(ratings, make_settings(n_threads=2, sizes=SMALL)).train().factors


def test_training_works_in_a_thread(columns: Any) -> None:
    expected = _train_on_two_threads(columns)
    got: list[Any] = []
    threads = [
        threading.Thread(target=lambda: got.append(_train_on_two_threads(columns)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 3
    for factors in got:
        assert_same(factors, expected)


def _send_factors(columns: Any, connection: Any) -> None:
    connection.send(_train_on_two_threads(columns))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_training_works_in_a_forked_child(columns: Any) -> None:
    expected = _train_on_two_threads(columns)
    here, there = multiprocessing.Pipe()
    fork = multiprocessing.get_context("fork")
    child = fork.Process(target=_send_factors, args=(columns, there))
    child.start()
    assert here.poll(60)
    assert_same(here.recv(), expected)
    child.join()


# Divergence


def learning_rates_of(epochs: Any) -> list[float]:
    return [round(epoch.learning_rate, 9) for epoch in epochs]


class Faulty:
    """Patch `EpochRunner.run` to make factors NaN in some calls, counted from 0."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *calls: int, noticed: bool = True) -> None:
        count, run = itertools.count(), EpochRunner.run

        def faulty(runner: EpochRunner, state: Any, number: int, factor: float) -> float:
            squared = run(runner, state, number, factor)
            if next(count) not in calls:
                return squared
            state.P[:] = np.nan
            return np.inf if noticed else squared

        self._patch = monkeypatch
        monkeypatch.setattr(EpochRunner, "run", faulty)

    def undo(self) -> None:
        self._patch.undo()


CONSTANT = make_settings(n_epochs=4, learning_rate_schedule="constant")


def test_an_epoch_that_diverges_is_repeated_at_half_the_rate(
    columns: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    faulty = Faulty(monkeypatch, 2)
    with caplog.at_level(logging.WARNING, "factorate"):
        got = Trainer(ratings, CONSTANT).train()
    assert learning_rates_of(got.history) == [0.02, 0.02, 0.01, 0.01]
    (record,) = caplog.records
    assert record.getMessage() == (
        "training diverged in epoch 3 of 4; repeating it at half the learning rate"
    )
    faulty.undo()
    two = Trainer(ratings, dataclasses.replace(CONSTANT, n_epochs=2)).train()
    assert [e.train_rmse for e in two.history] == [e.train_rmse for e in got.history[:2]]


def test_training_starts_again_if_an_epoch_diverges_twice(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    faulty = Faulty(monkeypatch, 2, 3)
    got = Trainer(ratings, CONSTANT).train()
    assert learning_rates_of(got.history) == [0.005] * 4
    faulty.undo()
    slow = dataclasses.replace(CONSTANT, rates=times(CONSTANT.rates, 0.25))
    assert_same(got.factors, Trainer(ratings, slow).train().factors)


def test_the_best_epoch_after_a_restart_is_from_the_new_run(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    settings = dataclasses.replace(CONSTANT, patience=9)
    seen: list[float] = []
    faulty = Faulty(monkeypatch, 2, 3)
    trainer = Trainer(ratings, settings, held_out=first_ratings(ratings))
    got = trainer.train([lambda epoch: seen.append(epoch.valid_rmse)])
    faulty.undo()
    errors = [epoch.valid_rmse for epoch in got.history]
    assert min(seen[:2]) < min(errors)  # the discarded run had a lower error
    assert got.best == 1 + int(np.argmin(errors))
    slow = dataclasses.replace(settings, rates=times(settings.rates, 0.25))
    expected = Trainer(ratings, slow, held_out=first_ratings(ratings)).train()
    assert got.best == expected.best
    assert_same(got.factors, expected.factors)


def test_a_validation_loss_that_is_not_finite_is_a_divergence(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    Faulty(monkeypatch, 1, noticed=False)
    got = Trainer(ratings, CONSTANT, held_out=first_ratings(ratings)).train()
    assert learning_rates_of(got.history) == [0.02, 0.01, 0.01, 0.01]
    assert all(np.isfinite(epoch.valid_rmse) for epoch in got.history)


def test_repeated_halvings_log_one_warning(
    columns: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Faulty(monkeypatch, 1, 3, 5)
    with caplog.at_level(logging.WARNING, "factorate"):
        got = Trainer(read_ratings(columns, dtype=np.dtype(np.float64)), CONSTANT).train()
    assert learning_rates_of(got.history) == [0.02, 0.01, 0.005, 0.0025]
    (record,) = caplog.records
    assert "epoch 2 of 4" in record.getMessage()


def test_an_overflow_in_the_last_updates_is_a_divergence(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    with pytest.raises(ft.DivergenceError, match=r"epoch 1 of 1.*learning_rate=1e\+25"):
        Trainer(ratings, make_settings(n_epochs=1, rates=PerKind(*(1e25,) * 4))).train()


@pytest.mark.parametrize("rate", [10.0**power for power in range(-4, 4)])
@pytest.mark.parametrize("rule", [UpdateRule(), UpdateRule("logistic"), UpdateRule("hinge")])
def test_any_rate_gives_finite_factors_or_an_error_that_names_the_rate(
    columns: Any, rate: float, rule: Any
) -> None:
    users, items, values = columns
    if rule.loss != "squared":
        values = np.asarray(values) > 3
    ratings = read_ratings((users, items, values), dtype=np.dtype(np.float32))
    try:
        got = Trainer(ratings, make_settings(rates=PerKind(*(rate,) * 4), rule=rule)).train()
    except ft.DivergenceError as error:
        assert rate > 0.1
        assert f"learning_rate={rate:g}" in str(error)  # noqa: PT017
    else:
        assert all(
            np.isfinite(getattr(got.factors, name)).all() for name in NAMES if name != "svdpp"
        )


# The end of training


@pytest.mark.parametrize("rate", [1e-300, 1e-40, 1e-9])
@pytest.mark.parametrize("svdpp", [False, True])
def test_a_tiny_rate_of_factors_trains_biases_alone(columns: Any, rate: float, svdpp: bool) -> None:
    """Regression: the ratio of the rates overflowed in float32, and training diverged."""
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    settings = make_settings(rates=PerKind(rate, rate, 0.02, 0.02), svdpp=svdpp)
    factors = Trainer(ratings, settings).train().factors
    start = Trainer(ratings, dataclasses.replace(settings, n_epochs=0)).train().factors
    np.testing.assert_allclose(factors.item_factors, start.item_factors, rtol=1e-3)
    assert np.ptp(factors.item_bias) > 0.1


def test_patience_ends_training_and_restores_the_best_epoch(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    worse = first_ratings(ratings, -1)
    chosen = make_settings(
        n_epochs=50, patience=3, learning_rate_schedule="constant", rates=PerKind(*(0.1,) * 4)
    )
    got = Trainer(ratings, chosen, held_out=worse).train()
    valid_errors = [epoch.valid_rmse for epoch in got.history]
    assert got.best == int(np.argmin(valid_errors)) + 1
    assert len(got.history) == got.best + 3 < 50
    expected = Trainer(
        ratings, dataclasses.replace(chosen, n_epochs=got.best, patience=None)
    ).train()
    assert_same(got.factors, expected.factors)


def test_the_validation_rmse_is_that_of_the_factors_after_the_epoch(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    rows = first_ratings(ratings)
    unknown = dataclasses.replace(rows, user_rows=np.where(rows.user_rows == 0, -1, rows.user_rows))
    got = Trainer(ratings, make_settings(), held_out=unknown).train()
    predicted = predict(got.factors, unknown.user_rows, unknown.item_rows)
    assert got.history[-1].valid_rmse == pytest.approx(
        np.sqrt(np.mean((unknown.values - predicted) ** 2)), rel=1e-12
    )


def test_a_callback_ends_training_by_returning_true(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    seen = []

    def third(epoch: Epoch) -> bool:
        seen.append(epoch)
        return epoch.number == 3

    got = Trainer(ratings, make_settings()).train([third])
    assert list(got.history) == seen
    assert [epoch.number for epoch in seen] == [1, 2, 3]
    assert all(np.isnan(epoch.valid_rmse) for epoch in seen)
