"""Errors agree with scikit-learn, and ranking metrics with their definitions in plain loops."""

from __future__ import annotations

import copy
import dataclasses
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
def test_errors_agree_with_scikit_learn(pairs: list[tuple[float, float]]) -> None:
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


def test_r2_is_finite_or_an_error() -> None:
    """Regression: R² is right, or an error, where the squares of deviations underflow."""
    assert metrics.r2([1e-200, 3e-200], [1e-60, 1e-60]) == pytest.approx(-1e280)
    assert metrics.r2([1e-310, 3e-310], [5e-310, 5e-310]) == pytest.approx(1 - (16 + 4) / 2)
    with pytest.raises(ValueError, match="R² is too low for float64"):
        metrics.r2([1e-200, 3e-200], [1, 1])


@pytest.mark.parametrize("metric", [metrics.rmse, metrics.mae, metrics.r2])
def test_shapes_are_checked(metric: Callable[[ArrayLike, ArrayLike], float]) -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\) and y_pred \(1,\)"):
        metric([1, 2], [1])
    with pytest.raises(ValueError, match="there are no ratings"):
        metric([], [])


# The metrics of one user: a list, with None for an empty entry, and a set of relevant items.

List = list[int | None]


def precision(ranked_items: List, relevant: set[int]) -> float:
    hits = 0
    for item in ranked_items:
        if item in relevant:
            hits += 1
    return hits / len(ranked_items)


def recall(ranked_items: List, relevant: set[int]) -> float:
    hits = 0
    for item in ranked_items:
        if item in relevant:
            hits += 1
    return hits / len(relevant)


def capped_recall(ranked_items: List, relevant: set[int]) -> float:
    hits = 0
    for item in ranked_items:
        if item in relevant:
            hits += 1
    return hits / min(len(ranked_items), len(relevant))


def ndcg(ranked_items: List, relevant: set[int]) -> float:
    gained = best = 0.0
    for k, item in enumerate(ranked_items, start=1):
        if item in relevant:
            gained += 1 / math.log2(1 + k)
        if k <= len(relevant):
            best += 1 / math.log2(1 + k)
    return gained / best


def mean_average_precision(ranked_items: List, relevant: set[int]) -> float:
    total = 0.0
    for k, item in enumerate(ranked_items, start=1):
        if item in relevant:
            total += precision(ranked_items[:k], relevant)
    return total / min(len(relevant), len(ranked_items))


def hit_rate(ranked_items: List, relevant: set[int]) -> float:
    for item in ranked_items:
        if item in relevant:
            return 1.0
    return 0.0


DEFINITIONS = [precision, recall, capped_recall, ndcg, mean_average_precision, hit_rate]
ranked = pytest.mark.parametrize(
    "definition", DEFINITIONS, ids=lambda definition: definition.__name__
)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[List], list[set[int]]]:
    """Draw lists of up to n distinct items, and relevant items of each user, possibly none."""
    n = draw(st.integers(1, 6))
    a_list = st.lists(st.integers(0, 11), max_size=n, unique=True)
    lists = draw(st.lists(a_list.map(lambda some: some + [None] * (n - len(some))), min_size=1))
    users = len(lists)
    relevant = draw(st.lists(st.sets(st.integers(0, 14)), min_size=users, max_size=users))
    relevant[0] = relevant[0] or {0}
    return lists, relevant


def as_arrays(lists: list[List]) -> tuple[Any, Any]:
    """Return the lists in the form of `recommend`: an empty entry has any item and score NaN."""
    items = np.array([[0 if item is None else item for item in some] for some in lists])
    scores = np.array([[np.nan if item is None else 1.0 for item in some] for some in lists])
    return items, scores


@ranked
@given(rankings())
def test_metrics_agree_with_their_definitions(
    definition: Any, ranking: tuple[list[List], list[set[int]]]
) -> None:
    lists, relevant = ranking
    users = [f"user {row}" for row in range(len(lists))]
    held_out = [(user, item) for user, some in zip(users, relevant, strict=True) for item in some]
    held_out += [*held_out[:2], ("another user", 3)]  # a duplicate, and a user without a list
    found = getattr(metrics, definition.__name__)(
        as_arrays(lists), tuple(zip(*held_out, strict=True)), users
    )
    expected = [definition(*pair) for pair in zip(lists, relevant, strict=True) if pair[1]]
    assert found == pytest.approx(sum(expected) / len(expected), rel=1e-12)


def test_ndcg_agrees_with_scikit_learn() -> None:
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
def test_perfect_lists_score_1_and_lists_without_hits_0(definition: Any) -> None:
    metric = getattr(metrics, definition.__name__)
    held_out = [1, 1, 2, 2], ["a", "b", "c", "d"]
    assert metric([["a", "b"], ["d", "c"]], held_out, [1, 2]) == 1
    assert metric([["c", "d"], ["a", "b"]], held_out, [1, 2]) == 0


