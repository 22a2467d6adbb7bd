"""A fit to a store has the bits of a fit to the same ratings in memory."""

from __future__ import annotations

import copy
import itertools
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores import fit_limited, write_store

import factorate as ft

N_USERS, N_ITEMS, N = 3000, 400, 60_000


@pytest.fixture(scope="module")
def columns() -> Any:
    generator = np.random.default_rng(5)
    pairs = generator.choice(N_USERS * N_ITEMS, N, replace=False)
    users, items = np.divmod(pairs, N_ITEMS)
    return users + 7, items * 3, generator.integers(1, 11, N) / 2


@pytest.fixture(scope="module")
def path(columns: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stores") / "a.store"
    write_store(path, columns, chunk_ratings=10_000)
    return path


def check_equal(expected: Any, found: Any) -> None:
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_", "users_", "items_"):
        np.testing.assert_array_equal(getattr(expected, name), getattr(found, name), name)
    for name in ("train_rmse", "valid_rmse", "valid_loss", "learning_rate"):
        np.testing.assert_array_equal(expected.history_[name], found.history_[name], name)
    assert expected.global_mean_ == found.global_mean_
    assert expected.best_epoch_ == found.best_epoch_
    for mine, other in zip(expected._fitted.progress, found._fitted.progress, strict=True):
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(expected._fitted.seen.items, found._fitted.seen.items)
    np.testing.assert_array_equal(expected._fitted.seen.starts, found._fitted.seen.starts)
    assert expected._fitted.bounds == found._fitted.bounds


SETTINGS: list[dict[str, Any]] = [
    {"n_factors": 64},
    {"n_factors": 0, "random_state": 1},
    {"n_factors": 100, "random_state": 2, "dtype": "float64"},
    {"n_factors": 512, "random_state": 3, "n_epochs": 2},
    {"n_factors": 40, "learning_rate_schedule": "adagrad"},
    {"n_factors": 40, "loss": "huber", "l1_regularization": 0.01},
    {"n_factors": 40, "loss": "absolute"},
    {"n_factors": 40, "loss": "kullback_leibler", "nonnegative": True},
]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_bits_are_those_of_ratings_in_memory(
    columns: Any, path: Path, settings: dict[str, Any], n_threads: int
) -> None:
    given: dict[str, Any] = {"n_epochs": 3, "random_state": 0, "n_threads": n_threads} | settings
    expected = ft.MatrixFactorization(**given).fit(columns)
    for memory in (None, "120MB"):
        store = ft.RatingStore(path, memory=memory)
        check_equal(expected, ft.MatrixFactorization(**given).fit(store))


def test_the_order_of_the_source_does_not_matter(columns: Any, path: Path, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(N)
    shuffled = tuple(column[order] for column in columns)
    batches = (
        tuple(c[begin:end] for c in shuffled)
        for begin, end in itertools.pairwise(range(0, N + 1, 7500))
    )
    store = write_store(tmp_path / "b.store", batches, chunk_ratings=9999)
    models = [
        ft.MatrixFactorization(48, 3, random_state=4).fit(s) for s in (store, ft.RatingStore(path))
    ]
    check_equal(*models)


def test_pairs_that_occur_twice_keep_their_order(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    columns = (
        generator.integers(0, 100, 30_000),
        generator.integers(0, 90, 30_000),
        generator.integers(1, 6, 30_000),
    )
    store = write_store(tmp_path / "a.store", columns)
    given: dict[str, Any] = {"n_factors": 300, "n_epochs": 2, "random_state": 0}
    expected = ft.MatrixFactorization(**given).fit(columns)
    check_equal(expected, ft.MatrixFactorization(**given).fit(store))


def record(numbers: list[int], epoch: Any) -> None:
    numbers.append(epoch.number)


REAL_VALUED: list[dict[str, Any]] = [
    {"n_factors": 16},
    {"n_factors": 16, "dtype": "float64"},
    {"n_factors": 8, "loss": "absolute"},
    {"n_factors": 8, "loss": "huber", "dtype": "float64"},
    {"n_factors": 8, "loss": "kullback_leibler", "nonnegative": True},
]


@pytest.fixture(scope="module")
def real_valued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """Return more ratings than 65,536, all distinct, and the path of their store.

    The first file has codes, and the others have ratings.
    """
    generator, n = np.random.default_rng(8), 70_000
    users, items = generator.integers(0, 900, n), generator.integers(0, 400, n)
    columns = users, items, generator.gamma(2.0, size=n)
    parts = (tuple(c[rows] for c in columns) for rows in (slice(0, 40_000), slice(40_000, n)))
    path = tmp_path_factory.mktemp("stores") / "a.store"
    store = write_store(path, parts, chunk_ratings=30_000)
    assert [chunk.code_bytes for chunk in store._stored.manifest.chunks] == [2, 0, 0]
    return columns, path


@pytest.mark.parametrize("settings", REAL_VALUED, ids=str)
def test_real_valued_ratings_give_the_bits_of_those_in_memory(
    real_valued: tuple[Any, Path], settings: dict[str, Any]
) -> None:
    columns, path = real_valued
    given: dict[str, Any] = {"n_epochs": 2, "random_state": 0, "n_threads": 2} | settings
    expected = ft.MatrixFactorization(**given).fit(columns)
    for memory in (None, "140MB"):
        store = ft.RatingStore(path, memory=memory)
        found = ft.MatrixFactorization(**given).fit(store)
        check_equal(expected, found)
    evaluated = found.evaluate(store)
    assert evaluated == pytest.approx(expected.evaluate(columns), rel=1e-6)


@pytest.mark.parametrize("fraction", [0.05, 0.5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_real_valued_ratings_are_held_out_as_in_memory(
    real_valued: tuple[Any, Path], dtype: str, fraction: float
) -> None:
    # Half of the ratings have less than 65,536 distinct values, and therefore codes.
    columns, path = real_valued
    given: dict[str, Any] = {
        "n_factors": 8,
        "n_epochs": 3,
        "random_state": 0,
        "dtype": dtype,
        "early_stopping": True,
        "validation_fraction": fraction,
    }
    expected = ft.MatrixFactorization(**given).fit(columns)
    check_equal(expected, ft.MatrixFactorization(**given).fit(ft.RatingStore(path)))


def test_training_on_real_valued_ratings_continues_as_in_memory(
    real_valued: tuple[Any, Path],
) -> None:
    columns, path = real_valued
    models = []
    for X in (columns, ft.RatingStore(path)):
        model = ft.MatrixFactorization(8, 2, random_state=0, warm_start=True, n_threads=2)
        models.append(model.fit(X).fit(X))
    check_equal(*models)


def test_ratings_that_are_distinct_in_float64_alone_have_codes_in_float32(tmp_path: Path) -> None:
    numbers = np.arange(70_000)
    columns = numbers % 300, numbers // 300, 1 + numbers % 5 + numbers * 1e-12
    store = ft.RatingStore.create(tmp_path / "a.store", columns)
    assert not store._stored.manifest.is_coded
    given: dict[str, Any] = {"n_factors": 8, "n_epochs": 2, "random_state": 0}
    for dtype in ("float32", "float64"):
        expected = ft.MatrixFactorization(dtype=dtype, **given).fit(columns)
        check_equal(expected, ft.MatrixFactorization(dtype=dtype, **given).fit(store))


def test_errors_of_real_valued_ratings(real_valued: tuple[Any, Path], tmp_path: Path) -> None:
    (users, items, values), path = real_valued
    with pytest.raises(ValueError, match=r"more than 65,536 distinct.*expects ratings of two"):
        ft.MatrixFactorization(4, loss="hinge").fit(ft.RatingStore(path))
    store = ft.RatingStore.create(tmp_path / "b.store", (users, items, 1e39 * (values - 2)))
    with pytest.raises(ValueError, match=r"\[0\] is -1\.9\d+e\+39; nonnegative=True expects"):
        ft.MatrixFactorization(4, nonnegative=True, dtype="float64").fit(store)
    with pytest.raises(ValueError, match="too large for float32"):
        ft.MatrixFactorization(4).fit(store)


def test_early_stopping_and_callbacks(columns: Any, path: Path) -> None:
    held = tuple(column[::10] for column in columns)
    given: dict[str, Any] = {
        "n_factors": 16,
        "n_epochs": 30,
        "random_state": 0,
        "early_stopping": True,
        "learning_rate": 0.3,
    }
    models = []
    for X in (columns, ft.RatingStore(path)):
        numbers: list[int] = []
        model = ft.MatrixFactorization(**given)
        model.fit(X, eval_set=held, callbacks=[partial(record, numbers)])
        assert numbers == list(range(1, model.n_epochs_ + 1))
        models.append(model)
    check_equal(*models)
    stopped = ft.MatrixFactorization(4, random_state=0)
    stopped.fit(ft.RatingStore(path), callbacks=[lambda epoch: epoch.number == 2])
    assert stopped.n_epochs_ == 2


@pytest.mark.parametrize(
    "settings",
    [{}, {"validation_fraction": 0.9, "dtype": "float64"}, {"validation_fraction": 1e-9}],
    ids=str,
)
def test_the_same_ratings_are_held_out(columns: Any, path: Path, settings: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "n_factors": 16,
        "n_epochs": 30,
        "random_state": 3,
        "early_stopping": True,
        "learning_rate": 0.3,
        "patience": 1,
    } | settings
    expected = ft.MatrixFactorization(**given).fit(columns)
    assert settings or expected.best_epoch_ < expected.n_epochs_ < 30
    for memory, n_threads in ((None, 2), ("150MB", 1)):
        model = ft.MatrixFactorization(**given, n_threads=n_threads)
        check_equal(expected, model.fit(ft.RatingStore(path, memory=memory)))


def test_users_whose_ratings_are_all_held_out_are_those_in_memory(tmp_path: Path) -> None:
    users, items = np.arange(200) // 2, np.arange(200) % 50
    columns = users, items, np.where(users == 0, 99, users % 5)  # a rating that may be held out
    store = write_store(tmp_path / "a.store", columns, chunk_ratings=70)
    given: dict[str, Any] = {"n_factors": 3, "early_stopping": True, "validation_fraction": 0.5}
    for seed in range(5):
        expected = ft.MatrixFactorization(**given, random_state=seed).fit(columns)
        assert not expected.user_factors_.any(axis=1).all()
        check_equal(expected, ft.MatrixFactorization(**given, random_state=seed).fit(store))


def test_all_ratings_held_out_is_an_error(tmp_path: Path) -> None:
    store = write_store(tmp_path / "a.store", ([1, 1, 1], [2, 2, 2], [3, 4, 5]))
    with pytest.raises(ValueError, match="holds out 3 of 3 entries, which leaves none"):
        ft.MatrixFactorization(2, early_stopping=True).fit(store)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"early_stopping": True, "random_state": 7},
        {"learning_rate_schedule": "adagrad", "fit_bias": False},
        {"n_epochs": 0},
        {"learning_rate": 4.0, "count_scale": None},
    ],
    ids=str,
)
def test_a_warm_start_is_that_in_memory(
    columns: Any, path: Path, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    given: dict[str, Any] = {"n_factors": 40, "n_epochs": 2, "random_state": 0} | settings
    some = columns[1] > 90
    first = tuple(np.append(column[some], column[-3:] + 5000) for column in columns)
    before = {"learning_rate": None, "n_epochs": 2, "random_state": 0}
    old = ft.MatrixFactorization(**given | before).fit(first)
    models = []
    for X, n_threads in (
        (columns, 1),
        (ft.RatingStore(path), 3),
        (ft.RatingStore(path, memory="120MB"), 2),
    ):
        model = copy.deepcopy(old).set_params(**given, warm_start=True, n_threads=n_threads)
        models.append(model.fit(X))
    assert ("training diverged" in caplog.text) == ("count_scale" in settings)
    check_equal(models[0], models[1])
    check_equal(models[0], models[2])


def test_a_warm_start_with_other_factors_is_rejected(path: Path) -> None:
    model = ft.MatrixFactorization(4, warm_start=True).fit(([7], [0], [3]))
    with pytest.raises(ValueError, match=r"continues from n_factors=4 .* n_factors=5"):
        model.set_params(n_factors=5).fit(ft.RatingStore(path))


def test_divergence_is_undone_as_in_memory(
    columns: Any, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given: dict[str, Any] = {
        "n_factors": 16,
        "n_epochs": 3,
        "random_state": 0,
        "learning_rate": 4.0,
        "count_scale": None,
    }
    models = [ft.MatrixFactorization(**given).fit(X) for X in (columns, ft.RatingStore(path))]
    assert "training diverged" in caplog.text
    check_equal(*models)


def test_an_interrupt_keeps_the_finished_epochs(columns: Any, path: Path) -> None:
    def interrupt(epoch: Any) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    models = []
    for X in (columns, ft.RatingStore(path)):
        model = ft.MatrixFactorization(16, random_state=0)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, callbacks=[interrupt])
        assert model.n_epochs_ == 2
        models.append(model)
    check_equal(*models)


def test_the_model_is_an_ordinary_one(columns: Any, path: Path, tmp_path: Path) -> None:
    model = ft.MatrixFactorization(8, random_state=0).fit(ft.RatingStore(path))
    model.save(tmp_path / "model.npz")
    assert (
        ft.load(tmp_path / "model.npz").recommend(7, n=3)[0].tolist()
        == model.recommend(7, n=3)[0].tolist()
    )
    seen = set(columns[1][columns[0] == 7].tolist())
    assert not seen & set(model.recommend(7, n=50)[0].tolist())
    model.partial_fit(([7, -1], [0, 3], [5, 4]))
    assert model.users_[-1] == -1


def test_without_seen_items_nothing_is_collected(path: Path) -> None:
    model = ft.MatrixFactorization(8, random_state=0, keep_seen=False).fit(ft.RatingStore(path))
    assert model._fitted.seen is None


@pytest.mark.parametrize(
    ("parameters", "arguments", "reason"),
    [
        ({"svdpp": True}, {}, "svdpp=True cannot be used with a RatingStore.*set svdpp=False"),
        ({}, {"y": np.ones(N)}, "holds its ratings; pass it without y"),
        ({}, {"sample_weight": np.ones(N)}, "sample_weight cannot be used with a RatingStore"),
        ({"loss": "logistic"}, {}, "the distinct ratings.*expects ratings of two values"),
        ({}, {"eval_set": ([7], [0])}, "eval_set"),
    ],
)
def test_what_a_store_does_not_support_is_an_error(
    path: Path, parameters: dict[str, Any], arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=reason):
        ft.MatrixFactorization(4, **parameters).fit(ft.RatingStore(path), **arguments)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: ft.MatrixFactorization(4).fit(([1], [2], [3])).predict(store),
        lambda store: ft.MatrixFactorizationCV(n_trials=1).fit(store),
        lambda store: ft.ImplicitMatrixFactorizationCV(n_trials=1).fit(store),
        lambda store: ft.ImplicitMatrixFactorization(4).fit(([1], [2])).partial_fit(store),
        lambda store: ft.ImplicitMatrixFactorization(4).fit(([1], [2])).evaluate(store),
        lambda store: ft.MatrixFactorization(4).fit(([1], [2], [3])).add_users(store),
        lambda store: ft.MatrixFactorization(4).fit(([1], [2], [3]), eval_set=store),
    ],
)
def test_other_methods_need_ratings_in_memory(path: Path, call: Any) -> None:
    reason = (
        r"got RatingStore; expected .*; or pass ratings in memory, such as one of its batches\(\)$"
    )
    with pytest.raises(TypeError, match=reason):
        call(ft.RatingStore(path))


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_DATA of Linux")
def test_a_fit_stays_below_its_memory(tmp_path: Path) -> None:
    generator, n = np.random.default_rng(0), 4_000_000
    users, items = generator.integers(0, 20_000, n), generator.integers(0, 5000, n)
    columns = users, items, generator.integers(1, 6, n)
    path = tmp_path / "a.store"
    ft.RatingStore.create(path, columns)
    model = ft.MatrixFactorization(32, 2, random_state=0, n_threads=2, keep_seen=False)
    expected = model.fit(columns).user_factors_.sum(dtype=float).hex()
    assert fit_limited(model, path, 110) == expected
    assert fit_limited(model, path, 110, "in memory") == "MemoryError"
    expected = model.set_params(early_stopping=True).fit(columns).user_factors_.sum(dtype=float)
    assert fit_limited(model, path, 150) == expected.hex()
