"""Training: the specification in block order, the same bits for any number of threads, Ctrl-C."""

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

import factorate as ft
from factorate import reference
from factorate._input.ratings import read_ratings
from factorate._kernels import dispatch as kernels
from factorate._training import epochs as passes
from factorate._training import losses
from factorate._training import schedule as schedule_room
from factorate._training import state as state_room
from factorate._training import trainer as solver
from factorate._training.factors import Factors, predict
from factorate._training.learning_rates import share
from factorate._training.schedule import make_schedule, visits
from factorate._utils.aligned import aligned_zeros


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small data into many blocks and tiles."""
    monkeypatch.setattr(schedule_room, "BLOCK_WORK", 500)
    monkeypatch.setattr(schedule_room, "TILE_BYTES", 1024)
    monkeypatch.setattr(schedule_room, "TILE_RATINGS", 4)


def settings(**changes: Any) -> solver.Settings:
    values: dict[str, Any] = {
        "n_factors": 6, "n_epochs": 10, "rates": (0.02, 0.03, 0.01, 0.015),
        "l2": (0.04, 0.03, 0.02, 0.01), "l1": (0.0,) * 4, "schedule": "linear",
        "rule": losses.UpdateRule(), "fit_mean": True, "seed": 5, "n_threads": 1,
    }  # fmt: skip
    return solver.Settings(**(values | changes))


def arrays(factors: Factors) -> list[Any]:
    return [
        factors.user_factors, factors.item_factors, factors.user_bias, factors.item_bias,
        np.array([factors.mean, factors.scale]),
    ]  # fmt: skip


RULES = {
    "plain": settings(),
    "without biases": settings(rule=losses.UpdateRule(fit_bias=False)),
    "without mean": settings(fit_mean=False),
    "constant": settings(schedule="constant"),
    "cosine": settings(schedule="cosine"),
    "inverse": settings(schedule="inverse"),
    "adagrad": settings(schedule="adagrad", rule=losses.UpdateRule(adagrad=True)),
    "l1": settings(l1=(0.01, 0.02, 0.0, 0.01)),
    "huber": settings(rule=losses.UpdateRule("huber", 0.8)),
    "nonnegative": settings(rule=losses.UpdateRule(nonnegative=True)),
    "kullback_leibler": settings(rule=losses.UpdateRule("kullback_leibler", nonnegative=True)),
}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("chosen", RULES.values(), ids=RULES)
def test_ten_epochs_are_the_specification_in_block_order(
    columns: Any, chosen: solver.Settings, weighted: bool
) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    rule = chosen.rule
    if rule.nonnegative:
        ratings = dataclasses.replace(ratings, values=ratings.values - ratings.values.min())
    weights = np.random.default_rng(1).uniform(0, 2, len(ratings.values)) if weighted else None
    factors = solver.train(
        ratings, dataclasses.replace(chosen, n_epochs=0), weights=weights
    ).factors
    root = np.sqrt(factors.scale)
    P, Q = factors.user_factors / root, factors.item_factors / root
    biases = np.zeros(60), np.zeros(80)
    K = chosen.n_factors
    sums = tuple(np.tile([float(K), 1.0], (n, 1)) for n in (60, 80))
    schedule = make_schedule(
        ratings.users, ratings.items, ratings.values, 60, 80, 16, chosen.seed, weights=weights
    )
    assert schedule.n_bands[0] > 3
    for epoch in range(1, 11):
        rates = np.array(chosen.rates) * share(chosen.schedule, epoch, 10)
        if rule.adagrad:
            rates[:2] *= np.sqrt(K)
        for block in visits(schedule.n_bands, chosen.seed, epoch):
            part = slice(*schedule.block_starts[block : block + 2])
            reference.train_epoch(
                schedule.user_order[schedule.users[part]],
                schedule.item_order[schedule.items[part]],
                (schedule.ratings[part] - factors.mean) / factors.scale,
                P, Q, *biases, rates, chosen.l2, rule.fit_bias, l1=chosen.l1,
                weights=schedule.weights[part] if weighted else None, loss=rule.loss,
                loss_parameter=rule.width, nonnegative=rule.nonnegative,
                accumulators=(sums[0], sums[1]) if rule.adagrad else None,
            )  # fmt: skip
    trained = solver.train(ratings, chosen, weights=weights)
    got = trained.factors
    close = functools.partial(np.testing.assert_allclose, rtol=1e-8, atol=1e-11)
    close(got.user_factors, P * root)
    close(got.item_factors, Q * root)
    close(got.user_bias, biases[0] * factors.scale)
    close(got.item_bias, biases[1] * factors.scale)
    if rule.adagrad:
        assert trained.accumulators is not None
        close(trained.accumulators[0], sums[0])
        close(trained.accumulators[1], sums[1])


def test_training_starts_from_small_positive_factors_whatever_the_ratings(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    start = solver.train(ratings, settings(n_epochs=0)).factors
    P = start.user_factors / np.sqrt(start.scale)
    assert (P >= 0).all()
    assert P.max() < state_room.START_WIDTH / np.sqrt(6)
    assert P.max() > 0.9 * state_room.START_WIDTH / np.sqrt(6)
    other = dataclasses.replace(ratings, values=ratings.values[::-1] * 20 - 50)
    other_start = solver.train(other, settings(n_epochs=0)).factors
    np.testing.assert_allclose(other_start.user_factors / np.sqrt(other_start.scale), P)


def skewed() -> Any:
    """Return ratings a tenth of which are of one user."""
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


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
    "rule", [losses.UpdateRule(), losses.UpdateRule("huber", adagrad=True)], ids=str
)
def test_any_number_of_threads_gives_the_same_bits(data: str, dtype: str, rule: Any) -> None:
    ratings = read_ratings(DATA[data], dtype=np.dtype(dtype))
    expected = solver.train(ratings, settings(n_epochs=5, rule=rule))
    for n_threads in (2, 3, 8):
        got = solver.train(ratings, settings(n_epochs=5, n_threads=n_threads, rule=rule))
        for a, b in zip(arrays(got.factors), arrays(expected.factors), strict=True):
            np.testing.assert_array_equal(a, b)
        assert [e.train_rmse for e in got.history] == [e.train_rmse for e in expected.history]


@pytest.mark.usefixtures("small_blocks")
def test_training_works_in_a_thread(columns: Any) -> None:
    expected = ft.MatrixFactorization(4, 3, random_state=0, n_threads=2).fit(columns)
    models = [ft.MatrixFactorization(4, 3, random_state=0, n_threads=2) for _ in range(3)]
    threads = [threading.Thread(target=model.fit, args=(columns,)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for model in models:
        np.testing.assert_array_equal(model.user_factors_, expected.user_factors_)


def _fit_in_child(columns: Any, connection: Any) -> None:
    model = ft.MatrixFactorization(4, 3, random_state=0, n_threads=2).fit(columns)
    connection.send(model.user_factors_.copy())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.usefixtures("small_blocks")
def test_training_works_in_a_forked_child(columns: Any) -> None:
    expected = ft.MatrixFactorization(4, 3, random_state=0, n_threads=2).fit(columns)
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_fit_in_child, args=(columns, there))
    child.start()
    assert here.poll(60)
    np.testing.assert_array_equal(here.recv(), expected.user_factors_)
    child.join()


def test_factors_begin_on_a_cache_line() -> None:
    for shape in ((1, 16), (7, 48)):
        for kind in (np.float32, np.float64):
            array = aligned_zeros(shape, np.dtype(kind))
            assert array.ctypes.data % 64 == 0
            assert array.shape == shape
            assert array.flags.c_contiguous


# Ctrl-C


class Interrupting:
    """A kernel that is interrupted at its n-th block."""

    def __init__(self, at: int) -> None:
        self.count, self.at = itertools.count(1), at

    def train(self, *arguments: Any) -> float:
        if next(self.count) == self.at:
            arguments[5][:] = np.nan  # what an epoch cut short leaves must not be kept
            raise KeyboardInterrupt
        return float(kernels.active.train(*arguments))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interrupt_keeps_the_epochs_that_finished(
    columns: Any, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ft.MatrixFactorization(
        5, 10, random_state=3, n_threads=n_threads, learning_rate_schedule="constant"
    )
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    n_rows, n_columns = make_schedule(
        ratings.users, ratings.items, ratings.values, 60, 80, 16, 3
    ).n_bands
    per_epoch = n_rows * n_columns
    monkeypatch.setattr(passes, "active", Interrupting(3 * per_epoch + per_epoch // 2))
    with pytest.raises(KeyboardInterrupt):
        model.fit(columns)
    assert model.n_epochs_ == 3
    monkeypatch.setattr(passes, "active", kernels.active)
    expected = ft.MatrixFactorization(
        5, 3, random_state=3, n_threads=1, learning_rate_schedule="constant"
    ).fit(columns)
    np.testing.assert_array_equal(model.user_factors_, expected.user_factors_)
    np.testing.assert_array_equal(model.item_bias_, expected.item_bias_)


def test_an_interrupt_between_epochs_keeps_the_last(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))

    def report(epoch: solver.Epoch) -> None:
        if epoch.number == 4:
            raise KeyboardInterrupt

    got = solver.train(ratings, settings(schedule="constant"), (report,))
    assert isinstance(got.interruption, KeyboardInterrupt)
    expected = solver.train(ratings, settings(n_epochs=4, schedule="constant"))
    for a, b in zip(arrays(got.factors), arrays(expected.factors), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_interrupt_in_the_first_epoch_leaves_the_old_model(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ft.MatrixFactorization(5, 3, random_state=3, n_threads=1).fit(columns)
    before = model.user_factors_
    monkeypatch.setattr(passes, "active", Interrupting(1))
    with pytest.raises(KeyboardInterrupt):
        model.fit(columns)
    assert model.user_factors_ is before


@pytest.mark.usefixtures("small_blocks")
def test_an_error_in_a_thread_is_raised(columns: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def train(self, *_: Any) -> float:
            raise MemoryError("no room")

    monkeypatch.setattr(passes, "active", Failing())
    with pytest.raises(MemoryError, match="no room"):
        ft.MatrixFactorization(5, 3, n_threads=3).fit(columns)


# Divergence


def steps_of(epochs: Any) -> list[float]:
    return [round(epoch.learning_rate, 9) for epoch in epochs]


class Exploding:
    """A kernel whose visits go wrong where a function of (call, rate) says so."""

    def __init__(self, wrong: Any) -> None:
        self.count, self.wrong = itertools.count(), wrong

    def train(self, *arguments: Any) -> float:
        squared = float(kernels.active.train(*arguments))
        if self.wrong(next(self.count), float(arguments[-2][0, 0])):
            arguments[5][:] = np.inf
            return np.inf
        return squared


def test_an_epoch_that_explodes_is_taken_back_and_tried_at_half_the_rate(
    columns: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    chosen = settings(n_epochs=4, schedule="constant")
    monkeypatch.setattr(passes, "active", Exploding(lambda call, _: call == 2))
    with caplog.at_level(logging.WARNING, "factorate"):
        got = solver.train(ratings, chosen)
    assert steps_of(got.history) == [0.02, 0.02, 0.01, 0.01]
    (record,) = caplog.records
    assert record.getMessage() == (
        "training diverged in epoch 3 of 4; going back, with half the learning rate"
    )
    monkeypatch.setattr(passes, "active", kernels.active)
    two = solver.train(ratings, settings(n_epochs=2, schedule="constant"))
    for a, b in zip(two.history, got.history, strict=False):
        assert a.train_rmse == b.train_rmse


def test_what_was_spoilt_before_it_showed_begins_anew(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    monkeypatch.setattr(passes, "active", Exploding(lambda call, _: call in (2, 3)))
    got = solver.train(ratings, settings(n_epochs=4, schedule="constant"))
    assert steps_of(got.history) == [0.005] * 4
    monkeypatch.setattr(passes, "active", kernels.active)
    slow = settings(n_epochs=4, schedule="constant", rates=tuple(np.array(settings().rates) / 4))
    expected = solver.train(ratings, slow)
    for a, b in zip(arrays(got.factors), arrays(expected.factors), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_last_step_that_overflows_unseen_is_taken_back(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    with pytest.raises(ft.DivergenceError, match=r"epoch 1 of 1.*learning_rate=1e\+25"):
        solver.train(ratings, settings(n_epochs=1, rates=(1e25,) * 4))


@pytest.mark.parametrize("rate", [10.0**power for power in range(-4, 4)])
@pytest.mark.parametrize(
    "rule", [losses.UpdateRule(), losses.UpdateRule("logistic"), losses.UpdateRule("hinge")]
)
def test_any_rate_ends_with_a_finite_model_or_an_error_that_names_it(
    columns: Any, rate: float, rule: Any
) -> None:
    users, items, values = columns
    if rule.loss != "squared":
        values = np.asarray(values) > 3
    ratings = read_ratings((users, items, values), dtype=np.dtype(np.float32))
    try:
        got = solver.train(ratings, settings(rates=(rate,) * 4, rule=rule))
    except ft.DivergenceError as error:
        assert f"learning_rate={rate:g}" in str(error)  # noqa: PT017
    else:
        assert all(np.isfinite(array).all() for array in arrays(got.factors))


# When to stop


def held(ratings: Any) -> solver.HeldOut:
    return solver.HeldOut(ratings.users[:200], ratings.items[:200], ratings.values[:200])


def test_patience_ends_training_and_restores_the_best_epoch(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    worse = dataclasses.replace(held(ratings), values=-held(ratings).values)
    chosen = settings(n_epochs=50, patience=3, schedule="constant", rates=(0.1,) * 4)
    got = solver.train(ratings, chosen, held=worse)
    losses_seen = [epoch.valid_rmse for epoch in got.history]
    assert got.best == int(np.argmin(losses_seen)) + 1
    assert len(got.history) == got.best + 3 < 50
    expected = solver.train(ratings, dataclasses.replace(chosen, n_epochs=got.best, patience=None))
    for a, b in zip(arrays(got.factors), arrays(expected.factors), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_validation_rmse_is_that_of_the_factors_after_the_epoch(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    rows = held(ratings)
    unknown = dataclasses.replace(rows, users=np.where(rows.users == 0, -1, rows.users))
    got = solver.train(ratings, settings(), held=unknown)
    predicted = predict(got.factors, unknown.users, unknown.items)
    assert got.history[-1].valid_rmse == pytest.approx(
        np.sqrt(np.mean((unknown.values - predicted) ** 2)), rel=1e-12
    )


def test_a_callback_ends_training_by_returning_true(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    seen = []

    def third(epoch: solver.Epoch) -> bool:
        seen.append(epoch)
        return epoch.number == 3

    got = solver.train(ratings, settings(), (third,))
    assert list(got.history) == seen
    assert [epoch.number for epoch in seen] == [1, 2, 3]
    assert all(np.isnan(epoch.valid_rmse) for epoch in seen)
