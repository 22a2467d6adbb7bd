"""Several threads and processes can use one model; each result comes from one version of it."""

from __future__ import annotations

import copy
import functools
import itertools
import multiprocessing
import os
import pickle
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from training_cases import sigint_raises

import factorate as ft

if TYPE_CHECKING:
    from collections.abc import Callable

N_READERS = 8
SECONDS = float(os.environ.get("FACTORATE_TEST_SECONDS", "1"))

Model = ft.MatrixFactorization
Implicit = ft.ImplicitMatrixFactorization


def fitted_to_interactions(columns: Any, **changes: Any) -> Implicit:
    parameters: dict[str, Any] = {"n_factors": 5, "n_epochs": 2, "random_state": 3}
    return Implicit(**(parameters | changes)).fit(columns[:2])


def fitted(columns: Any, **changes: Any) -> Model:
    parameters: dict[str, Any] = {"n_factors": 5, "n_epochs": 2, "random_state": 3}
    return Model(**(parameters | changes)).fit(columns)


def changes(model: Model, columns: Any) -> list[Callable[[], Any]]:
    """Return functions that change the ids, factors and ratings of a model."""
    users, items, ratings = columns
    seeds = itertools.count(1)
    some = users < 50

    def fit() -> None:
        seed = next(seeds)
        model.set_params(n_factors=3 + seed % 5, random_state=seed)
        chosen = some if seed % 2 else slice(None)
        model.fit((users[chosen], items[chosen], ratings[chosen]))

    def add_users() -> None:
        generator = np.random.default_rng(next(seeds))
        late = np.repeat(np.arange(55, 65), 4)
        model.add_users((late, generator.integers(0, 80, 40), generator.normal(3, 1, 40)))

    def add_items() -> None:
        generator = np.random.default_rng(next(seeds))
        late = np.repeat(np.arange(100, 105), 4)
        model.add_items((generator.integers(0, 50, 20), late, generator.normal(3, 1, 20)))

    def remove_users() -> None:
        model.remove_users(model.users_[-3:])

    def remove_items() -> None:
        model.remove_items(model.items_[-2:])

    def partial_fit() -> None:
        generator = np.random.default_rng(next(seeds))
        late = generator.integers(40, 70, 40), generator.integers(0, 80, 40)
        model.partial_fit((*late, generator.normal(3, 1, 40)))

    added = [fit, add_users, partial_fit, remove_users, add_items, partial_fit]
    return [*added, remove_items, remove_users]


def changes_of_interactions(model: Implicit, columns: Any) -> list[Callable[[], Any]]:
    """Return functions that change the ids, factors and interactions of a model."""
    users, items, _ = columns
    seeds = itertools.count(1)

    def late(first_user: int, n_users: int, first_item: int, n_items: int) -> tuple[Any, Any, Any]:
        generator = np.random.default_rng(next(seeds))
        rows = first_user + generator.integers(0, n_users, 40)
        return rows, first_item + generator.integers(0, n_items, 40), generator.integers(1, 9, 40)

    def fit() -> None:
        seed = next(seeds)
        model.set_params(n_factors=3 + seed % 5, random_state=seed)
        model.fit((users[: -7 * seed], items[: -7 * seed]))

    added = [
        fit,
        lambda: model.add_users(late(55, 10, 0, 80)),
        lambda: model.partial_fit(late(40, 30, 0, 80)),
        lambda: model.remove_users(model.users_[-3:]),
        lambda: model.add_items(late(0, 50, 100, 5)),
        lambda: model.partial_fit(late(40, 30, 0, 80)),
    ]
    return [
        *added,
        lambda: model.remove_items(model.items_[-2:]),
        lambda: model.remove_users(model.users_[-3:]),
    ]


