"""Training on a cluster gives the bits of training in this process."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clusters import close_worker, kill_worker, start_cluster
from optional import dask, pandas
from stores import write_store
from training_cases import NAMES, make_settings

import factorate as ft
from factorate._cluster.cluster import Cluster
from factorate._cluster.cluster_ratings import read_frame, read_store
from factorate._cluster.cluster_runner import make_cluster_runner
from factorate._cluster.row_groups import make_cluster_schedule
from factorate._input.ratings import read_ratings
from factorate._training.backend import Backend
from factorate._training.continuation import continue_rows
from factorate._training.epoch_runner import make_epoch_runner
from factorate._training.factors import WarmStart
from factorate._training.held_out import HeldOut
from factorate._training.scale import standardize
from factorate._training.schedule import make_schedule
from factorate._training.sizes import Sizes
from factorate._training.trainer import Trainer
from factorate._training.update_rule import UpdateRule
from factorate._utils.workers import Workers
from factorate.exceptions import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from factorate._training.backend import MakeRunner
    from factorate._training.epoch import Epoch
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._training.trainer import Trained

MANY_BANDS = Sizes(block_work=200, tile_bytes=1024, tile_ratings=4)
ON_CLUSTER = Backend(make_cluster_schedule, make_cluster_runner)
SETTINGS = make_settings(sizes=MANY_BANDS, n_epochs=3)


@pytest.fixture(scope="module")
def client() -> Generator[Any]:
    with start_cluster(3) as client:
        yield client


def make_columns(n: int = 4000, seed: int = 0) -> tuple[Any, Any, Any]:
    generator = np.random.default_rng(seed)
    pairs = generator.permutation(150 * 90)[:n]
    users, items = np.divmod(pairs, 90)
    return users, items, generator.integers(1, 11, n) / 2


def real_valued_columns(n: int = 70_000) -> tuple[Any, Any, Any]:
    """Return ratings that are all distinct, but for a zero of each sign."""
    generator = np.random.default_rng(8)
    ratings = generator.gamma(2.0, size=n)
    ratings[[7, n - 7]] = 0.0, -0.0
    return generator.integers(0, 900, n), generator.integers(0, 400, n), ratings


def to_frame(columns: tuple[Any, Any, Any], n_partitions: int) -> Any:
    frame = pandas.DataFrame(dict(zip(("user", "item", "rating"), columns, strict=True)))
    return dask.dataframe.from_pandas(frame, npartitions=n_partitions, sort=False)


def train_here(columns: Any, settings: Settings, **options: Any) -> Trained:
    ratings = read_ratings(columns, dtype=np.dtype(options.pop("dtype", np.float32)))
    trainer = Trainer(ratings, settings, **options)
    assert max(trainer.schedule.n_bands) > 8
    return trainer.train()


def train_on(
    client: Any,
    source: Any,
    settings: Settings,
    *,
    dtype: Any = np.float32,
    callbacks: tuple[Callable[[Epoch], object], ...] = (),
    **options: Any,
) -> Trained:
    cluster = Cluster(client)
    cluster.connect()
    read = read_store if hasattr(source, "manifest") else read_named
    with cluster.released():
        ratings = read(cluster, source, np.dtype(dtype))
        return Trainer(ratings, settings, backend=ON_CLUSTER, **options).train(callbacks)


def read_named(cluster: Cluster, frame: Any, dtype: np.dtype[Any]) -> Any:
    return read_frame(cluster, frame, None, dtype)


def assert_equal(found: Trained, expected: Trained) -> None:
    for name in NAMES:
        np.testing.assert_array_equal(
            getattr(found.factors, name), getattr(expected.factors, name), name
        )
    for of_both in zip(found.progress, expected.progress, strict=True):
        np.testing.assert_array_equal(*of_both)
    assert (found.accumulators is None) == (expected.accumulators is None)
    for of_both in zip(found.accumulators or (), expected.accumulators or (), strict=True):
        np.testing.assert_array_equal(*of_both)
    assert found.best == expected.best
    for epochs in zip(found.history, expected.history, strict=True):
        one, other = (replace(epoch, seconds=0.0) for epoch in epochs)
        assert str(one) == str(other)  # NaN without a validation set


@pytest.mark.parametrize("n_workers", [1, 2, 3, 4])
def test_any_number_of_workers_gives_the_bits_of_one_process(n_workers: int) -> None:
    columns = make_columns()
    expected = train_here(columns, SETTINGS)
    with start_cluster(n_workers) as client:
        assert_equal(train_on(client, to_frame(columns, 3), SETTINGS), expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"rule": UpdateRule("huber", huber_delta=0.5)},
        {"rule": UpdateRule(nonnegative=True)},
        {"rule": UpdateRule(adagrad=True), "count_scale": np.inf},
        {"n_factors": 0},
        {"fit_mean": False},
    ],
    ids=str,
)
def test_any_update_rule_gives_the_bits_of_one_process(
    client: Any, changes: dict[str, Any]
) -> None:
    columns = make_columns()
    sizes = Sizes(block_work=100, tile_bytes=1024, tile_ratings=4)
    settings = make_settings(sizes=sizes, n_epochs=2, **changes)
    expected = train_here(columns, settings)
    assert_equal(train_on(client, to_frame(columns, 2), settings), expected)


def test_float64_gives_the_bits_of_one_process(client: Any) -> None:
    columns = make_columns()
    expected = train_here(columns, SETTINGS, dtype=np.float64)
    found = train_on(client, to_frame(columns, 2), SETTINGS, dtype=np.float64)
    assert_equal(found, expected)


def test_a_store_gives_the_bits_of_one_process(client: Any, tmp_path: Path) -> None:
    columns = make_columns()
    batches = (tuple(column[first::4] for column in columns) for first in range(4))
    store = ft.RatingStore.create(tmp_path / "a.store", batches)
    expected = train_here(columns, SETTINGS)
    assert_equal(train_on(client, store._stored, SETTINGS), expected)


REAL_VALUED = make_settings(sizes=Sizes(block_work=5000), n_epochs=2)


@pytest.mark.parametrize(
    ("n_workers", "n_threads", "n_partitions", "dtype", "changes"),
    [
        (1, 2, 3, np.float32, {}),
        (2, 1, 1, np.float64, {"rule": UpdateRule("huber")}),
        (3, 2, 4, np.float32, {"rule": UpdateRule("absolute")}),
        (3, 1, 2, np.float32, {"fit_mean": False}),
    ],
)
def test_real_valued_ratings_give_the_bits_of_one_process(
    n_workers: int, n_threads: int, n_partitions: int, dtype: Any, changes: dict[str, Any]
) -> None:
    columns, settings = real_valued_columns(), replace(REAL_VALUED, **changes)
    expected = train_here(columns, settings, dtype=dtype)
    with start_cluster(n_workers, n_threads=n_threads) as client:
        found = train_on(client, to_frame(columns, n_partitions), settings, dtype=dtype)
    assert_equal(found, expected)


def test_a_store_of_real_valued_ratings_gives_the_bits_of_one_process(
    client: Any, tmp_path: Path
) -> None:
    columns = real_valued_columns()
    parts = (
        tuple(column[rows] for column in columns) for rows in (slice(40_000), slice(40_000, None))
    )
    store = write_store(tmp_path / "a.store", parts, chunk_ratings=40_000)
    assert [chunk.code_bytes for chunk in store._stored.manifest.chunks] == [2, 0]
    expected = train_here(columns, REAL_VALUED)
    assert_equal(train_on(client, store._stored, REAL_VALUED), expected)


def test_workers_that_close_do_not_change_the_result_of_real_valued_ratings() -> None:
    columns, settings = real_valued_columns(), replace(REAL_VALUED, n_epochs=3)
    expected = train_here(columns, settings)
    with start_cluster(3) as client:

        def close(finished: Epoch) -> None:
            if finished.number < 3:
                close_worker(client, 1)

        found = train_on(client, to_frame(columns, 3), settings, callbacks=(close,))
    assert_equal(found, expected)


@pytest.mark.parametrize("change", ["fewer", "more", "other pairs", "other ids", "other ratings"])
def test_ratings_that_change_between_two_readings_raise(change: str, tmp_path: Path) -> None:
    users, items, ratings = make_columns()
    changed = {
        "fewer": (users[:100], items[:100], ratings[:100]),
        "more": (np.append(users, 999), np.append(items, 999), np.append(ratings, 3.0)),
        "other pairs": (users, items[::-1], ratings),
        "other ids": (users + 1, items, ratings),
        "other ratings": (users, items, ratings[::-1]),
    }[change]
    path = tmp_path / "ratings"

    def write(columns: Any) -> None:
        frame = pandas.DataFrame(dict(zip(("user", "item", "rating"), columns, strict=True)))
        frame.to_pickle(path)

    write((users, items, ratings))
    source = dask.dataframe.from_map(pandas.read_pickle, [path])
    with start_cluster(2) as client:

        def lose(_: Epoch) -> None:
            write(changed)
            close_worker(client, 0)

        with pytest.raises(ValueError, match="two readings of the ratings differ"):
            train_on(client, source, SETTINGS, callbacks=(lose,))


@pytest.mark.parametrize("side", [0, 1])
def test_a_store_whose_counts_disagree_with_its_ratings_raises(
    client: Any, side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = write_store(tmp_path / "a.store", make_columns())._stored
    counts = stored.read_counts(side)
    counts[0], counts[1] = 0, counts[0] + counts[1]
    read_counts = type(stored).read_counts
    monkeypatch.setattr(
        type(stored), "read_counts", lambda of, s: counts if s == side else read_counts(of, s)
    )
    with pytest.raises(ValueError, match="two readings of the ratings differ"):
        train_on(client, stored, SETTINGS)


def test_early_stopping_is_that_of_one_process(client: Any) -> None:
    users, items, ratings = make_columns()
    settings = make_settings(sizes=MANY_BANDS, n_epochs=8, patience=1)
    held_out = HeldOut(
        user_rows=users[:50].astype(np.int32),
        item_rows=items[:50].astype(np.int32),
        values=ratings[:50].astype(np.float32),
    )
    columns = users, items, ratings
    expected = train_here(columns, settings, held_out=held_out)
    found = train_on(client, to_frame(columns, 2), settings, held_out=held_out)
    assert_equal(found, expected)


@pytest.mark.parametrize("adagrad", [False, True])
def test_a_warm_start_is_that_of_one_process(client: Any, adagrad: bool) -> None:
    settings = replace(SETTINGS, rule=UpdateRule(adagrad=adagrad))
    first = train_here(make_columns(), settings)
    known_users, known_items = (np.ones(len(side), np.bool) for side in first.progress)
    start = WarmStart(
        factors=first.factors,
        known_users=known_users,
        known_items=known_items,
        progress=first.progress,
        accumulators=first.accumulators,
    )
    columns = make_columns(6000)  # the same users and items
    expected = train_here(columns, settings, warm_start=start)
    found = train_on(client, to_frame(columns, 2), settings, warm_start=start)
    assert_equal(found, expected)


def test_the_squared_error_of_a_state_is_that_of_one_process(client: Any) -> None:
    columns, workers = make_columns(), Workers()

    def measure(schedule: Schedule, make_runner: MakeRunner) -> float:
        standardized, scale = standardize(schedule, SETTINGS, None)
        continued, continuations = continue_rows(standardized, SETTINGS, None)
        runner = make_runner(continued, SETTINGS, workers, continuations)
        return runner.squared_error(runner.begin(scale, None))

    schedule = make_schedule(read_ratings(columns, dtype=np.dtype(np.float32)), SETTINGS)
    expected = measure(schedule, make_epoch_runner)
    cluster = Cluster(client)
    cluster.connect()
    with cluster.released():
        ratings = read_named(cluster, to_frame(columns, 3), np.dtype(np.float32))
        schedule = make_cluster_schedule(ratings, SETTINGS, None, workers)
        assert measure(schedule, make_cluster_runner) == expected


def test_divergence_is_recovered_as_in_one_process(client: Any) -> None:
    columns = make_columns()
    rates = type(SETTINGS.rates)(6.0, 6.0, 3.0, 3.0)
    settings = make_settings(sizes=MANY_BANDS, n_epochs=3, rates=rates, log_level=0)
    expected = train_here(columns, settings)
    assert expected.history[-1].learning_rate < 1.0
    assert_equal(train_on(client, to_frame(columns, 2), settings), expected)


def test_workers_that_are_killed_change_nothing() -> None:
    columns, settings = make_columns(), replace(SETTINGS, n_epochs=5)
    expected = train_here(columns, settings)
    with start_cluster(2, processes=True) as client:

        def kill(finished: Epoch) -> None:
            client.wait_for_workers(2)
            if finished.number in (1, 3):
                kill_worker(client, finished.number // 2)

        found = train_on(client, to_frame(columns, 3), settings, callbacks=(kill,))
    assert_equal(found, expected)


def test_no_step_takes_the_factors_that_a_worker_keeps() -> None:
    # Dask may remove all replicas of a result but one, so a worker that takes one could become the
    # only one that has it, besides its copy.
    with start_cluster(2) as client:
        cluster = Cluster(client)
        cluster.connect()
        with cluster.released():
            ratings = read_named(cluster, to_frame(make_columns(), 2), np.dtype(np.float32))
            schedule = make_cluster_schedule(ratings, SETTINGS, None, Workers())
            standardized, scale = standardize(schedule, SETTINGS, None)
            continued, continuations = continue_rows(standardized, SETTINGS, None)
            runner = make_cluster_runner(continued, SETTINGS, Workers(), continuations)
            state = runner.begin(scale, None)
            runner.run(state, 1, 1.0)
            held = list(runner.copy(state))
            runner.run(state, 3, 1.0)  # in the same direction, so that items change workers
            kept = [entry.future for entry in held], [entry.copy for entry in held]
            for own, other in zip(*map(cluster.holders, kept), strict=True):
                assert len(own) == len(other) == 1
                assert own != other


def test_training_continues_from_a_checkpoint_on_another_cluster(client: Any) -> None:
    columns = make_columns()
    expected = train_here(columns, SETTINGS)
    cluster = Cluster(client)
    cluster.connect()
    with cluster.released():
        ratings = read_named(cluster, to_frame(columns, 2), np.dtype(np.float32))
        trainer = Trainer(ratings, SETTINGS, backend=ON_CLUSTER)
        trainer.run_epochs((lambda epoch: epoch.number == 2,))
        saved = trainer.save()
    with start_cluster(2) as other:
        cluster = Cluster(other)
        cluster.connect()
        ratings = read_named(cluster, to_frame(columns, 3), np.dtype(np.float32))
        trainer = Trainer(ratings, SETTINGS, backend=ON_CLUSTER)
        trainer.resume(saved)
        assert_equal(trainer.train(), expected)


def test_factors_of_which_no_copy_is_left_raise() -> None:
    with start_cluster(1) as client:

        def replace_worker(finished: Epoch) -> None:
            if finished.number == 2:
                client.cluster.scale(0)
                while client.nthreads():
                    time.sleep(0.01)
                client.cluster.scale(1)

        with pytest.raises(ClusterError, match="the workers that held some of the factors are"):
            train_on(client, to_frame(make_columns(), 3), SETTINGS, callbacks=(replace_worker,))


def test_a_cluster_without_workers_raises() -> None:
    with start_cluster(0) as client:
        cluster = Cluster(client, return_seconds=0.0)
        with pytest.raises(ClusterError, match="the cluster has no workers, and none came within"):
            cluster.connect()
