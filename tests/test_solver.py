"""Training: the specification in block order, the same bits for any number of threads, Ctrl-C."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import threading
from typing import Any

import numpy as np
import pytest

import factorate as ft
from factorate import kernels, reference, solver
from factorate import schedule as schedule_room
from factorate.ratings import read_ratings
from factorate.schedule import make_schedule, visits


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small data into many blocks and tiles."""
    monkeypatch.setattr(schedule_room, "BLOCK_WORK", 500)
    monkeypatch.setattr(schedule_room, "TILE_BYTES", 1024)
    monkeypatch.setattr(schedule_room, "TILE_RATINGS", 4)


def settings(**changes: Any) -> solver.Settings:
    values: dict[str, Any] = {
        "n_factors": 6, "n_epochs": 10, "learning_rate": 0.02, "regularization": 0.04,
        "fit_bias": True, "fit_mean": True, "seed": 5, "n_threads": 1,
    }  # fmt: skip
    return solver.Settings(**(values | changes))


def arrays(factors: ft.factors.Factors) -> list[Any]:
    return [
        factors.user_factors, factors.item_factors, factors.user_bias, factors.item_bias,
        np.array([factors.mean, factors.scale]),
    ]  # fmt: skip


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("fit_bias", [True, False])
@pytest.mark.parametrize("fit_mean", [True, False])
def test_ten_epochs_are_the_specification_in_block_order(
    columns: Any, fit_bias: bool, fit_mean: bool
) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))
    chosen = settings(fit_bias=fit_bias, fit_mean=fit_mean)
    start = solver.train(ratings, settings(fit_bias=fit_bias, fit_mean=fit_mean, n_epochs=0))
    factors = start.factors
    root = np.sqrt(factors.scale)
    P, Q = factors.user_factors / root, factors.item_factors / root
    biases = np.zeros(60), np.zeros(80)
    schedule = make_schedule(ratings.users, ratings.items, ratings.values, 60, 80, 16, chosen.seed)
    assert schedule.n_bands[0] > 3
    assert factors.mean == (pytest.approx(ratings.values.mean()) if fit_mean else 0)
    for epoch in range(1, 11):
        for block in visits(schedule.n_bands, chosen.seed, epoch):
            part = slice(*schedule.block_starts[block : block + 2])
            reference.train_epoch(
                schedule.user_order[schedule.users[part]],
                schedule.item_order[schedule.items[part]],
                (schedule.ratings[part] - factors.mean) / factors.scale,
                P, Q, *biases, chosen.learning_rate, chosen.regularization, fit_bias,
            )  # fmt: skip
    got = solver.train(ratings, chosen).factors
    np.testing.assert_allclose(got.user_factors, P * root, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got.item_factors, Q * root, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got.user_bias, biases[0] * factors.scale, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got.item_bias, biases[1] * factors.scale, rtol=1e-9, atol=1e-12)


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
def test_any_number_of_threads_gives_the_same_bits(data: str, dtype: str) -> None:
    ratings = read_ratings(DATA[data], dtype=np.dtype(dtype))
    expected = solver.train(ratings, settings(n_epochs=5))
    for n_threads in (2, 3, 8):
        got = solver.train(ratings, settings(n_epochs=5, n_threads=n_threads))
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
            array = kernels.aligned_zeros(shape, np.dtype(kind))
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
    model = ft.MatrixFactorization(5, 10, random_state=3, n_threads=n_threads)
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    n_rows, n_columns = make_schedule(
        ratings.users, ratings.items, ratings.values, 60, 80, 16, 3
    ).n_bands
    per_epoch = n_rows * n_columns
    monkeypatch.setattr(solver, "active", Interrupting(3 * per_epoch + per_epoch // 2))
    with pytest.raises(KeyboardInterrupt):
        model.fit(columns)
    assert model.n_epochs_ == 3
    monkeypatch.setattr(solver, "active", kernels.active)
    expected = ft.MatrixFactorization(5, 3, random_state=3, n_threads=1).fit(columns)
    np.testing.assert_array_equal(model.user_factors_, expected.user_factors_)
    np.testing.assert_array_equal(model.item_bias_, expected.item_bias_)


def test_an_interrupt_between_epochs_keeps_the_last(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))

    def report(epoch: solver.Epoch) -> None:
        if epoch.number == 4:
            raise KeyboardInterrupt

    got = solver.train(ratings, settings(), report)
    assert isinstance(got.interruption, KeyboardInterrupt)
    expected = solver.train(ratings, settings(n_epochs=4))
    for a, b in zip(arrays(got.factors), arrays(expected.factors), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_interrupt_in_the_first_epoch_leaves_the_old_model(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ft.MatrixFactorization(5, 3, random_state=3, n_threads=1).fit(columns)
    before = model.user_factors_
    monkeypatch.setattr(solver, "active", Interrupting(1))
    with pytest.raises(KeyboardInterrupt):
        model.fit(columns)
    assert model.user_factors_ is before


@pytest.mark.usefixtures("small_blocks")
def test_an_error_in_a_thread_is_raised(columns: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def train(self, *_: Any) -> float:
            raise MemoryError("no room")

    monkeypatch.setattr(solver, "active", Failing())
    with pytest.raises(MemoryError, match="no room"):
        ft.MatrixFactorization(5, 3, n_threads=3).fit(columns)