@ranked
def test_all_forms_of_held_out_ratings_give_the_same(definition: Any) -> None:
    metric = getattr(metrics, definition.__name__)
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


def test_ids_of_a_file_are_read_with_the_type_of_the_lists(tmp_path: Any) -> None:
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
            ([1], ["a"]),
            {},
            r"items have shape \(2, 1\) and their scores \(2,\)",
        ),
        ([["a", "b"], ["b", "b"]], ([1], ["a"]), {}, "'b' is twice in list 1"),
        ([["a"], ["b"]], ([1, 2], ["a"]), {}, "2 users, 1 items"),
        ([["a"], ["b"]], ([], []), {}, "there are no held-out pairs; expected at least one"),
        (
            [["a"], ["b"]],
            ([1], ["a"], [3]),
            {"threshold": 4},
            "there are no held-out ratings of at least 4",
        ),
        ([["a"], ["b"]], ([1], ["a"], [3, 4]), {"threshold": 1}, "1 users, 1 items, 2 ratings"),
        ([["a"], ["b"]], ([1], ["a"], [3]), {"threshold": math.inf}, "threshold is inf; expected"),
        ([["a"], ["b"]], ([3], ["a"]), {}, "none of the users has a relevant item"),
    ],
)
def test_errors_name_the_invalid_value(
    definition: Any, recommended: Any, held_out: Any, options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(metrics, definition.__name__)(recommended, held_out, [1, 2], **options)


def test_ids_of_another_type_are_rejected() -> None:
    """Regression: the message names the lists and the held-out ratings, not a model."""
    with pytest.raises(TypeError, match=r"items are integer .* those held out are str \('1'\)"):
        metrics.recall([[1], [2]], ([1, 2], ["1", "2"]), [1, 2])
    with pytest.raises(TypeError, match=r"held-out users are str .* the lists are integer \(1\)"):
        metrics.recall([[1], [2]], (["1", "2"], [1, 2]), [1, 2])


def test_empty_lists_have_no_hits() -> None:
    nothing = np.zeros((2, 3)), np.full((2, 3), np.nan)
    assert metrics.recall(nothing, ([1, 2], ["a", "b"]), [1, 2]) == 0


@given(rankings())
def test_coverage_is_the_fraction_of_items_in_a_list(
    ranking: tuple[list[List], list[set[int]]],
) -> None:
    lists, _ = ranking
    listed = {item for some in lists for item in some if item is not None}
    assert metrics.coverage(as_arrays(lists), range(12)) == len(listed) / 12


def test_coverage_requires_all_items() -> None:
    with pytest.raises(ValueError, match="'rye' in list 1 of the recommended items is not among"):
        metrics.coverage([["tea", "jam"], ["tea", "rye"]], ["jam", "tea"])
    with pytest.raises(ValueError, match=r"have shape \(2,\); expected \(n_users, n\)"):
        metrics.coverage(["tea", "jam"], ["jam", "tea"])
    with pytest.raises(TypeError, match=r"recommended items are integer .* those of all items are"):
        metrics.coverage([[1]], ["1"])


# A whole model.


@pytest.fixture(scope="module")
def split(columns: Any) -> tuple[Any, Any]:
    known, held_out = slice(2500), slice(2500, None)
    return tuple(column[known] for column in columns), tuple(column[held_out] for column in columns)


@pytest.fixture(scope="module")
def model(split: tuple[Any, Any]) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(4, n_epochs=5, random_state=0).fit(split[0])


@pytest.mark.parametrize("threshold", [None, 4])
def test_ranking_evaluates_the_best_unseen_items(
    model: ft.MatrixFactorization, split: tuple[Any, Any], threshold: float | None
) -> None:
    training, held_out = split
    found = metrics.ranking(model, held_out, n=7, threshold=threshold)
    listed: set[int | None] = set()
    expected: dict[str, list[float]] = {definition.__name__: [] for definition in DEFINITIONS}
    for user in sorted(set(held_out[0].tolist())):
        mine = held_out[0] == user
        if threshold is not None:
            mine &= held_out[2] >= threshold
        relevant = set(held_out[1][mine].tolist())
        if not relevant:
            continue
        unseen = np.setdiff1d(model.items_, training[1][training[0] == user])
        predicted = model.predict((np.full(len(unseen), user), unseen))
        ranked_items: List = unseen[np.argsort(-predicted, kind="stable")[:7]].tolist()
        listed |= set(ranked_items)
        for definition in DEFINITIONS:
            expected[definition.__name__].append(definition(ranked_items, relevant))
    expected["map"] = expected.pop("mean_average_precision")
    assert found.pop("n_users") == len(expected["map"])
    assert found.pop("n_seen") == 0
    assert found.pop("coverage") == len(listed) / len(model.items_)
    assert found == pytest.approx({name: np.mean(each) for name, each in expected.items()})


def test_pairs_used_in_training_are_ignored_and_counted(
    model: ft.MatrixFactorization, split: tuple[Any, Any]
) -> None:
    training, held_out = split
    both = tuple(np.concatenate([a, b[:40]]) for a, b in zip(held_out, training, strict=True))
    assert metrics.ranking(model, both) == metrics.ranking(model, held_out) | {"n_seen": 40}
    with pytest.raises(ValueError, match="every relevant held-out pair was used in training"):
        metrics.ranking(model, training)


def test_unknown_users_are_evaluated(model: ft.MatrixFactorization) -> None:
    best = int(model.items_[np.argmax(model.item_bias_)])
    with pytest.warns(ft.UnknownIdWarning, match="1 of 1 rows names 1 unknown user"):
        found = metrics.ranking(model, ([1000], [best]), n=1)
    assert found["hit_rate"] == 1


def test_ranking_uses_the_column_names_of_the_model(split: tuple[Any, Any]) -> None:
    names = ("who", "what", "stars")
    training, held_out = (pd.DataFrame(dict(zip(names, part, strict=True))) for part in split)
    renamed = ft.MatrixFactorization(4, n_epochs=5, random_state=0, columns=names).fit(training)
    plain = ft.MatrixFactorization(4, n_epochs=5, random_state=0).fit(split[0])
    assert metrics.ranking(renamed, held_out, threshold=3) == metrics.ranking(
        plain, split[1], threshold=3
    )


def test_ranking_requires_seen_items(split: tuple[Any, Any]) -> None:
    unseen_model = ft.MatrixFactorization(2, n_epochs=1, random_state=0, keep_seen=False).fit(
        split[0]
    )
    with pytest.raises(ValueError, match="left out of the lists; fit with keep_seen=True"):
        metrics.ranking(unseen_model, split[1])


def test_ranking_rejects_other_objects_than_models(split: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match="model is 'x'; expected a MatrixFactorization"):
        metrics.ranking("x", split[1])  # type: ignore[arg-type]


@pytest.mark.parametrize("threshold", [None, 4])
def test_ranking_compares_with_the_most_popular_items(
    model: ft.MatrixFactorization, split: tuple[Any, Any], threshold: float | None
) -> None:
    training, held_out = split
    with_unknown = tuple(
        np.append(column, more) for column, more in zip(held_out, (1000, 3, 5), strict=True)
    )
    options: dict[str, Any] = {"n": 7, "threshold": threshold, "unknown": "ignore", "auc": True}
    found = metrics.ranking(model, with_unknown, popular=True, **options)
    alone = metrics.ranking(model, with_unknown, **options)
    assert {name: found[name] for name in alone} == alone
    # A model of one factor, the number of users who have rated an item, ranks in the same way.
    n_raters = np.bincount(training[1], minlength=80)[model.items_].astype(np.float32)
    by_count = copy.copy(model)
    factors = dataclasses.replace(
        model._require().factors,
        user_bias=np.zeros(len(model.users_), np.float32),
        item_bias=n_raters,
        user_factors=np.zeros((len(model.users_), 1), np.float32),
        item_factors=np.zeros((len(model.items_), 1), np.float32),
        mean=0.0,
    )
    by_count._fitted = dataclasses.replace(model._require(), factors=factors)
    expected = metrics.ranking(by_count, with_unknown, **options)
    for name in ("n_users", "n_seen"):
        del expected[name]
    assert {name.removeprefix("popular_"): found[name] for name in found if name not in alone} == (
        expected
    )


def test_ranking_folds_in_new_users(model: ft.MatrixFactorization) -> None:
    generator = np.random.default_rng(1)
    pairs = generator.permutation(5 * 80)[:200]
    users, items = np.divmod(pairs, 80)
    ratings = generator.integers(1, 11, 200) / 2
    given_part, rest = slice(150), slice(150, None)
    new = tuple(column[given_part] for column in (users + 500, items, ratings))
    held_out = users[rest] + 500, items[rest]
    known = len(model.users_)
    found = metrics.ranking(model, held_out, fold_in=new, popular=True, auc=True)
    assert len(model.users_) == known
    extended = copy.copy(model).add_users(new)
    expected = metrics.ranking(extended, held_out, auc=True)
    assert {name: found[name] for name in expected} == expected
    assert found["n_users"] == len(np.unique(held_out[0]))
    # New users do not make an item more popular.
    twice = tuple(np.append(column, column) for column in new)
    more_users = np.append(new[0], new[0] + 500), *twice[1:]
    more = metrics.ranking(model, held_out, fold_in=more_users, popular=True)
    assert more["popular_ndcg"] == found["popular_ndcg"]


def test_flags_are_true_or_false(model: ft.MatrixFactorization, split: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match="popular is 1; expected True or False"):
        metrics.ranking(model, split[1], popular=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="auc is 1; expected True or False"):
        metrics.ranking(model, split[1], auc=1)  # type: ignore[arg-type]
