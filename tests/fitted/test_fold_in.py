"""Added users and items get the factors that minimize the objective of training."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optional import pandas as pd
from optional import scipy

import factorate as ft
from factorate import reference
from factorate._fitted.fold_in_exact import Penalty, solve_exactly
from factorate._fitted.fold_in_fixed_order import (
    MAX_CELLS,
    can_solve,
    solve_in_fixed_order,
    solve_positive_definite,
)
from factorate._fitted.fold_in_problem import FixedSide, RowRatings
from factorate._training.losses import mean_loss
from factorate._training.update_rule import UpdateRule
from factorate._utils.workers import Workers

REGULARIZATION, SHRINKAGE = 0.05, 0.7
PARAMETERS: dict[str, Any] = {
    "n_factors": 6,
    "n_epochs": 5,
    "regularization": REGULARIZATION,
    "shrinkage": SHRINKAGE,
    "random_state": 0,
}


def fitted(**changes: Any) -> ft.MatrixFactorization:
    users, items, ratings = ft.datasets.synthetic(2000, 90, 60, random_state=1)
    return ft.MatrixFactorization(**(PARAMETERS | changes)).fit((users, items, 10 * ratings))


def new_ratings(n_users: int = 7, first: int = 1000) -> Any:
    """Ratings by unknown users, each of few or many items."""
    generator = np.random.default_rng(2)
    items = [generator.choice(60, size, replace=False) for size in (1, 3, 3, 6, 7, 20, 60)][
        :n_users
    ]
    users = np.repeat(np.arange(first, first + n_users), [len(some) for some in items])
    return users, np.concatenate(items), generator.normal(30, 12, len(users))


def state(model: ft.MatrixFactorization) -> Any:
    return vars(model)["_fitted"]


def row_by_reference(model: ft.MatrixFactorization, items: Any, ratings: Any) -> Any:
    factors = state(model).factors
    return reference.fold_in(
        items,
        ratings,
        factors.item_factors.astype(np.float64),
        factors.item_bias,
        mean=factors.mean,
        scale=factors.scale,
        regularization=REGULARIZATION,
        shrinkage=SHRINKAGE,
        fit_bias=model.fit_bias,
    )


# Exactness


@pytest.mark.parametrize("fit_bias", [True, False])
def test_the_reference_minimizes_the_objective_of_training(fit_bias: bool) -> None:
    model = fitted(fit_bias=fit_bias, dtype="float64")
    factors = state(model).factors
    users, items, ratings = new_ratings()
    items, ratings = items[users == 1004], ratings[users == 1004]
    Q, s = factors.item_factors / np.sqrt(factors.scale), factors.scale
    z = (ratings - factors.mean - factors.item_bias[items]) / s

    def objective(w: Any) -> float:
        p, b = w[:-1], w[-1] if fit_bias else 0.0
        errors = z - b - Q[items] @ p
        penalty = REGULARIZATION * len(z) + SHRINKAGE
        return float(errors @ errors + penalty * (p @ p + b * b)) / 2

    found = scipy.optimize.minimize(objective, np.zeros(7), tol=1e-12)
    p, b = row_by_reference(model, items, ratings)
    np.testing.assert_allclose(p / np.sqrt(s), found.x[:-1], atol=1e-5)
    assert b / s == pytest.approx(found.x[-1] if fit_bias else 0, abs=1e-5)


@pytest.mark.parametrize("fit_bias", [True, False])
@pytest.mark.parametrize("fit_mean", [True, False])
def test_users_equal_the_reference(fit_bias: bool, fit_mean: bool, dtype: str) -> None:
    model = fitted(fit_bias=fit_bias, fit_mean=fit_mean, dtype=dtype)
    users, items, ratings = new_ratings()
    model.add_users((users, items, ratings))
    tolerance = 1e-5 if dtype == "float32" else 1e-10
    for user in np.unique(users):
        p, b = row_by_reference(model, items[users == user], ratings[users == user])
        row = model.users_.tolist().index(user)
        np.testing.assert_allclose(model.user_factors_[row], p, tolerance, tolerance)
        assert model.user_bias_[row] == pytest.approx(b, tolerance, tolerance)


def test_items_equal_the_reference_with_sides_exchanged() -> None:
    model = fitted(dtype="float64")
    items, users, ratings = new_ratings()
    model.add_items((users, items, ratings))
    factors = state(model).factors
    for item in np.unique(items):
        p, b = reference.fold_in(
            users[items == item],
            ratings[items == item],
            factors.user_factors,
            factors.user_bias,
            mean=factors.mean,
            scale=factors.scale,
            regularization=REGULARIZATION,
            shrinkage=SHRINKAGE,
        )
        row = model.items_.tolist().index(item)
        np.testing.assert_allclose(model.item_factors_[row], p, 1e-9, 1e-12)
        assert model.item_bias_[row] == pytest.approx(b)


def fixed_side(factors: Any, fit_bias: bool) -> FixedSide:
    bias = np.zeros(len(factors))
    return FixedSide(factors=factors, bias=bias, mean=0.0, scale=1.0, fit_bias=fit_bias)


def penalty(regularization: float, shrinkage: float = 0.0) -> Penalty:
    return Penalty(regularization, regularization, shrinkage, shrinkage)


def solve(fixed: FixedSide, columns: Any, n_rows: int, penalties: Penalty, **sizes: int) -> Any:
    rows, others, values = columns
    ratings = RowRatings(rows=rows, others=others, values=values, n_rows=n_rows)
    return solve_exactly(fixed, ratings, penalties, **sizes)


def test_the_sizes_of_batches_do_not_change_the_solution() -> None:
    users, items, values = new_ratings()
    columns = (users - 1000).astype(np.int32), items.astype(np.int32), values
    fixed = fixed_side(np.random.default_rng(0).normal(size=(60, 6)), fit_bias=True)
    expected = solve(fixed, columns, 7, penalty(0.1, 2.0))
    for got, wanted in zip(
        solve(fixed, columns, 7, penalty(0.1, 2.0), cells=1, slab=7), expected, strict=True
    ):
        np.testing.assert_allclose(got, wanted, 1e-9)


def test_a_row_depends_on_its_own_ratings_in_any_order() -> None:
    columns = new_ratings()
    together = fitted().add_users(columns)
    order = np.random.default_rng(0).permutation(len(columns[0]))
    shuffled = fitted().add_users(tuple(column[order] for column in columns))
    np.testing.assert_array_equal(together.user_factors_, shuffled.user_factors_)
    for user in np.unique(columns[0]):
        single = fitted().add_users(tuple(column[columns[0] == user] for column in columns))
        row = together.users_.tolist().index(user)
        np.testing.assert_array_equal(single.user_factors_[-1], together.user_factors_[row])


# A fixed order of operations


def many_sizes(n_factors: int, dtype: str, scale: float, fit_bias: bool) -> Any:
    """Return a fixed side, and new rows of 0 to 100 ratings."""
    generator = np.random.default_rng(3)
    sizes = [0, 1, 1, 2, 3, 5, 8, 9, 17, 33, 64, 100]
    fixed = FixedSide(
        factors=(generator.normal(size=(120, n_factors)) * np.sqrt(scale)).astype(dtype),
        bias=(generator.normal(size=120) * scale).astype(dtype),
        mean=0.5 * scale,
        scale=scale,
        fit_bias=fit_bias,
    )
    others = [generator.choice(120, size, replace=False) for size in sizes]
    rows = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    values = (generator.normal(size=len(rows)) * scale).astype(dtype)
    return fixed, RowRatings(
        rows=rows, others=np.concatenate(others).astype(np.int32), values=values, n_rows=len(sizes)
    )


@pytest.mark.parametrize(
    ("n_factors", "fit_bias"),
    [(0, True), *itertools.product((1, 6, 40), (True, False))],
)
@pytest.mark.parametrize("scale", [1.0, 2.0**80])
def test_solving_in_a_fixed_order_gives_the_exact_solution(
    n_factors: int, scale: float, fit_bias: bool, dtype: str
) -> None:
    fixed, ratings = many_sizes(n_factors, dtype, scale, fit_bias)
    penalties = Penalty(0.03, 0.01, 4.5, 2.2)
    assert can_solve(fixed, ratings, penalties)
    expected = solve_exactly(fixed, ratings, penalties)
    found = solve_in_fixed_order(fixed, ratings, penalties)
    for got, wanted in zip(found, expected, strict=True):
        size = np.abs(wanted).max(initial=0)
        np.testing.assert_allclose(got, wanted, 1e-10, 1e-10 * size)
        assert not got[0].any()


def test_the_bits_of_a_row_depend_on_its_own_ratings_in_any_order() -> None:
    fixed, ratings = many_sizes(6, "float32", 1.0, True)
    penalties = Penalty(0.03, 0.01, 4.5, 2.2)
    factors, bias = solve_in_fixed_order(fixed, ratings, penalties)
    order = np.random.default_rng(0).permutation(len(ratings.rows))
    for row in range(1, ratings.n_rows):
        chosen = order[ratings.rows[order] == row]
        alone = RowRatings(
            rows=np.zeros(len(chosen), np.int32),
            others=ratings.others[chosen],
            values=ratings.values[chosen],
            n_rows=1,
        )
        own_factors, own_bias = solve_in_fixed_order(fixed, alone, penalties)
        np.testing.assert_array_equal(own_factors[0], factors[row])
        np.testing.assert_array_equal(own_bias[0], bias[row])


def test_many_ratings_and_equations_without_penalty_are_left_to_training() -> None:
    fixed, ratings = many_sizes(6, "float64", 1.0, True)
    penalties = Penalty(0.03, 0.01, 4.5, 2.2)
    assert not can_solve(fixed, ratings, Penalty(0.0, 0.01, 0.0, 2.2))
    assert not can_solve(fixed, ratings, Penalty(0.03, 0.0, 4.5, 0.0))
    n = MAX_CELLS // 7 + 1
    zeros = np.zeros(n, np.int32)
    many = RowRatings(rows=zeros, others=zeros, values=np.zeros(n), n_rows=1)
    assert not can_solve(fixed, many, penalties)


@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_systems_of_equations_are_solved(s: int, m: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    roots, right = generator.normal(size=(m, s, s + 3)), generator.normal(size=(m, s))
    matrices = roots @ roots.mT + np.eye(s)
    found = solve_positive_definite(np.concatenate([matrices, right[:, None]], axis=1))
    np.testing.assert_allclose((matrices @ found[..., None])[..., 0], right, 1e-8, 1e-8)


# No penalty


@pytest.mark.parametrize("regularization", [0.0, 1e-30])
@pytest.mark.parametrize("n", [2, 30])
def test_without_regularization_the_solution_is_the_shortest(n: int, regularization: float) -> None:
    generator = np.random.default_rng(0)
    Q, ratings = generator.normal(size=(40, 5)), generator.normal(size=n)
    rows, items = np.zeros(n, np.int32), generator.permutation(40)[:n].astype(np.int32)
    fixed = fixed_side(Q, fit_bias=False)
    found, _ = solve(fixed, (rows, items, ratings), 1, penalty(regularization))
    np.testing.assert_allclose(found[0], np.linalg.pinv(Q[items]) @ ratings, 1e-8)
    twice = np.tile(rows, 2), np.tile(items, 2), np.tile(ratings, 2)
    np.testing.assert_allclose(solve(fixed, twice, 1, penalty(regularization))[0], found, 1e-8)


def test_factors_and_bias_have_their_own_penalties() -> None:
    fixed = fixed_side(np.ones((2, 1)), fit_bias=True)
    rows, items, ratings = np.zeros(2, np.int32), np.arange(2, dtype=np.int32), np.ones(2)
    for penalties, expected in (
        (Penalty(1e9, 1.0, 0.0, 0.0), 2 / (2 + 2 * 1.0)),
        (Penalty(0.0, 0.0, 1e9, 3.0), 2 / (2 + 3.0)),
        (Penalty(0.0, 0.5, 1e9, 3.0), 2 / (2 + 2 * 0.5 + 3.0)),
    ):
        (factor,), bias = solve(fixed, (rows, items, ratings), 1, penalties)
        assert abs(factor[0]) < 1e-6
        assert bias[0] == pytest.approx(expected)


@pytest.mark.parametrize("n", [1, 2, 5, 10, 1000])
def test_a_bias_is_the_sum_of_the_residuals_over_their_number_plus_the_shrinkage(n: int) -> None:
    fixed = fixed_side(np.zeros((1000, 2)), fit_bias=True)
    columns = np.zeros(n, np.int32), np.arange(n, dtype=np.int32), np.full(n, 1.5)
    _, bias = solve(fixed, columns, 1, penalty(0.0, 3.0))
    assert bias[0] == pytest.approx(1.5 * n / (n + 3.0))


@given(seed=st.integers(0, 2**32 - 1), regularization=st.floats(0, 1), n=st.integers(1, 12))
def test_more_shrinkage_gives_a_shorter_row(seed: int, regularization: float, n: int) -> None:
    generator = np.random.default_rng(seed)
    fixed = fixed_side(generator.normal(size=(12, 4)), fit_bias=True)
    columns = np.zeros(n, np.int32), np.arange(n, dtype=np.int32), generator.normal(size=n)
    norms = []
    for shrinkage in (0.01, 0.5, 4.0, 1e12):
        factors, bias = solve(fixed, columns, 1, penalty(regularization, shrinkage))
        norms.append(float(np.linalg.norm([*factors[0], bias[0]])))
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] < 1e-9


def test_rows_of_any_number_of_ratings_equal_the_reference() -> None:
    """Some rows, or all of them, may have no ratings."""
    generator = np.random.default_rng(0)
    fixed = fixed_side(generator.normal(size=(40, 3)), fit_bias=True)
    counts = generator.permutation(np.repeat([0, 1, 4, 9], 5))
    rows = np.repeat(np.arange(20, dtype=np.int32), counts)
    items = generator.integers(0, 40, len(rows), np.int32)
    ratings = generator.normal(size=len(rows))
    P, bias = solve(fixed, (rows, items, ratings), 20, penalty(0.1, 0.8))
    for row in range(20):
        mine = rows == row
        p, b = np.zeros(3), 0.0
        if mine.any():
            p, b = reference.fold_in(
                items[mine],
                ratings[mine],
                fixed.factors,
                fixed.bias,
                mean=0.0,
                scale=1.0,
                regularization=0.1,
                shrinkage=0.8,
            )
        np.testing.assert_allclose([*P[row], bias[row]], [*p, b], 1e-9)
    empty = rows[:0], items[:0], ratings[:0]
    assert not solve(fixed, empty, 4, penalty(0.1, 0.8))[0].any()


# Other rules than the squared loss with L2


OTHER_RULES: dict[str, dict[str, Any]] = {
    "absolute": {"loss": "absolute"},
    "huber": {"loss": "huber", "huber_delta": 0.5},
    "logistic": {"loss": "logistic"},
    "squared hinge": {"loss": "squared_hinge"},
    "L1": {"l1_regularization": 0.05},
    "nonnegative": {"nonnegative": True},
    "Kullback–Leibler": {"loss": "kullback_leibler", "nonnegative": True},
    "AdaGrad": {"loss": "huber", "learning_rate_schedule": "adagrad"},
}


@pytest.mark.parametrize("shrinkage", [SHRINKAGE, 20.0])
@pytest.mark.parametrize(("name", "side"), [*zip(OTHER_RULES, [0, 1] * 4, strict=True)])
def test_rows_trained_under_other_losses_are_near_the_minimum(
    name: str, side: int, shrinkage: float
) -> None:
    chosen = OTHER_RULES[name]
    two_valued = chosen.get("loss") in {"logistic", "squared_hinge"}
    columns = list(ft.datasets.synthetic(2000, 90, 60, random_state=1))
    columns[2] = np.abs(columns[2])
    if two_valued:
        columns[2] = np.where(columns[2] > columns[2].mean(), 1.0, 0.0)
    model = ft.MatrixFactorization(**(PARAMETERS | chosen), dtype="float64").fit(tuple(columns))
    model.set_params(shrinkage=shrinkage)
    old = state(model).factors
    rows, others, ratings = new_ratings()
    ratings = np.where(ratings > 30, 1.0, 0.0) if two_valued else np.abs(ratings) / 8
    pairs = (rows, others) if side == 0 else (others, rows)
    (model.add_users if side == 0 else model.add_items)((*pairs, ratings))
    new = state(model).factors
    fixed = [(new.item_factors, new.item_bias), (new.user_factors, new.user_bias)][side]
    found = [(new.user_factors, new.user_bias), (new.item_factors, new.item_bias)][side]
    np.testing.assert_array_equal(fixed[0], (old.item_factors, old.user_factors)[side])
    rule = UpdateRule(**{key: value for key, value in chosen.items() if key in vars(UpdateRule())})
    l1 = chosen.get("l1_regularization", 0.0)
    for number in range(7):
        mine = rows == 1000 + number
        Q, b = fixed[0][others[mine]] / np.sqrt(old.scale), fixed[1][others[mine]] / old.scale
        z = (ratings[mine] - old.mean) / old.scale

        def objective(w: Any, Q: Any = Q, b: Any = b, z: Any = z) -> float:
            l2 = REGULARIZATION + shrinkage / len(z)
            return mean_loss(rule, z, Q @ w[:-1] + w[-1] + b) + float(
                l2 * w @ w / 2 + l1 * np.abs(w).sum()
            )

        got = np.append(
            found[0][-7 + number] / np.sqrt(old.scale), found[1][-7 + number] / old.scale
        )
        bounds = [(0, None)] * 7 if rule.nonnegative else None
        assert not rule.nonnegative or (got >= 0).all()
        lowest = min(
            scipy.optimize.minimize(objective, start, bounds=bounds, method="L-BFGS-B").fun
            for start in (got, np.full(7, 0.1))
        )
        assert objective(got) < 1.01 * lowest + 0.001


def test_a_learning_rate_that_is_halved_for_new_rows_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = fitted(loss="huber", regularization=0, shrinkage=0).set_params(learning_rate=20)
    model.add_users(new_ratings())
    assert np.isfinite(model.user_factors_).all()
    assert not caplog.records


@pytest.mark.parametrize("svdpp", [False, True])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_ratings_of_unknown_items_only_give_a_bias(loss: str, svdpp: bool) -> None:
    model = fitted(loss=loss, svdpp=svdpp, huber_delta=100.0, dtype="float64", regularization=0.0)
    users, items = np.full(4, 1000), np.arange(500, 504)
    ratings = np.array([1.0, 2.0, 3.0, 4.0]) + model.global_mean_
    model.add_users((users, items, ratings), unknown="ignore")
    assert not model.user_factors_[-1].any()
    assert model.user_bias_[-1] == pytest.approx(10 / (4 + SHRINKAGE), rel=0.02)


def test_after_an_interrupt_the_model_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fitted(loss="huber")
    before = state(model)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Workers, "run_tasks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.add_users(new_ratings())
    assert state(model) is before


# Added users and items in a model


def test_new_rows_follow_the_old_ones_in_sorted_order() -> None:
    model, old = fitted(), fitted()
    model.add_users(([2000, 1000, 2000], [0, 1, 2], [1.0, 2.0, 3.0]))
    assert model.users_.tolist() == [*old.users_.tolist(), 1000, 2000]
    np.testing.assert_array_equal(model.user_factors_[:-2], old.user_factors_)
    np.testing.assert_array_equal(model.item_factors_, old.item_factors_)
    np.testing.assert_array_equal(model.history_["train_rmse"], old.history_["train_rmse"])
    assert model.predict(([1000], [1])).shape == (1,)
    np.testing.assert_array_equal(model.predict(([5, 80], [3, 4])), old.predict(([5, 80], [3, 4])))


def test_added_users_are_predicted_better_than_unknown_ones() -> None:
    users, items, ratings = ft.datasets.synthetic(20_000, 300, 200, n_factors=3, noise=0.3)
    late, shown = users >= 250, np.arange(len(users)) % 2 == 0
    model = ft.MatrixFactorization(6, 40, regularization=0.02, random_state=0)
    model.fit((users[~late], items[~late], ratings[~late]))
    model.add_users(tuple(column[late & shown] for column in (users, items, ratings)))
    asked = late & ~shown
    error = model.evaluate((users[asked], items[asked], ratings[asked]))["rmse"]
    model.remove_users(np.unique(users[late]))
    with pytest.warns(ft.UnknownIdWarning):
        without = model.evaluate((users[asked], items[asked], ratings[asked]))["rmse"]
    assert error < 0.6 * without


def test_adding_a_known_user_replaces_its_row() -> None:
    model, fresh = fitted(), fitted()
    columns = new_ratings(1, first=5)
    model.add_users(columns)
    fresh.add_users(new_ratings(1, first=1000))
    assert model.users_.tolist() == list(range(90))
    np.testing.assert_array_equal(model.user_factors_[5], fresh.user_factors_[-1])
    seen, before = state(model).seen, state(fitted()).seen
    assert set(items_of(before, 5)) | {int(columns[1][0])} == set(items_of(seen, 5))


def items_of(seen: Any, row: int) -> list[int]:
    return [int(item) for item in seen.items[seen.starts[row] : seen.starts[row + 1]]]


def test_seen_items_are_added() -> None:
    model = fitted()
    before = state(model).seen
    model.add_users(([1000, 1000, 1000], [7, 3, 7], [1.0, 2.0, 3.0]))
    assert items_of(state(model).seen, 90) == [3, 7]
    assert items_of(state(model).seen, 11) == items_of(before, 11)
    model.add_items(([1000, 4, 4], [99, 98, 99], [1.0, 2.0, 3.0]))
    assert model.items_.tolist()[-2:] == [98, 99]
    assert items_of(state(model).seen, 90) == [3, 7, 61]
    assert items_of(state(model).seen, 4) == [*items_of(before, 4), 60, 61]
    without = fitted(keep_seen=False).add_users(([1000], [7], [1.0])).remove_users([3])
    assert state(without).seen is None


@pytest.mark.parametrize("side", ["user", "item"])
def test_unknown_rows_have_factors_and_a_bias_of_0(side: str) -> None:
    model = fitted(dtype="float64")
    factors = state(model).factors
    others = np.array([3, 4, 500, 7, 600, 500])
    ratings = np.array([10.0, 40.0, 25.0, 30.0, 50.0, 35.0])
    columns = np.full(6, 1000), others, ratings
    if side == "user":
        model.add_users(columns, unknown="ignore")
        Q, bias = factors.item_factors, factors.item_bias
        found = model.user_factors_[-1], model.user_bias_[-1]
    else:
        model.add_items((others, columns[0], ratings), unknown="ignore")
        Q, bias = factors.user_factors, factors.user_bias
        found = model.item_factors_[-1], model.item_bias_[-1]
    rows = np.where(others < len(Q), others, len(Q))
    p, b = reference.fold_in(
        rows,
        ratings,
        np.vstack([Q, np.zeros(6)]),
        np.append(bias, 0.0),
        mean=factors.mean,
        scale=factors.scale,
        regularization=REGULARIZATION,
        shrinkage=SHRINKAGE,
    )
    np.testing.assert_allclose(found[0], p, 1e-9, 1e-12)
    assert found[1] == pytest.approx(b)


def test_unknown_items_do_not_count_in_svdpp_terms() -> None:
    model = fitted(svdpp=True, dtype="float64")
    known, ratings = np.array([3, 8, 20]), np.array([10.0, 40.0, 25.0])
    with_unknown = np.append(known, [500, 600]), np.append(ratings, [model.global_mean_] * 2)
    model.set_params(regularization=1e9).add_users(
        (np.full(5, 1000), *with_unknown), unknown="ignore"
    )
    expected = model.svdpp_factors_[known].sum(axis=0) / np.sqrt(3)
    np.testing.assert_allclose(model.user_factors_[-1], expected, rtol=1e-5, atol=1e-8)


def test_without_biases_ratings_of_unknown_items_are_left_out() -> None:
    model, other = fitted(fit_bias=False), fitted(fit_bias=False)
    model.add_users(([1000] * 3, [3, 500, 4], [1.0, 9.0, 2.0]), unknown="ignore")
    other.add_users(([1000] * 2, [3, 4], [1.0, 2.0]))
    np.testing.assert_array_equal(model.user_factors_, other.user_factors_)
    assert not model.user_bias_.any()


@pytest.mark.parametrize("loss", ["squared", "absolute"])
def test_the_order_of_ratings_of_unknown_items_does_not_matter(loss: str) -> None:
    users, items, ratings = new_ratings()
    columns = users, np.where(items % 3 == 0, items + 500, items), ratings
    together = fitted(loss=loss).add_users(columns, unknown="ignore")
    order = np.random.default_rng(0).permutation(len(users))
    shuffled = fitted(loss=loss).add_users(
        tuple(column[order] for column in columns), unknown="ignore"
    )
    np.testing.assert_array_equal(together.user_factors_, shuffled.user_factors_)
    np.testing.assert_array_equal(together.user_bias_, shuffled.user_bias_)


def test_unknown_items_give_a_warning() -> None:
    model = fitted()
    with pytest.warns(
        ft.UnknownIdWarning, match=r"2 of 4 rows name 2 unknown items \(500, 600\): their"
    ) as seen:
        model.add_users(([1000, 1000, 1000, 1001], [3, 4, 500, 600], [1.0, 2.0, 3.0, 4.0]))
    assert seen[0].filename == __file__
    assert not model.user_factors_[91].any()
    assert model.predict(([1001], [3]))[0] == pytest.approx(
        model.global_mean_ + model.user_bias_[91] + model.item_bias_[3], rel=1e-6
    )
    with pytest.warns(ft.UnknownIdWarning, match="1 of 1 rows names 1 unknown user"):
        model.add_items(([4000], [3000], [1.0]))
    assert model.items_[-1] == 3000


def test_frames_and_pairs_with_y_give_the_same_users() -> None:
    users, items, ratings = new_ratings()
    model = fitted().add_users((users, items, ratings))
    frame = pd.DataFrame({"user": users, "item": items, "rating": ratings})
    for other in (
        fitted().add_users(frame),
        fitted().add_users(np.stack([users, items], 1), ratings),
    ):
        np.testing.assert_array_equal(other.user_factors_, model.user_factors_)
        assert other.users_.tolist() == model.users_.tolist()


def test_removed_users_are_unknown() -> None:
    model, old = fitted(), fitted()
    model.remove_users([89, 3, 3])
    np.testing.assert_array_equal(
        fitted().remove_users(3).remove_users(89).user_factors_, model.user_factors_
    )
    assert model.users_.tolist() == [user for user in range(90) if user not in (3, 89)]
    np.testing.assert_array_equal(model.user_factors_, np.delete(old.user_factors_, [3, 89], 0))
    np.testing.assert_array_equal(model.user_bias_, np.delete(old.user_bias_, [3, 89]))
    assert len(state(model).seen.starts) == 89
    for user in (2, 4, 88):
        row = model.users_.tolist().index(user)
        assert items_of(state(model).seen, row) == items_of(state(old).seen, user)
    with pytest.warns(ft.UnknownIdWarning, match=r"1 of 1 rows names 1 unknown user \(3\)"):
        model.predict(([3], [0]))


def test_users_can_be_added_after_all_were_removed() -> None:
    model = fitted()
    model.remove_users(model.users_)
    assert model.user_factors_.shape == (0, 6)
    with pytest.warns(ft.UnknownIdWarning):
        assert np.isfinite(model.predict(([3], [0]))).all()
    assert model.add_users(new_ratings()).users_.tolist() == list(range(1000, 1007))


def test_after_an_error_the_model_is_unchanged() -> None:
    model = fitted()
    before = state(model)
    with pytest.raises(ValueError, match=r"users\[1\] is 777, which is not a user of the model"):
        model.remove_users([3, 777])
    with pytest.raises(TypeError, match=r"users are str .* the ids of the model are integer"):
        model.remove_users(["3"])
    with pytest.raises(TypeError, match="users are str"):
        model.add_users((["a"], [1], [1.0]))
    with pytest.raises(ValueError, match=r"ratings\[0\] is nan"):
        model.add_users(([1000], [1], [float("nan")]))
    with pytest.raises(ValueError, match=r"give user (factors|bias) too large for float32"):
        model.set_params(regularization=0.0, shrinkage=0.0).add_users(
            ([1000] * 7, range(7), [3e38, -3e38] * 3 + [0])
        )
    with pytest.raises(TypeError, match="users is None; expected a column"):
        model.remove_users(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="there are no ratings"):
        model.add_users(([], [], []))
    with pytest.raises(ValueError, match="regularization is -1"):
        model.set_params(regularization=-1).add_users(new_ratings())
    assert state(model) is before
    empty = ft.MatrixFactorization()
    for use in (empty.add_users, empty.add_items, empty.remove_users):
        with pytest.raises(ft.NotFittedError):
            use(([1], [1], [1.0]))


# Recommendations for one user who is not added


def test_recommend_for_equals_recommend_after_add_users() -> None:
    users, items, ratings = new_ratings()
    added = fitted().add_users((users, items, ratings))
    for user in np.unique(users):
        mine, model = users == user, fitted()
        before = state(model)
        expected = added.recommend(user, n=20)
        for form in (
            (items[mine], ratings[mine]),
            dict(zip(items[mine].tolist(), ratings[mine].tolist(), strict=True)),
            (pd.Series(items[mine]), pd.Series(ratings[mine])),
        ):
            for got, wanted in zip(model.recommend_for(form, n=20), expected, strict=True):
                np.testing.assert_array_equal(got, wanted)
        assert state(model) is before
    without_seen = fitted(keep_seen=False).recommend_for({7: 30.0}, n=60)
    assert 7 not in without_seen[0]
    assert np.isnan(without_seen[1][-1])


def test_without_ratings_of_known_items_items_are_ranked_by_bias() -> None:
    model = fitted()
    expected = np.sort(np.float32(model.global_mean_) + model.item_bias_)[::-1]
    items, scores = model.recommend_for({}, n=60)
    np.testing.assert_array_equal(scores, expected)
    np.testing.assert_array_equal(model.recommend_for(([], []), n=60)[1], expected)
    with pytest.warns(ft.UnknownIdWarning, match=r"names 1 unknown item \(500\)") as seen:
        ranked, lower = model.recommend_for({500: 4.0}, n=60)
    np.testing.assert_array_equal(ranked, items)
    assert (lower < scores).all()
    assert seen[0].filename == __file__


@pytest.mark.parametrize(
    ("ratings", "error", "message"),
    [
        ([1, 2], TypeError, r"got list; expected .* mapping \{item: rating\} or a tuple"),
        (([1], [2], [3]), TypeError, "got tuple; expected the ratings of one user"),
        (([1, 2], [3.0]), ValueError, "columns have different lengths: 2 items, 1 ratings"),
        ({1: float("nan")}, ValueError, r"ratings\[0\] is nan"),
        ({"a": 1.0}, TypeError, "items are str .* the ids of the model are integer"),
    ],
)
def test_recommend_for_rejects_other_forms(
    ratings: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fitted().recommend_for(ratings)


@pytest.mark.parametrize("mmap", [False, True])
def test_added_and_removed_users_are_saved(mmap: bool, tmp_path: Any) -> None:
    model = fitted().add_users(new_ratings()).add_items(([1000, 1], [70, 65], [1.0, 2.0]))
    model.remove_users([3]).save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz", mmap=mmap)
    assert again.users_.tolist() == model.users_.tolist()
    assert again.items_.tolist() == model.items_.tolist()
    pairs = [1003, 5, 1000], [70, 65, 0]
    np.testing.assert_array_equal(again.predict(pairs), model.predict(pairs))
    more = [1000, 2000], [65, 1], [4.0, 5.0]
    np.testing.assert_array_equal(
        again.add_users(more).user_factors_, model.add_users(more).user_factors_
    )
