"""Several threads and processes can use one model; each result comes from one version of it."""

from __future__ import annotations

import copy
import itertools
import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factorate as ft

if TYPE_CHECKING:
    from collections.abc import Callable

N_READERS = 8
SECONDS = float(os.environ.get("FACTORATE_TEST_SECONDS", "1"))

Model = ft.MatrixFactorization


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

    def partial_fit() -> None:
        generator = np.random.default_rng(next(seeds))
        late = generator.integers(40, 70, 40), generator.integers(0, 80, 40)
        model.partial_fit((*late, generator.normal(3, 1, 40)))

    return [fit, add_users, partial_fit, remove_users, add_items, partial_fit, remove_users]


@pytest.mark.filterwarnings("ignore::factorate.UnknownIdWarning")
def test_concurrent_reads_return_the_result_of_one_version(columns: Any) -> None:
    """All threads collect hashes of results, which are compared at the end."""
    model = fitted(columns, n_threads=1)
    users, items = np.indices((66, 106)).reshape(2, -1)

    def answers() -> list[tuple[str, int]]:
        return [
            ("predict", hash(model.predict((users, items)).tobytes())),
            ("recommend", hash(model.recommend(range(66), n=5)[1].tobytes())),
            ("recommend_for", hash(model.recommend_for({5: 1.0, 7: 4.0})[1].tobytes())),
            ("complete", hash(model.complete(range(66), [5, 101]).tobytes())),
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
            for change in itertools.cycle(changes(model, columns)):
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
