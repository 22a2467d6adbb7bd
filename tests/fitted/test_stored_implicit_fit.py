"""A fit of implicit feedback to a store has the bits of a fit to interactions in memory."""

from __future__ import annotations

import itertools
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores import fit_limited, write_store

import factorate as ft

N_USERS, N_ITEMS, N = 600, 150, 12_000
SMALL: dict[str, Any] = {"n_factors": 12, "n_epochs": 3, "random_state": 0, "n_threads": 2}


@pytest.fixture(scope="module")
def columns() -> Any:
    generator = np.random.default_rng(5)
    users = (N_USERS * generator.random(N) ** 2).astype(int)
    return users + 7, generator.integers(0, N_ITEMS, N) * 3, generator.integers(1, 4, N)


@pytest.fixture(scope="module")
def path(columns: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stores") / "a.store"
    write_store(path, columns, chunk_ratings=5000)
    return path


def model(**changes: Any) -> ft.ImplicitMatrixFactorization:
    return ft.ImplicitMatrixFactorization(**(SMALL | changes))


def check_equal(expected: Any, found: Any) -> None:
    for name in ("user_factors_", "item_factors_", "users_", "items_"):
        np.testing.assert_array_equal(getattr(expected, name), getattr(found, name), name)
    for name in ("epoch", "loss", "valid_ndcg"):
        np.testing.assert_array_equal(expected.history_[name], found.history_[name], name)
    assert expected.best_epoch_ == found.best_epoch_
    assert expected.unobserved_weight_ == found.unobserved_weight_
    assert expected.mean_weight_ == found.mean_weight_
    seen = expected._fitted.seen, found._fitted.seen
    if seen[0] is None:
        assert seen[1] is None
        return
    for name in ("starts", "items", "counts"):
        np.testing.assert_array_equal(getattr(seen[0], name), getattr(seen[1], name), name)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {"n_factors": 64},
        {"n_factors": 20, "dtype": "float64", "alpha": 2.0},
        {"unobserved_weight": 0.01, "keep_seen": False, "random_state": 1},
    ],
    ids=str,
)
def test_the_bits_are_those_of_interactions_in_memory(
    columns: Any, path: Path, changes: dict[str, Any], n_threads: int
) -> None:
    given = changes | {"n_threads": n_threads}
    expected = model(**given).fit(columns)
    for memory in (None, "120MB"):
        check_equal(expected, model(**given).fit(ft.RatingStore(path, memory=memory)))


def test_real_valued_counts_give_the_bits_of_those_in_memory(tmp_path: Path) -> None:
    generator, n = np.random.default_rng(8), 70_000
    columns = *generator.integers(0, 300, (2, n)), generator.gamma(2.0, size=n)
    store = ft.RatingStore.create(tmp_path / "a.store", columns)
    assert not store._stored.manifest.is_coded
    for dtype in ("float32", "float64"):
        expected = model(n_factors=4, dtype=dtype).fit(columns)
        check_equal(expected, model(n_factors=4, dtype=dtype).fit(store))