@pytest.mark.parametrize(
    ("make", "make_changes"),
    [(fitted, changes), (fitted_to_interactions, changes_of_interactions)],
    ids=["ratings", "interactions"],
)
@pytest.mark.filterwarnings("ignore::factorate.UnknownIdWarning")
def test_concurrent_reads_return_the_result_of_one_version(
    make: Any, make_changes: Any, columns: Any
) -> None:
    """All threads collect hashes of results, which are compared at the end."""
    model = make(columns, n_threads=1)
    users, items = np.indices((66, 106)).reshape(2, -1)

    def answers() -> list[tuple[str, int]]:
        return [
            ("predict", hash(model.predict((users, items)).tobytes())),
            ("recommend", hash(model.recommend(range(66), n=5)[1].tobytes())),
            ("recommend_for", hash(model.recommend_for({5: 1.0, 7: 4.0})[1].tobytes())),
            ("complete", hash(model.complete(range(66), [5, 101]).tobytes())),
            ("similar_items", hash(model.similar_items([5, 101], n=5)[1].tobytes())),
        ]

    versions, done = set(answers()), threading.Event()

    def read() -> list[tuple[str, int]]:
        given = []
        while not done.is_set():
            given += answers()
        return given

    with ThreadPoolExecutor(N_READERS) as pool:
        readers = [pool.submit(read) for _ in range(N_READERS)]
        try:
            end = time.monotonic() + SECONDS
            for change in itertools.cycle(make_changes(model, columns)):
                change()
                versions |= set(answers())  # no other thread changes the model
                if time.monotonic() > end:
                    break
        finally:
            done.set()
        given = [answer for reader in readers for answer in reader.result()]
    assert set(given) <= versions
    assert len(set(given)) > 4
    print(f"{len(given)} answers of {len(set(given))} among {len(versions)} versions")


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_other_processes_predict_the_same(method: str, columns: Any) -> None:
    """The model was trained on threads, which a forked process does not have."""
    model = fitted(columns, n_threads=2)
    pairs = columns[0], columns[1]
    with multiprocessing.get_context(method).Pool(1) as pool:
        there = pool.apply(model.predict, (pairs,))
        again = pool.apply(copy.deepcopy(model).fit, (columns,))
    np.testing.assert_array_equal(there, model.predict(pairs))
    np.testing.assert_array_equal(again.user_factors_, model.user_factors_)


def test_joblib_processes_predict_the_same(columns: Any) -> None:
    joblib = pytest.importorskip("joblib", reason="joblib, which scikit-learn brings, is absent")
    model = fitted(columns, n_factors=8000)  # so large that joblib maps it from a file
    halves = [(columns[0][first::2], columns[1][first::2]) for first in range(2)]
    there = joblib.Parallel(n_jobs=2)(joblib.delayed(model.predict)(pairs) for pairs in halves)
    for predicted, pairs in zip(there, halves, strict=True):
        np.testing.assert_array_equal(predicted, model.predict(pairs))


def in_threads(*functions: Callable[[], object]) -> None:
    """Run functions at the same time and raise what they raise."""
    with ThreadPoolExecutor(len(functions)) as pool:
        for result in [pool.submit(function) for function in functions]:
            result.result(timeout=60)


def test_no_change_of_two_threads_is_lost(columns: Any) -> None:
    """Regression: users that two threads add at the same time are all kept."""
    model = fitted(columns, n_threads=1)

    def add(first: int) -> None:
        for user in range(first, first + 200):
            model.add_users(([user] * 3, [1, 2, 3], [3.0, 4.0, 5.0]))

    in_threads(lambda: add(1000), lambda: add(2000))
    assert sorted(model.users_[60:].tolist()) == [*range(1000, 1200), *range(2000, 2200)]


def test_all_interactions_that_threads_add_at_the_same_time_are_kept(columns: Any) -> None:
    """Each pair has the count that it has if one thread adds them all."""
    model, n_times = fitted_to_interactions(columns, n_threads=1), 50

    def update(user: int) -> None:
        for item in range(n_times):
            model.partial_fit(([user, 0], [item % 80, 3]))

    def add_and_remove(user: int) -> None:
        for _ in range(n_times):
            model.add_users(([user] * 2, [1, 2])).remove_users([user])

    def read() -> None:
        for user in range(n_times):
            items, scores = model.recommend(user, n=80)
            user_items = set(columns[1][columns[0] == user].tolist())
            assert not user_items & set(items[~np.isnan(scores)].tolist())
            assert model.recommend_for([1, 2], n=3)[0].shape == (3,)

    in_threads(
        *(functools.partial(update, user) for user in (7, 1000)),
        *(functools.partial(add_and_remove, user) for user in (2000, 3000)),
        read,
    )
    assert model.users_.tolist() == [*range(60), 1000]
    expected = fitted_to_interactions(columns, n_threads=1)
    late = [7] * n_times + [1000] * n_times + [0] * (2 * n_times)
    items = [*range(n_times)] * 2 + [3] * (2 * n_times)
    expected.partial_fit((late, items))
    seen, expected_seen = (vars(some)["_fitted"].seen for some in (model, expected))
    np.testing.assert_array_equal(seen.starts, expected_seen.starts)
    np.testing.assert_array_equal(seen.items, expected_seen.items)
    np.testing.assert_array_equal(seen.counts, expected_seen.counts)


