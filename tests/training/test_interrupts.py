"""KeyboardInterrupt: the model has the factors of the last finished epoch, bit for bit."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import signal
import sys
import threading
import time
import traceback
from typing import Any

import numpy as np
import pytest
from training_cases import SMALL, assert_same, first_ratings, make_settings, sigint_raises

import factorate as ft
import factorate._fitted.fit as fit_module
import factorate._training.epoch_runner as runner_module
import factorate._training.state as state_module
from factorate._fitted.seen import collect_seen
from factorate._input.ratings import read_ratings
from factorate._training.epoch import Epoch
from factorate._training.sizes import Sizes
from factorate._training.trainer import Trainer
from factorate._utils.workers import Workers


def interrupt_run(monkeypatch: pytest.MonkeyPatch, call: int, task: int) -> None:
    """Raise KeyboardInterrupt in two tasks of one call of `run_tasks`, each counted from 0."""
    calls, run_tasks = itertools.count(), Workers.run_tasks

    def interrupted(workers: Workers, tasks: Any, bands: Any, run: Any) -> list[float]:
        if next(calls) != call:
            return run_tasks(workers, tasks, bands, run)
        count = itertools.count()

        def run_or_raise(entry: Any) -> float:
            if next(count) in (task, task + 1):
                raise KeyboardInterrupt
            return float(run(entry))

        return run_tasks(workers, tasks, bands, run_or_raise)

    monkeypatch.setattr(Workers, "run_tasks", interrupted)


@pytest.mark.parametrize("n_threads", [1, 2, 4])
@pytest.mark.parametrize("svdpp", [False, True])
def test_an_interrupt_in_an_epoch_leaves_the_factors_of_the_previous_one(
    columns: Any, n_threads: int, svdpp: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    settings = make_settings(
        n_threads=n_threads, svdpp=svdpp, sizes=SMALL, learning_rate_schedule="constant"
    )
    shorter = dataclasses.replace(settings, n_epochs=3, n_threads=1)
    expected = Trainer(ratings, shorter).train()
    with monkeypatch.context() as patch:
        interrupt_run(patch, call=3, task=30)
        trainer = Trainer(ratings, settings)
        with pytest.raises(KeyboardInterrupt):
            trainer.run_epochs()
    assert len(trainer.history) == 3
    assert_same(trainer.result().factors, expected.factors)


def interrupt_copy(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Raise KeyboardInterrupt in one copy of the state, counted from 0, after a part of it."""
    copies, copy_state, run_all = itertools.count(), state_module.copy_state, Workers.map

    def map_and_raise(workers: Workers, function: Any, entries: Any) -> list[Any]:
        count = itertools.count()

        def run_or_raise(entry: Any) -> Any:
            if next(count) == 2:
                raise KeyboardInterrupt
            return function(entry)

        return run_all(workers, run_or_raise, entries)

    def interrupted(*arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            if next(copies) == number:
                patch.setattr(Workers, "map", map_and_raise)
            return copy_state(*arguments)

    monkeypatch.setattr(runner_module, "copy_state", interrupted)


@pytest.mark.parametrize("n_threads", [2, 4])
@pytest.mark.parametrize(("patience", "number"), [(None, 2), (9, 3), (9, 4)])
def test_an_interrupt_while_the_state_is_copied_leaves_the_factors_of_the_last_epoch(
    n_threads: int, patience: int | None, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is copied before each epoch and, with early stopping, after the best ones."""
    generator = np.random.default_rng(0)
    n = 70_000  # users, whose factors are large enough to be copied by four threads
    items = generator.integers(0, 300, n).astype(np.int32)
    columns = np.arange(n, dtype=np.int32), items, generator.random(n).astype(np.float32)
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    settings = make_settings(
        n_factors=64,
        n_threads=n_threads,
        patience=patience,
        sizes=Sizes(block_work=1 << 18),
        learning_rate_schedule="constant",
    )
    held_out = None if patience is None else first_ratings(ratings)
    shorter = dataclasses.replace(settings, n_epochs=2, n_threads=1, patience=None)
    expected = Trainer(ratings, shorter).train()
    trainer = Trainer(ratings, settings, held_out=held_out)
    interrupt_copy(monkeypatch, number)
    with pytest.raises(KeyboardInterrupt):
        trainer.run_epochs()
    assert len(trainer.history) == 2
    assert_same(trainer.result().factors, expected.factors)


def test_an_interrupt_between_epochs_leaves_the_factors_of_the_last(columns: Any) -> None:
    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    settings = make_settings(learning_rate_schedule="constant")

    def interrupt(epoch: Any) -> None:
        if epoch.number == 4:
            raise KeyboardInterrupt

    trainer = Trainer(ratings, settings)
    with pytest.raises(KeyboardInterrupt):
        trainer.run_epochs([interrupt])
    expected = Trainer(ratings, dataclasses.replace(settings, n_epochs=4)).train()
    assert_same(trainer.result().factors, expected.factors)


def test_an_interrupt_while_an_epoch_is_recorded_keeps_it(columns: Any) -> None:
    """Regression: the history was longer than the list of learning rates, an IndexError."""

    class History(list[Epoch]):
        def append(self, epoch: Epoch) -> None:
            super().append(epoch)
            if epoch.number == 2:
                raise KeyboardInterrupt

    ratings = read_ratings(columns, dtype=np.dtype(np.float32))
    settings = make_settings(learning_rate_schedule="constant")
    trainer = Trainer(ratings, settings)
    trainer.history = History()
    with pytest.raises(KeyboardInterrupt):
        trainer.run_epochs()
    expected = Trainer(ratings, dataclasses.replace(settings, n_epochs=2)).train()
    found = trainer.result()
    assert_same(found.factors, expected.factors)
    assert found.best == 2


def test_an_interrupt_while_the_progress_bar_closes_keeps_the_last_epoch(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the model is stored even if closing the progress bar is interrupted."""

    class Bar(contextlib.nullcontext[tuple[()]]):
        def __exit__(self, *details: object) -> None:
            raise KeyboardInterrupt

    expected = ft.MatrixFactorization(5, 3, random_state=3).fit(columns)
    monkeypatch.setattr(fit_module, "progress_bar", lambda *_: Bar(()))
    model = ft.MatrixFactorization(5, 3, random_state=3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(columns)
    assert_same(model._fitted.factors, expected._fitted.factors)


@pytest.mark.parametrize("svdpp", [False, True])
def test_an_interrupt_after_training_keeps_the_last_epoch(
    columns: Any, svdpp: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ft.MatrixFactorization(5, 3, svdpp=svdpp, random_state=3).fit(columns)
    calls, result = itertools.count(), Trainer.result

    def interrupted(trainer: Trainer) -> Any:
        found = result(trainer)
        if next(calls) == 0:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(Trainer, "result", interrupted)
    model = ft.MatrixFactorization(5, 3, svdpp=svdpp, random_state=3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(columns)
    assert_same(model._fitted.factors, expected._fitted.factors)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_an_interrupt_while_seen_items_are_collected_keeps_the_model(
    columns: Any, early_stopping: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make() -> ft.MatrixFactorization:
        return ft.MatrixFactorization(5, 3, random_state=3, early_stopping=early_stopping)

    expected = make().fit(columns)
    calls = itertools.count()

    def interrupted(*args: Any) -> Any:
        found = collect_seen(*args)
        if next(calls) == 0:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(fit_module, "collect_seen", interrupted)
    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(columns)
    assert_same(model._fitted.factors, expected._fitted.factors)
    seen, expected_seen = model._fitted.seen, expected._fitted.seen
    assert seen is not None
    assert expected_seen is not None
    np.testing.assert_array_equal(seen.starts, expected_seen.starts)
    np.testing.assert_array_equal(seen.items, expected_seen.items)


def test_an_interrupt_in_the_first_epoch_leaves_the_old_model(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ft.MatrixFactorization(5, 3, random_state=3, n_threads=1).fit(columns)
    before = model._fitted
    interrupt_run(monkeypatch, call=0, task=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(columns)
    assert model._fitted is before


N_EPOCHS = 100


def other_threads_in_training() -> list[str]:
    """Return the functions of training that other threads than this one are running."""
    return [
        f"{frame.f_code.co_filename}: {frame.f_code.co_name}"
        for thread, top in sys._current_frames().items()
        if thread != threading.get_ident()
        for frame, _ in traceback.walk_stack(top)
        if f"_training{os.sep}" in frame.f_code.co_filename
    ]


@functools.cache
def large() -> Any:
    """Return ratings that have several row bands and column bands with the default sizes."""
    return ft.datasets.synthetic(80_000, 600, 400)


def large_model(n_epochs: int, n_threads: int, svdpp: bool) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(
        512,
        n_epochs,
        learning_rate=0.01,
        learning_rate_schedule="constant",
        svdpp=svdpp,
        random_state=0,
        n_threads=n_threads,
    )


@functools.cache
def large_epochs(n_epochs: int, svdpp: bool) -> Any:
    return large_model(n_epochs, 2, svdpp).fit(large())._fitted.factors


@pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="the platform cannot send a signal to a thread"
)
@pytest.mark.parametrize("n_threads", [2, 3, 4])
@pytest.mark.parametrize("svdpp", [False, True])
@pytest.mark.parametrize("delays", [(0.0, 0.0), (0.01, 0.001), (0.02, 0.01)], ids=str)
def test_two_interrupts_leave_a_whole_epoch_and_no_thread(
    n_threads: int, svdpp: bool, delays: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: no worker is running after a second interrupt."""
    main = threading.main_thread().ident or 0
    model = large_model(N_EPOCHS, n_threads, svdpp)

    # Not an Event, and no thread started in the callback: interrupts can raise RuntimeError there.
    begun: list[bool] = []

    def send() -> None:
        while not begun:
            time.sleep(0.0001)
        for delay in delays:
            time.sleep(delay)
            signal.pthread_kill(main, signal.SIGINT)

    sender = threading.Thread(target=send)

    def start(epoch: Any) -> None:
        if epoch.number == 2:
            begun.append(True)

    left: list[str] = []

    def fit() -> None:
        try:
            model.fit(large(), callbacks=[start])
        finally:
            left.extend(other_threads_in_training())
            begun.append(True)
            sender.join()

    # Python drops an interrupt that reaches a finalizer, and calls this hook, which takes no time.
    dropped: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    sender.start()
    try:
        with sigint_raises():
            fit()
    except KeyboardInterrupt:
        assert model.n_epochs_ < N_EPOCHS
    else:
        assert len(dropped) == len(delays)
    assert not left
    assert model.n_epochs_ >= 2
    assert_same(model._fitted.factors, large_epochs(model.n_epochs_, svdpp))