def test_the_order_of_the_source_does_not_matter(columns: Any, path: Path, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(N)
    shuffled = tuple(column[order] for column in columns)
    batches = (
        tuple(c[begin:end] for c in shuffled)
        for begin, end in itertools.pairwise(range(0, N + 1, 3000))
    )
    store = write_store(tmp_path / "b.store", batches, chunk_ratings=1999)
    check_equal(*(model().fit(s) for s in (store, ft.RatingStore(path))))


@pytest.mark.parametrize("is_repeated", [False, True])
def test_counts_of_1_are_no_counts_unless_pairs_are_repeated(
    tmp_path: Path, is_repeated: bool
) -> None:
    users, items = np.divmod(np.random.default_rng(2).choice(40 * 50, 500, replace=False), 50)
    if is_repeated:
        users, items = np.append(users, users[:9]), np.append(items, items[:9])
    store = write_store(tmp_path / "a.store", (users, items, np.ones(len(users))))
    expected = model(alpha=0.5).fit((users, items))
    seen = expected._fitted.seen
    assert seen is not None
    assert (seen.counts is not None) == is_repeated
    check_equal(expected, model(alpha=0.5).fit(store))


def test_early_stopping_and_callbacks(columns: Any, path: Path) -> None:
    generator = np.random.default_rng(3)
    eval_set = generator.integers(7, 100, 400), generator.integers(0, N_ITEMS + 3, 400) * 3
    models = []
    for X in (columns, ft.RatingStore(path)):
        numbers: list[int] = []
        fitted = model(n_epochs=30, early_stopping=True, patience=2)
        fitted.fit(X, eval_set=eval_set, callbacks=[partial(record, numbers)])
        assert numbers == list(range(1, fitted.n_epochs_ + 1))
        assert fitted.best_epoch_ == fitted.n_epochs_ - 2
        models.append(fitted)
    check_equal(*models)
    stopped = model().fit(ft.RatingStore(path), callbacks=[lambda epoch: epoch.number == 2])
    assert stopped.n_epochs_ == 2


def record(numbers: list[int], epoch: Any) -> None:
    numbers.append(epoch.number)


def test_an_interrupt_keeps_the_finished_epochs(columns: Any, path: Path) -> None:
    def interrupt(epoch: Any) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    models = []
    for X in (columns, ft.RatingStore(path)):
        fitted = model()
        with pytest.raises(KeyboardInterrupt):
            fitted.fit(X, callbacks=[interrupt])
        assert fitted.n_epochs_ == 2
        models.append(fitted)
    check_equal(*models)


def test_the_model_is_an_ordinary_one(columns: Any, path: Path, tmp_path: Path) -> None:
    expected, found = (model().fit(X) for X in (columns, ft.RatingStore(path)))
    found.save(tmp_path / "model.npz")
    for other in (found, ft.load(tmp_path / "model.npz")):
        for mine, its in zip(expected.recommend(n=5), other.recommend(n=5), strict=True):
            np.testing.assert_array_equal(mine, its)
    for fitted in (expected, found):
        fitted.partial_fit(([7, -1], [0, 3], [2, 1])).add_users(([5000], [3]))
    check_equal(expected, found)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (
            [1, 0, 2],
            r"is 0\.0; a pair without interactions is not listed: create the store without",
        ),
        (
            [1, -2, -3],
            r"the lowest count of .* is -3\.0; an interaction has a count or weight above 0",
        ),
        ([1, 1e-50, 1], r"is 0\.0; a pair without interactions is not listed"),
        ([1, 1e30, 1], r"the sum of the counts is 1e\+30; expected at most"),
        ([1, 1e39, 1], "too large for float32"),
        ([1.7e9, 1.6e9, 1.8e9], "the counts look like times"),
    ],
)
def test_wrong_counts_are_named(tmp_path: Path, counts: list[float], reason: str) -> None:
    store = write_store(tmp_path / "a.store", ([0, 1, 2], [0, 1, 0], counts))
    with pytest.raises(ValueError, match=reason):
        model().fit(store)


@pytest.mark.parametrize(
    ("parameters", "arguments", "reason"),
    [
        ({"early_stopping": True}, {}, "early_stopping=True with a RatingStore needs an eval_set"),
        ({}, {"y": np.ones(N)}, "holds its counts; pass it without y"),
        ({}, {"eval_set": ([1], [0])}, "eval_set has no interactions of users"),
        ({}, {"eval_set": (["a"], [0])}, "eval_set: users are str"),
    ],
)
def test_what_a_store_does_not_support_is_an_error(
    path: Path, parameters: dict[str, Any], arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=reason):
        model(**parameters).fit(ft.RatingStore(path), **arguments)


def test_a_damaged_store_leaves_the_old_model(columns: Any, tmp_path: Path) -> None:
    store = write_store(tmp_path / "a.store", columns, chunk_ratings=5000)
    fitted = model().fit(columns)
    before = fitted.user_factors_
    chunk = tmp_path / "a.store" / "ratings-000001.npy"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises(ft.RatingStoreError, match=r"ratings-000001\.npy is damaged"):
        fitted.fit(store)
    assert fitted.user_factors_ is before


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_DATA of Linux")
def test_a_fit_stays_below_its_memory(tmp_path: Path) -> None:
    generator, n = np.random.default_rng(0), 1_800_000
    users, items = generator.integers(0, 20_000, n), generator.integers(0, 5000, n)
    columns = users, items, generator.integers(1, 6, n)
    path = tmp_path / "a.store"
    ft.RatingStore.create(path, columns)
    fitted = model(n_factors=32, n_epochs=2, keep_seen=False).fit(columns)
    expected = fitted.user_factors_.sum(dtype=float).hex()
    assert fit_limited(fitted, path, 110) == expected
    assert fit_limited(fitted, path, 110, "in memory") == "MemoryError"
