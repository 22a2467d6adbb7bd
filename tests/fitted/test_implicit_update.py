"""Fold-in and partial fits of interactions: rows are exact minimizers given the other side."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factorate as ft

SMALL: dict[str, Any] = {"n_factors": 5, "n_epochs": 4, "random_state": 3, "dtype": "float64"}


def fitted(data: Any, **changes: Any) -> ft.ImplicitMatrixFactorization:
    return ft.ImplicitMatrixFactorization(**(SMALL | changes)).fit(data)


@pytest.fixture
def counted(columns: Any) -> tuple[Any, Any, Any]:
    return columns[0], columns[1], np.ceil(columns[2])


def minimizer(model: ft.ImplicitMatrixFactorization, fixed: Any, others: Any, counts: Any) -> Any:
    """Solve the equations of the docstring for one row."""
    a, K = model.unobserved_weight_, fixed.shape[1]
    weights = counts if model.alpha is None else 1 + model.alpha * counts
    X = fixed[others]
    size = weights.sum() + a * len(fixed)
    penalty = model.regularization * np.sqrt(model.mean_weight_ * size)
    A = (X * weights[:, None]).T @ X + a * fixed.T @ fixed + penalty * np.eye(K)
    return np.linalg.solve(A, X.T @ weights)


@pytest.mark.parametrize("alpha", [None, 1.5])
def test_an_added_row_minimizes_its_terms_of_the_objective(
    alpha: float | None, counted: tuple[Any, Any, Any]
) -> None:
    model = fitted(counted, alpha=alpha)
    Q, P = model.item_factors_, model.user_factors_
    others, counts = np.array([2, 7, 30]), np.array([1.0, 5, 2])
    model.add_users(([200] * 3, others, counts))
    np.testing.assert_allclose(model.user_factors_[-1], minimizer(model, Q, others, counts), 1e-9)
    np.testing.assert_array_equal(model.user_factors_[:-1], P)
    np.testing.assert_array_equal(model.item_factors_, Q)
    P = model.user_factors_
    model.add_items((others, [300] * 3, counts))
    np.testing.assert_allclose(model.item_factors_[-1], minimizer(model, P, others, counts), 1e-9)
    np.testing.assert_array_equal(model.item_factors_[:-1], Q)
    assert model.users_[-1], model.items_[-1] == (200, 300)
    assert 7 not in model.recommend(200, n=80)[0].tolist()
    assert 300 not in model.recommend(7, n=80)[0].tolist()


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_user_of_the_fit_equals_a_copy_that_is_added(
    early_stopping: bool, counted: tuple[Any, Any, Any]
) -> None:
    """Regression: users were those of the last steps, not of the exact solution."""
    users, items, counts = counted
    model = ft.ImplicitMatrixFactorization(5, 4, random_state=3, early_stopping=early_stopping)
    model.fit(counted, eval_set=(users[::-1], items) if early_stopping else None)
    own = users == 4
    model.add_users((np.full(own.sum(), 200), items[own], counts[own]))
    row = int(np.flatnonzero(model.users_ == 4)[0])
    np.testing.assert_array_equal(model.user_factors_[-1], model.user_factors_[row])


def test_a_user_added_again_equals_the_row_of_one_more_half_epoch(
    counted: tuple[Any, Any, Any],
) -> None:
    users, items, counts = counted
    model = fitted(counted)
    before = copy.deepcopy(model)
    model.add_users(counted)
    again = copy.deepcopy(before)
    own = users == 4
    again.add_users((users[own], items[own], counts[own]))
    np.testing.assert_array_equal(again.user_factors_[4], model.user_factors_[4])
    np.testing.assert_array_equal(again.user_factors_[:4], before.user_factors_[:4])
    # The last half-epoch of training computed the items, so users change a little.
    np.testing.assert_allclose(model.user_factors_, before.user_factors_, atol=0.5)


def test_interactions_of_a_user_that_is_added_again_are_replaced(
    counted: tuple[Any, Any, Any],
) -> None:
    model = fitted(counted)
    model.add_users(([4, 4], [1, 2]))
    items, scores = model.recommend(4, n=80)
    assert sorted(items[~np.isnan(scores)].tolist()) == [0, *range(3, 80)]
    others = fitted(counted).recommend(np.arange(5, 60), n=80)[0]
    np.testing.assert_array_equal(model.recommend(np.arange(5, 60), n=80)[0], others)


def test_interactions_with_unknown_ids_are_left_out(counted: tuple[Any, Any, Any]) -> None:
    model = fitted(counted)
    expected = copy.deepcopy(model).add_users(([99], [3]))
    message = r"1 of 2 rows names 1 unknown item \(500\): their interactions are left out"
    with pytest.warns(ft.UnknownIdWarning, match=message) as caught:
        model.add_users(([99, 99], [3, 500]))
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(model.user_factors_, expected.user_factors_)
    assert model.items_.tolist() == list(range(80))
    model.add_users(([98], [500]), unknown="ignore")
    assert not model.user_factors_[-1].any()
    with pytest.raises(ft.UnknownIdError):
        model.add_items(([500], [1]), unknown="raise")


def test_partial_fit_solves_the_rows_of_all_their_interactions(
    counted: tuple[Any, Any, Any],
) -> None:
    users, items, counts = counted
    model = fitted((users[:2500], items[:2500], counts[:2500]))
    before = copy.deepcopy(model)
    more = users[2500:2600], items[2500:2600], counts[2500:2600]
    model.partial_fit(more)
    for user in range(60):
        if user not in more[0]:
            np.testing.assert_array_equal(model.user_factors_[user], before.user_factors_[user])
            continue
        own = np.flatnonzero(users[:2600] == user)
        expected = minimizer(model, model.item_factors_, items[own], counts[own])
        np.testing.assert_allclose(model.user_factors_[user], expected, 1e-6)
    for item in set(range(80)) - set(more[1].tolist()):
        np.testing.assert_array_equal(model.item_factors_[item], before.item_factors_[item])
    assert more[1][0] not in model.recommend(more[0][0], n=79)[0]


def test_partial_fit_adds_users_and_items_and_sums_counts() -> None:
    model = fitted((["a", "a", "b"], [1, 2, 1]))
    model.partial_fit((["c", "a", "c"], [1, 1, 9], [1, 2, 1]))
    assert model.users_.tolist() == ["a", "b", "c"]
    assert model.items_.tolist() == [1, 2, 9]
    expected = minimizer(model, model.item_factors_, np.array([0, 1]), np.array([3.0, 1.0]))
    np.testing.assert_allclose(model.user_factors_[0], expected, rtol=1e-9)
    assert model.user_factors_[2].any()
    assert model.item_factors_[2].any()


def test_partial_fit_of_a_model_without_a_fit_is_a_fit(counted: tuple[Any, Any, Any]) -> None:
    model = ft.ImplicitMatrixFactorization(**SMALL).partial_fit(counted)
    np.testing.assert_array_equal(model.user_factors_, fitted(counted).user_factors_)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30),
    st.integers(1, 3),
)
def test_partial_fit_depends_neither_on_threads_nor_on_the_order(
    rows: list[tuple[int, int]], n_threads: int
) -> None:
    first = [0, 1, 2, 3, 0], [0, 1, 2, 3, 3]
    users, items = (list(column) for column in zip(*rows, strict=True))
    model = fitted(first, n_threads=n_threads).partial_fit((users, items))
    again = fitted(first, n_threads=1).partial_fit((users[::-1], items[::-1]))
    ids = again.users_.tolist()
    assert sorted(model.users_.tolist()) == sorted(ids)
    np.testing.assert_array_equal(model.user_factors_, again.user_factors_)
    np.testing.assert_array_equal(model.item_factors_, again.item_factors_)


def test_removed_rows_and_their_interactions_are_gone(counted: tuple[Any, Any, Any]) -> None:
    users, items, counts = counted
    model = fitted(counted)
    P, Q = model.user_factors_, model.item_factors_
    model.remove_users([5]).remove_items([7, 8])
    np.testing.assert_array_equal(model.user_factors_, np.delete(P, 5, axis=0))
    np.testing.assert_array_equal(model.item_factors_, np.delete(Q, [7, 8], axis=0))
    rest = (users != 5) & (items != 7) & (items != 8)
    expected = fitted((users[rest], items[rest], counts[rest]))._fitted.seen
    found = model._fitted.seen
    assert found is not None
    assert expected is not None
    for name in ("starts", "items", "counts"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    with pytest.raises(ft.UnknownIdError, match="which is not a user of the model"):
        model.remove_users([5])
    model.remove_users(model.users_)
    assert model.predict(([1], [1]), unknown="ignore").tolist() == [0]


def test_an_error_leaves_the_model_as_it_was(counted: tuple[Any, Any, Any]) -> None:
    model = fitted(counted, dtype="float32")
    before = model._fitted
    for use in (model.partial_fit, model.add_users, model.add_items):
        with pytest.raises(ValueError, match="the sum of the counts is"):
            use(([1, 2], [1, 2], [3e38, 3e38]))
        with pytest.raises(TypeError, match="users are str"):
            use((["a"], [1]))
        assert model._fitted is before