@pytest.mark.parametrize("make", [fitted, fitted_to_interactions], ids=["ratings", "interactions"])
@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("fit", ([7], [7], [4.0])),
        ("partial_fit", ([7], [7], [4.0])),
        ("add_users", ([7], [7], [4.0])),
        ("add_items", ([7], [7], [4.0])),
        ("remove_users", [7]),
        ("remove_items", [7]),
    ],
)
def test_a_change_waits_for_the_end_of_another(
    method: str, argument: Any, make: Any, columns: Any
) -> None:
    """Reading does not wait."""
    model, begun, finish = make(columns, n_threads=1), threading.Event(), threading.Event()
    data = columns if make is fitted else columns[:2]
    before = model._fitted

    def wait(_: object) -> None:
        begun.set()
        finish.wait(60)

    with ThreadPoolExecutor(2) as pool:
        fit = pool.submit(model.fit, data, callbacks=[wait])
        assert begun.wait(60)
        changed = pool.submit(getattr(model, method), argument)
        try:
            model.predict(([1], [1]))
            with pytest.raises(TimeoutError):
                changed.result(timeout=0.05)
            assert model._fitted is before
        finally:
            finish.set()
        fit.result(60)
        changed.result(60)
    expected = getattr(make(columns, n_threads=1), method)(argument)
    np.testing.assert_array_equal(model.user_factors_, expected.user_factors_)
    np.testing.assert_array_equal(model.item_factors_, expected.item_factors_)


def test_each_model_has_a_lock_of_its_own(columns: Any) -> None:
    """A copy can be changed while the original is being fitted."""
    model = fitted(columns, n_threads=1)
    copies = [copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]  # noqa: S301

    def change(_: object) -> bool:
        in_threads(*(functools.partial(other.remove_users, [7]) for other in copies))
        return True

    model.fit(columns, callbacks=[change])
    assert len(model.users_) == 60
    assert [len(other.users_) for other in copies] == [59] * 3


def test_a_callback_can_change_the_model_that_is_being_fitted(columns: Any) -> None:
    """It changes the old state, which the fit then replaces."""
    model = fitted(columns, n_threads=1)
    model.fit(columns, callbacks=[lambda _: len(model.remove_users(model.users_[:1]).users_) == 50])
    assert len(model.users_) == 60


def test_an_interrupted_change_does_not_keep_others_waiting(columns: Any) -> None:
    model = fitted(columns, n_threads=1)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(columns, callbacks=[interrupt])
    with pytest.raises(TypeError):
        model.add_users(3)
    in_threads(lambda: model.remove_users([7]))
    assert 7 not in model.users_


@pytest.mark.skipif(os.name == "nt", reason="on Windows, an interrupt does not end the wait")
def test_an_interrupt_ends_the_wait_for_another_change(columns: Any) -> None:
    model, begun, finish = fitted(columns, n_threads=1), threading.Event(), threading.Event()

    def wait(_: object) -> None:
        begun.set()
        finish.wait(60)

    interrupt = threading.Timer(
        0.2, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)
    )
    with ThreadPoolExecutor(1) as pool, sigint_raises():
        fit = pool.submit(model.fit, columns, callbacks=[wait])
        try:
            assert begun.wait(60)
            interrupt.start()
            with pytest.raises(KeyboardInterrupt):
                model.remove_users([7])
        finally:
            finish.set()
        fit.result(60)
    assert model.remove_users([7]).users_.tolist() == [*range(7), *range(8, 60)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forked_during_a_change_can_change_the_model(columns: Any) -> None:
    """The thread that holds the lock does not exist in the forked process."""
    model, begun, finish = fitted(columns, n_threads=1), threading.Event(), threading.Event()

    def wait(_: object) -> None:
        begun.set()
        finish.wait(60)

    with ThreadPoolExecutor(1) as pool:
        fit = pool.submit(model.fit, columns, callbacks=[wait])
        assert begun.wait(60)
        child = multiprocessing.get_context("fork").Process(target=model.remove_users, args=([7],))
        child.start()
        child.join(30)
        finish.set()
        fit.result(60)
    if child.is_alive():
        child.kill()
    assert child.exitcode == 0


def test_joblib_workers_change_copies_of_a_model(columns: Any) -> None:
    joblib = pytest.importorskip("joblib", reason="joblib, which scikit-learn brings, is absent")
    model = fitted(columns, n_threads=1)
    model.partial_fit(columns)  # the model has a lock now
    changed = joblib.Parallel(n_jobs=2)(joblib.delayed(model.remove_users)([u]) for u in (3, 7))
    assert [len(other.users_) for other in (model, *changed)] == [60, 59, 59]


PAIRS = [([999], [3])] * 2


def warnings_of_predict(model: Model, unknown: Any) -> int:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(PAIRS[0], unknown=unknown)
    return len(caught)


def test_unknown_reaches_the_workers_of_joblib(columns: Any) -> None:
    """A filter of warnings does not reach them."""
    joblib = pytest.importorskip("joblib", reason="joblib, which scikit-learn brings, is absent")
    model = fitted(columns, n_threads=1)
    predict = joblib.delayed(warnings_of_predict)
    counts = joblib.Parallel(n_jobs=2)(predict(model, unknown) for unknown in ("ignore", "warn"))
    assert counts == [0, 1]
    with pytest.raises(ft.UnknownIdError, match=r"1 of 1 rows names 1 unknown user \(999\)"):
        joblib.Parallel(n_jobs=2)(joblib.delayed(model.predict)(p, unknown="raise") for p in PAIRS)
