"""A fit of implicit feedback on a cluster has the bits of a fit in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clusters import kill_worker, start_cluster
from optional import dask, pandas

import factorate as ft

pytest.importorskip("distributed", reason="needs Dask")

from factorate.dask import DaskImplicitMatrixFactorization

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

N_USERS, N_ITEMS, N = 9000, 5000, 20_000  # several chunks of the sums of either side
SMALL: dict[str, Any] = {"n_factors": 5, "n_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def client() -> Generator[Any]:
    with start_cluster(3) as client:
        yield client


@pytest.fixture(scope="module")
def frame() -> Any:
    generator = np.random.default_rng(4)
    users = (N_USERS * generator.random(N) ** 2).astype(int)
    items = (N_ITEMS * generator.random(N) ** 2).astype(int)
    plays = generator.integers(1, 4, N)
    return pandas.DataFrame({"user": users + 7, "item": 3 * items, "plays": plays})


@pytest.fixture(scope="module")
def local(frame: Any) -> ft.ImplicitMatrixFactorization:
    return ft.ImplicitMatrixFactorization(**SMALL).fit(frame)


def parts(frame: Any, n: int = 3) -> Any:
    return dask.dataframe.from_pandas(frame, npartitions=n, sort=False)


def fit_on(client: Any, X: Any, **changes: Any) -> DaskImplicitMatrixFactorization:
    options = {name: changes.pop(name) for name in ("eval_set", "callbacks") if name in changes}
    model = DaskImplicitMatrixFactorization(**(SMALL | changes), client=client)
    return model.fit(X, **options)


def fit_here(X: Any, **changes: Any) -> ft.ImplicitMatrixFactorization:
    options = {name: changes.pop(name) for name in ("eval_set", "callbacks") if name in changes}
    return ft.ImplicitMatrixFactorization(**(SMALL | changes)).fit(X, **options)


def assert_equal(found: Any, expected: Any) -> None:
    for name in ("user_factors_", "item_factors_", "users_", "items_"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    for name in ("epoch", "loss", "valid_ndcg"):
        np.testing.assert_array_equal(found.history_[name], expected.history_[name], name)
    assert found.best_epoch_ == expected.best_epoch_
    assert found.unobserved_weight_ == expected.unobserved_weight_
    assert found.mean_weight_ == expected.mean_weight_
    seen, expected_seen = found._fitted.seen, expected._fitted.seen
    assert (seen is None) == (expected_seen is None)
    for name in ("starts", "items", "counts") if seen is not None else ():
        np.testing.assert_array_equal(getattr(seen, name), getattr(expected_seen, name), name)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_any_number_of_workers_gives_the_bits_of_one_process(
    frame: Any, local: ft.ImplicitMatrixFactorization, n_workers: int
) -> None:
    with start_cluster(n_workers) as client:
        assert_equal(fit_on(client, parts(frame)), local)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_factors": 20, "dtype": "float64", "alpha": 2.0},
        {"unobserved_weight": 0.01, "keep_seen": False, "random_state": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("columns", [["user", "item", "plays"], ["user", "item"]], ids=len)
def test_any_parameters_give_the_bits_of_one_process(
    client: Any, frame: Any, columns: list[str], changes: dict[str, Any]
) -> None:
    given = frame[columns]
    assert_equal(fit_on(client, parts(given, 4), **changes), fit_here(given, **changes))


def test_a_store_gives_the_bits_of_one_process(
    client: Any, frame: Any, local: ft.ImplicitMatrixFactorization, tmp_path: Path
) -> None:
    batches = (frame[first::4] for first in range(4))
    store = ft.RatingStore.create(tmp_path / "a.store", batches, columns=("user", "item", "plays"))
    assert_equal(fit_on(client, store), local)


def test_real_valued_counts_give_the_bits_of_one_process(client: Any) -> None:
    generator = np.random.default_rng(8)
    users, items = generator.integers(0, 300, (2, 70_000))
    columns = {"user": users, "item": items, "weight": generator.gamma(2.0, size=len(users))}
    given = pandas.DataFrame(columns)
    assert_equal(fit_on(client, parts(given)), fit_here(given))


@pytest.mark.parametrize("is_repeated", [False, True])
def test_pairs_without_counts_have_none_unless_they_are_repeated(
    client: Any, is_repeated: bool
) -> None:
    users, items = np.divmod(np.random.default_rng(2).choice(40 * 50, 500, replace=False), 50)
    if is_repeated:  # in different partitions
        users, items = np.append(users, users[:9]), np.append(items, items[:9])
    given = pandas.DataFrame({"user": users, "item": items})
    found = fit_on(client, parts(given), alpha=0.5)
    assert (found._fitted.seen.counts is not None) == is_repeated  # type: ignore[union-attr]
    assert_equal(found, fit_here(given, alpha=0.5))


def test_there_can_be_fewer_rows_than_workers(client: Any) -> None:
    given = pandas.DataFrame({"user": ["ann", "ann", "bob"], "item": [1, 2, 1]})
    assert_equal(fit_on(client, parts(given)), fit_here(given))


def test_early_stopping_is_that_of_one_process(client: Any, frame: Any) -> None:
    held_out = frame[:600].assign(item=frame["item"].to_numpy()[600:1200])
    changes = {"eval_set": held_out, "early_stopping": True, "patience": 1, "n_epochs": 20}
    found = fit_on(client, parts(frame), keep_seen=False, **changes)
    assert found.n_epochs_ < 20
    assert_equal(found, fit_here(frame, keep_seen=False, **changes))


def test_callbacks_are_called_after_each_epoch(client: Any, frame: Any) -> None:
    numbers: list[int] = []

    def stop_at_2(epoch: Any) -> bool:
        numbers.append(epoch.number)
        return bool(epoch.number == 2)

    found = fit_on(client, parts(frame), n_epochs=9, callbacks=[stop_at_2])
    assert numbers == [1, 2]
    assert found.n_epochs_ == 2


def test_an_interrupt_keeps_the_epochs_before(
    client: Any, frame: Any, local: ft.ImplicitMatrixFactorization
) -> None:
    model = DaskImplicitMatrixFactorization(**(SMALL | {"n_epochs": 5}), client=client)

    def interrupt(epoch: Any) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(parts(frame), callbacks=[interrupt])
    assert_equal(model, local)


def test_a_worker_that_is_killed_changes_nothing(frame: Any) -> None:
    held_out = frame[:600].assign(item=frame["item"].to_numpy()[600:1200])
    changes = {"n_epochs": 3, "eval_set": held_out}
    expected = fit_here(frame, **changes)
    with start_cluster(2, processes=True) as client:

        def kill(finished: Any) -> None:
            if finished.number == 1:
                kill_worker(client, 0)

        found = fit_on(client, parts(frame), callbacks=[kill], **changes)
    assert_equal(found, expected)


def test_factors_that_are_not_finite_are_an_error(client: Any, frame: Any) -> None:
    given = frame[:3000].assign(plays=4e23)
    with pytest.raises(ft.DivergenceError, match="the user factors are not finite"):
        fit_on(client, parts(given), alpha=9e8, regularization=9e8)
