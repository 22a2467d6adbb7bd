"""Errors agree with scikit-learn's, and rankings with their definitions in plain loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from optional import pandas as pd
from optional import sklearn

import factorate as ft
from factorate import metrics

numbers = st.floats(-100, 100)


@given(st.lists(st.tuples(numbers, numbers), min_size=2))
def test_they_are_scikit_learns(pairs: list[tuple[float, float]]) -> None:
    true, predicted = zip(*pairs, strict=True)
    assert metrics.rmse(true, predicted) == pytest.approx(
        sklearn.metrics.root_mean_squared_error(true, predicted)
    )
    assert metrics.mae(true, predicted) == pytest.approx(
        sklearn.metrics.mean_absolute_error(true, predicted)
    )
    assert metrics.r2(true, predicted) == pytest.approx(
        sklearn.metrics.r2_score(true, predicted), abs=1e-9
    )


@pytest.mark.parametrize("metric", [metrics.rmse, metrics.mae, metrics.r2])
def test_shapes_are_checked(metric: Callable[[ArrayLike, ArrayLike], float]) -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\) and y_pred \(1,\)"):
        metric([1, 2], [1])
    with pytest.raises(ValueError, match="there are no ratings"):
        metric([], [])


# Rankings. A twin takes one user's list, None for an empty place, and the set of relevant items.

List = list[int | None]


def precision(places: List, relevant: set[int]) -> float:
    hits = 0
    for item in places:
        if item in relevant:
            hits += 1
    return hits / len(places)


def recall(places: List, relevant: set[int]) -> float:
    hits = 0
    for item in places:
        if item in relevant:
            hits += 1
    return hits / len(relevant)


def ndcg(places: List, relevant: set[int]) -> float:
    gained = best = 0.0
    for k, item in enumerate(places, start=1):
        if item in relevant:
            gained += 1 / math.log2(1 + k)
        if k <= len(relevant):
            best += 1 / math.log2(1 + k)
    return gained / best


def mean_average_precision(places: List, relevant: set[int]) -> float:
    total = 0.0
    for k, item in enumerate(places, start=1):
        if item in relevant:
            total += precision(places[:k], relevant)
    return total / min(len(relevant), len(places))


def hit_rate(places: List, relevant: set[int]) -> float:
    for item in places:
        if item in relevant:
            return 1.0
    return 0.0


TWINS = [precision, recall, ndcg, mean_average_precision, hit_rate]
ranked = pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.__name__)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[List], list[set[int]]]:
    """Lists of n distinct items of 12, some shorter, and the relevant ones, for some users none."""
    n = draw(st.integers(1, 6))
    a_list = st.lists(st.integers(0, 11), max_size=n, unique=True)
    lists = draw(st.lists(a_list.map(lambda some: some + [None] * (n - len(some))), min_size=1))
    users = len(lists)
    relevant = draw(st.lists(st.sets(st.integers(0, 14)), min_size=users, max_size=users))
    relevant[0] = relevant[0] or {0}
    return lists, relevant


def as_arrays(lists: list[List]) -> tuple[Any, Any]:
    """Return the lists as `recommend` does: some item in the empty places, and NaN its score."""
    items = np.array([[0 if item is None else item for item in some] for some in lists])
    scores = np.array([[np.nan if item is None else 1.0 for item in some] for some in lists])
    return items, scores


@ranked
@given(rankings())
def test_they_are_their_definitions(twin: Any, ranking: tuple[list[List], list[set[int]]]) -> None:
    lists, relevant = ranking
    users = [f"user {row}" for row in range(len(lists))]
    held_out = [(user, item) for user, some in zip(users, relevant, strict=True) for item in some]
    held_out += [*held_out[:2], ("a stranger", 3)]  # counted once, and not at all
    found = getattr(metrics, twin.__name__)(
        as_arrays(lists), tuple(zip(*held_out, strict=True)), users
    )
    expected = [twin(*pair) for pair in zip(lists, relevant, strict=True) if pair[1]]
    assert found == pytest.approx(sum(expected) / len(expected), rel=1e-12)


def test_ndcg_is_scikit_learns() -> None:
    generator = np.random.default_rng(0)
    lists = generator.permuted(np.tile(np.arange(20), (30, 1)), axis=1)
    relevant = generator.random((30, 20)) < 0.3
    assert relevant.any(axis=1).all()
    scores = np.empty((30, 20))
    np.put_along_axis(scores, lists, -np.arange(20.0)[None].repeat(30, 0), axis=1)
    assert metrics.ndcg(lists[:, :7], np.nonzero(relevant), np.arange(30)) == pytest.approx(
        sklearn.metrics.ndcg_score(relevant, scores, k=7), rel=1e-12
    )


@ranked
def test_the_best_lists_and_the_worst(twin: Any) -> None:
    metric = getattr(metrics, twin.__name__)
    held_out = [1, 1, 2, 2], ["a", "b", "c", "d"]
    assert metric([["a", "b"], ["d", "c"]], held_out, [1, 2]) == 1
    assert metric([["c", "d"], ["a", "b"]], held_out, [1, 2]) == 0


@ranked
def test_every_form_of_held_out_ratings(twin: Any) -> None:
    metric = getattr(metrics, twin.__name__)
    lists = np.array([[2, 0], [1, 2]])
    users, items, ratings = [0, 0, 1, 1], [0, 1, 2, 0], [5.0, 2.0, 4.0, 1.0]
    every = metric(lists, (users, items), [0, 1])
    assert every == metric(lists, (users, items, ratings), [0, 1])
    frame = pd.DataFrame({"user": users, "item": items, "rating": ratings}, index=[7, 5, 3, 1])
    assert every == metric(lists, frame, [0, 1])
    good = metric(lists, ([0, 1], [0, 2]), [0, 1])
    assert metric(lists, frame, [0, 1], threshold=4) == good
    series = frame["user"], frame["item"], frame["rating"]
    assert metric(lists, series, [0, 1], threshold=4.0) == good


def test_the_ids_of_a_file_are_read_as_those_of_the_lists(tmp_path: Any) -> None:
    path = tmp_path / "held_out.csv"
    path.write_text("user,item\n1,10\n2,20\n")
    assert metrics.hit_rate([["10"], ["10"]], path, ["1", "2"]) == 0.5
    assert metrics.hit_rate([[10], [10]], path, [1, 2]) == 0.5


def test_a_user_may_have_several_lists() -> None:
    assert metrics.recall([["a"], ["b"], ["a"]], (["ann"], ["a"]), ["ann"] * 3) == 2 / 3


@ranked
@pytest.mark.parametrize(
    ("recommended", "held_out", "options", "message"),
    [
        ([["a"]], ([1], ["a"]), {}, r"shape \(1, 1\); expected \(2, n\), a list for each of 2"),
        (["a", "b"], ([1], ["a"]), {}, r"shape \(2,\); expected \(2, n\)"),
        ([[], []], ([1], ["a"]), {}, r"shape \(2, 0\); expected \(2, n\)"),
        (
            (np.array([["a"], ["b"]]), np.zeros(2)),
            ([1], ["a"]), {}, r"items have shape \(2, 1\) and their scores \(2,\)",
        ),
        ([["a", "b"], ["b", "b"]], ([1], ["a"]), {}, "'b' is twice in list 1"),
        ([["a"], ["b"]], ([1, 2], ["a"]), {}, "2 users, 1 items"),
        ([["a"], ["b"]], ([], []), {}, "there are no held-out ratings; expected at least one"),
        (
            [["a"], ["b"]], ([1], ["a"], [3]), {"threshold": 4},
            "there are no held-out ratings of at least 4",
        ),
        ([["a"], ["b"]], ([1], ["a"], [3, 4]), {"threshold": 1}, "1 users, 1 items, 2 ratings"),
        ([["a"], ["b"]], ([1], ["a"], [3]), {"threshold": math.inf}, "threshold is inf; expected"),
        ([["a"], ["b"]], ([3], ["a"]), {}, "none of the users has a relevant item"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(
    twin: Any, recommended: Any, held_out: Any, options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(metrics, twin.__name__)(recommended, held_out, [1, 2], **options)


def test_ids_of_another_type_are_refused() -> None:
    """Regression: the message spoke of a model, where there is none."""
    with pytest.raises(TypeError, match=r"items are integer .* those held out are str \('1'\)"):
        metrics.recall([[1], [2]], ([1, 2], ["1", "2"]), [1, 2])
    with pytest.raises(TypeError, match=r"held-out users are str .* the lists are integer \(1\)"):
        metrics.recall([[1], [2]], (["1", "2"], [1, 2]), [1, 2])


def test_lists_without_any_item_find_nothing() -> None:
    nothing = np.zeros((2, 3)), np.full((2, 3), np.nan)
    assert metrics.recall(nothing, ([1, 2], ["a", "b"]), [1, 2]) == 0


# A whole model.


@pytest.fixture(scope="module")
def split(columns: Any) -> tuple[Any, Any]:
    known, held_out = slice(2500), slice(2500, None)
    return tuple(column[known] for column in columns), tuple(column[held_out] for column in columns)


@pytest.fixture(scope="module")
def model(split: tuple[Any, Any]) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(4, n_epochs=5, random_state=0).fit(split[0])


@pytest.mark.parametrize("threshold", [None, 4])
def test_a_model_is_measured_on_the_best_items_it_has_not_seen(
    model: ft.MatrixFactorization, split: tuple[Any, Any], threshold: float | None
) -> None:
    training, held_out = split
    found = metrics.ranking(model, held_out, n=7, threshold=threshold)
    expected: dict[str, list[float]] = {twin.__name__: [] for twin in TWINS}
    for user in sorted(set(held_out[0].tolist())):
        mine = held_out[0] == user
        if threshold is not None:
            mine &= held_out[2] >= threshold
        relevant = set(held_out[1][mine].tolist())
        if not relevant:
            continue
        unseen = np.setdiff1d(model.items_, training[1][training[0] == user])
        predicted = model.predict((np.full(len(unseen), user), unseen))
        places: List = unseen[np.argsort(-predicted, kind="stable")[:7]].tolist()
        for twin in TWINS:
            expected[twin.__name__].append(twin(places, relevant))
    expected["map"] = expected.pop("mean_average_precision")
    assert found.pop("n_users") == len(expected["map"])
    assert found.pop("n_seen") == 0
    assert found == pytest.approx({name: np.mean(each) for name, each in expected.items()})


def test_pairs_that_were_trained_on_are_left_out_and_counted(
    model: ft.MatrixFactorization, split: tuple[Any, Any]
) -> None:
    training, held_out = split
    both = tuple(np.concatenate([a, b[:40]]) for a, b in zip(held_out, training, strict=True))
    assert metrics.ranking(model, both) == metrics.ranking(model, held_out) | {"n_seen": 40}
    with pytest.raises(ValueError, match="every relevant held-out rating was used in training"):
        metrics.ranking(model, training)


def test_users_the_model_does_not_know_count(model: ft.MatrixFactorization) -> None:
    best = int(model.items_[np.argmax(model.item_bias_)])
    with pytest.warns(ft.UnknownIdWarning, match="1 of 1 users are unknown"):
        found = metrics.ranking(model, ([1000], [best]), n=1)
    assert found["hit_rate"] == 1


def test_names_of_columns_are_those_of_the_model(split: tuple[Any, Any]) -> None:
    names = ("who", "what", "stars")
    training, held_out = (pd.DataFrame(dict(zip(names, part, strict=True))) for part in split)
    renamed = ft.MatrixFactorization(4, n_epochs=5, random_state=0, columns=names).fit(training)
    plain = ft.MatrixFactorization(4, n_epochs=5, random_state=0).fit(split[0])
    assert metrics.ranking(renamed, held_out, threshold=3) == metrics.ranking(
        plain, split[1], threshold=3
    )


def test_a_model_that_keeps_no_seen_items_cannot_be_measured(split: tuple[Any, Any]) -> None:
    forgetful = ft.MatrixFactorization(2, n_epochs=1, random_state=0, keep_seen=False).fit(split[0])
    with pytest.raises(ValueError, match="left out of the lists; fit with keep_seen=True"):
        metrics.ranking(forgetful, split[1])


def test_what_is_no_model_is_named(split: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match="model is 'x'; expected a MatrixFactorization"):
        metrics.ranking("x", split[1])  # type: ignore[arg-type]
