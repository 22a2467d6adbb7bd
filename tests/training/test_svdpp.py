"""SVD++ terms: agreement with the reference, the schedule, and models with them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from training_cases import (
    SMALL,
    assert_same,
    pack,
    reference_rates_and_penalties,
    scheduled_ratings,
)

import factorate as ft
from factorate import reference
from factorate._input.ratings import read_ratings
from factorate._kernels import dispatch
from factorate._training import svdpp
from factorate._training.packed_ratings import unpack
from factorate._training.schedule import Schedule, make_schedule
from factorate._training.settings import Settings, check_settings
from factorate._training.svdpp import Phase, SvdppTerms, epoch_tasks, make_svdpp_terms
from factorate._training.trainer import Trainer
from factorate._utils.aligned import aligned_zeros
from factorate._utils.workers import Workers


def model(**changes: Any) -> ft.MatrixFactorization:
    values: dict[str, Any] = {
        "n_factors": 6,
        "n_epochs": 10,
        "learning_rate": 0.05,
        "regularization": 0.04,
        "shrinkage": 0.3,
        "svdpp": True,
        "random_state": 5,
        "n_threads": 1,
    }
    return ft.MatrixFactorization(**(values | changes))


def state(fitted: ft.MatrixFactorization) -> Any:
    return vars(fitted)["_fitted"]


def arrays(fitted: ft.MatrixFactorization) -> list[Any]:
    return [
        fitted.user_factors_,
        fitted.item_factors_,
        fitted.svdpp_factors_,
        fitted.user_bias_,
        fitted.item_bias_,
    ]


def assert_equal(a: ft.MatrixFactorization, b: ft.MatrixFactorization) -> None:
    for left, right in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_array_equal(left, right)


def settings_of(chosen: ft.MatrixFactorization, **changes: Any) -> Settings:
    """Return the settings of a model, with small groups."""
    return replace(check_settings(chosen.get_params(), seed=5), sizes=SMALL, **changes)


def read(columns: Any, dtype: str) -> Any:
    return read_ratings(columns, dtype=np.dtype(dtype))


def prepare(columns: Any, settings: Settings, weights: Any = None) -> tuple[Schedule, SvdppTerms]:
    schedule = make_schedule(read(columns, "float64"), settings, weights)
    return schedule, make_svdpp_terms(schedule, settings, Workers())


def train_by_reference(settings: Settings, columns: Any, weights: Any = None) -> list[Any]:
    """Train by the reference, in the order of the schedule."""
    ratings = read(columns, "float64")
    untrained = replace(settings, n_epochs=0)
    factors = Trainer(ratings, untrained, weights=weights).train().factors
    root = np.sqrt(factors.scale)
    own, Q = factors.user_factors / root, factors.item_factors / root
    Y, biases = np.zeros_like(Q), (np.zeros(len(own)), np.zeros(len(Q)))
    schedule, terms = prepare(columns, settings, weights)
    counts = (
        np.bincount(ratings.user_rows, weights, minlength=len(own)).astype(float),
        np.bincount(ratings.item_rows, weights, minlength=len(Q)).astype(float),
    )
    assert schedule.group_bands > 1
    assert len(terms.item_fractions) > 2
    for epoch in range(1, settings.n_epochs + 1):
        tasks = epoch_tasks(schedule, settings.seed, epoch)
        factor = 1 - (epoch - 1) / settings.n_epochs
        rates, penalties = reference_rates_and_penalties(settings, counts, factor)
        svdpp_rates = reference.row_rates(
            settings.rates[0] * factor, counts[1], settings.count_scale
        )
        order: list[int] = []
        groups, fractions = [], []
        for group, updates in itertools.groupby(
            [task for task in tasks if task.phase == Phase.UPDATE],
            lambda task: task.row // schedule.group_bands,
        ):
            blocks = [task.row * schedule.n_bands[1] + (task.column or 0) for task in updates]
            numbers = [np.arange(*schedule.block_starts[block : block + 2]) for block in blocks]
            groups.append(slice(len(order), len(order) + sum(map(len, numbers))))
            fractions.append(terms.item_fractions[group])
            order += np.concatenate(numbers).tolist()
        users, items, values = (column[order] for column in scheduled_ratings(schedule))
        reference.train_svdpp_epoch(
            users,
            items,
            (values - factors.mean) / factors.scale,
            own,
            Q,
            Y,
            *biases,
            groups=groups,
            item_fractions=fractions,
            rates=rates,
            l2=penalties,
            svdpp_rates=svdpp_rates,
            svdpp_l2=reference.row_penalties(
                settings.l2[0], settings.shrinkage[0], counts[1], svdpp_rates
            ),
            fit_bias=settings.rule.fit_bias,
            l1=settings.l1,
            weights=None if weights is None else schedule.ratings.weights[order],
            loss=settings.rule.loss,
            loss_parameter=settings.rule.loss_parameter,
        )
    P = reference.add_svdpp_terms(ratings.user_rows, ratings.item_rows, own, Y)
    return [P * root, Q * root, *(bias * factors.scale for bias in biases), Y * root]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"fit_bias": False, "fit_mean": False},
        {"regularization": {"user_factors": 0.1, "item_factors": 0.02}},
        {"loss": "huber", "l1_regularization": {"item_factors": 0.01}},
    ],
    ids=str,
)
def test_ten_epochs_agree_with_the_reference_group_by_group(
    columns: Any, changes: Any, weighted: bool
) -> None:
    settings = settings_of(model(**changes))
    columns = tuple(column[:1500] for column in columns)
    weights = np.random.default_rng(3).uniform(0.1, 2, 1500) if weighted else None
    expected = train_by_reference(settings, columns, weights)
    assert np.abs(expected[-1]).max() > 0.001
    factors = Trainer(read(columns, "float64"), settings, weights=weights).train().factors
    names = "user_factors", "item_factors", "user_bias", "item_bias", "svdpp"
    for name, wanted in zip(names, expected, strict=True):
        np.testing.assert_allclose(getattr(factors, name), wanted, rtol=1e-9, atol=1e-10)


# The kernels


def rows(n: int, dtype: str, seed: int) -> Any:
    out = aligned_zeros((n, 32), np.dtype(dtype))
    out[:] = np.random.default_rng(seed).standard_normal(out.shape)
    return out


@pytest.mark.parametrize("to_items", [False, True])
@pytest.mark.usefixtures("isa")
def test_the_rows_of_some_tiles_are_added_in_order(dtype: str, to_items: bool) -> None:
    generator = np.random.default_rng(0)
    users, items = (generator.integers(0, n, 130, np.int32) for n in (5, 7))
    packed = pack(users, items, np.ones(130, dtype), cuts=(20, 25, 25, 110))
    targets, sources = (items, users) if to_items else (users, items)
    T, S = rows(1 + targets.max(), dtype, 1), rows(1 + sources.max(), dtype, 2)
    expected = T.copy()
    for target, source in zip(targets[20:110], sources[20:110], strict=True):
        expected[target] += S[source]
    dispatch.svdpp.add_rows(packed, 1, 4, to_items, T, S)
    np.testing.assert_array_equal(T, expected)


@pytest.mark.usefixtures("isa")
def test_combining_and_distributing_agree_with_numpy(dtype: str) -> None:
    P, own, work = (rows(5, dtype, seed) for seed in range(3))
    norm, decay = np.linspace(0.1, 1, 5).astype(dtype), np.linspace(0.9, 1, 5).astype(dtype)
    before = [array.copy() for array in (P, own, work)]
    dispatch.svdpp.combine(P, own, work, norm, 1, 4)
    some = slice(1, 4)
    combined = (before[1] + norm[:, None] * before[2])[some]
    np.testing.assert_allclose(P[some], combined, 1e-6, 1e-6)
    P[some] += 0.5
    dispatch.svdpp.distribute(P, own, work, norm, decay, 0.25, 1, 4)
    np.testing.assert_allclose(own[some], (decay[:, None] * (before[1] + 0.375))[some], 1e-6, 1e-6)
    np.testing.assert_allclose(work[some], np.tile(0.125 * norm[some, None], 32), 1e-6, 1e-6)
    for now, then in zip((P, own, work), before, strict=True):
        np.testing.assert_array_equal(now[[0, 4]], then[[0, 4]])


# The schedule


@pytest.mark.parametrize("n_groups", [1, 5])
def test_the_item_fraction_falls_if_users_of_a_group_have_common_items(
    columns: Any, n_groups: int
) -> None:
    sizes = replace(SMALL, n_groups=n_groups)
    schedule, terms = prepare(columns, replace(settings_of(model()), sizes=sizes))
    vectors = np.zeros((60, 80))
    users, items, _ = unpack(schedule.packed, 0, 3000)
    vectors[users, items] = 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    edges = np.unique([*schedule.user_edges[:: schedule.group_bands], 60])
    for fraction, (first, end) in zip(terms.item_fractions, itertools.pairwise(edges), strict=True):
        together = vectors[first:end].sum(axis=0)
        largest = svdpp.MAX_STEP / (together @ together / (end - first))
        assert fraction == pytest.approx(min(svdpp.ITEM_FRACTION, largest))
    assert (min(terms.item_fractions) < svdpp.ITEM_FRACTION) == (n_groups == 1)


def test_an_epoch_runs_group_by_group_and_phase_by_phase(columns: Any) -> None:
    schedule, terms = prepare(columns, settings_of(model()))
    order = epoch_tasks(schedule, 0, 1)
    assert len(set(order)) == len(order) == 3 * np.prod(schedule.n_bands) + 2 * schedule.n_bands[0]
    groups = [task.row // schedule.group_bands for task in order]
    trained = [group for group, _ in itertools.groupby(groups)]
    assert sorted(trained) == list(range(len(terms.item_fractions)))
    assert trained != sorted(trained)
    for group in trained:
        phases = [task.phase for task in order if task.row // schedule.group_bands == group]
        assert phases == sorted(phases)


DATA: dict[str, Any] = {
    "one user": (np.zeros(300, int), np.arange(300), np.linspace(1, 5, 300)),
    "one item": (np.arange(300), np.zeros(300, int), np.linspace(1, 5, 300)),
    "one rating": ([1], [1], [3.0]),
    "a pair twice": ([1, 1, 2], [1, 1, 1], [3.0, 4.0, 5.0]),
}


@pytest.mark.parametrize("data", ["columns", *DATA])
def test_any_number_of_threads_gives_the_same_bits(columns: Any, data: str, dtype: str) -> None:
    ratings = read(DATA.get(data, columns), dtype)
    expected = Trainer(ratings, settings_of(model())).train().factors
    assert np.isfinite(expected.user_factors).all()
    for n_threads in (2, 3, 8):
        got = Trainer(ratings, settings_of(model(), n_threads=n_threads)).train().factors
        assert_same(got, expected)


# Training of models with SVD++ terms


def test_validation_ratings_do_not_contribute_to_the_terms(columns: Any) -> None:
    """N(u) are the items of training ratings only."""
    users, items, ratings = columns
    some = np.arange(3000) % 10 > 0
    training = users[some], items[some], ratings[some]
    held = users[~some], items[~some], ratings[~some]
    assert_equal(model().fit(training, eval_set=held), model().fit(training))


def test_the_best_epoch_is_restored_with_its_svdpp_factors(columns: Any) -> None:
    chosen = model(
        n_epochs=60,
        learning_rate=0.1,
        regularization=0.001,
        early_stopping=True,
        patience=2,
        learning_rate_schedule="constant",
        validation_fraction=0.2,
    )
    stopped = chosen.fit(columns)
    assert stopped.best_epoch_ == stopped.n_epochs_ - 2 < 58
    expected = model(**(chosen.get_params() | {"n_epochs": stopped.best_epoch_})).fit(columns)
    assert_equal(stopped, expected)


@pytest.mark.parametrize("rate", [1e-4, 1.0, 30.0, 1e3])
def test_any_rate_gives_finite_factors_or_an_error(columns: Any, rate: float) -> None:
    chosen = model(learning_rate=rate)
    try:
        chosen.fit(columns)
    except ft.DivergenceError:
        assert rate > 0.1
        assert not hasattr(chosen, "user_factors_")
    else:
        assert all(np.isfinite(array).all() for array in arrays(chosen))


def test_a_warm_start_continues_from_the_fitted_factors(columns: Any) -> None:
    first = model(dtype="float64").fit(columns)
    again = model(dtype="float64", warm_start=True)
    again._fitted = state(first)
    again.set_params(n_epochs=0).fit(columns)
    for got, wanted in zip(arrays(again), arrays(first), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
    again.set_params(n_epochs=3, learning_rate=0.01).fit(columns)
    assert again.evaluate(columns)["rmse"] < first.evaluate(columns)["rmse"]


def test_a_warm_start_adds_new_users_and_items(columns: Any) -> None:
    users, items, ratings = columns
    some = (users < 50) & (items < 70)
    grown = model(warm_start=True).fit((users[some], items[some], ratings[some])).fit(columns)
    assert grown.svdpp_factors_.shape == (80, 6)
    anew = model(n_epochs=1).fit(columns)
    assert grown.evaluate(columns)["rmse"] < anew.evaluate(columns)["rmse"]


def test_svdpp_terms_lower_the_error_if_rated_items_predict_ratings() -> None:
    """The items that a user with few ratings has rated predict the ratings."""
    generator = np.random.default_rng(0)
    tastes = generator.integers(0, 2, 3000)
    users = np.repeat(np.arange(3000), 8)
    kinds = np.where(generator.random(len(users)) < 0.9, tastes[users], 1 - tastes[users])
    items = 2 * generator.integers(0, 60, len(users)) + kinds
    ratings = np.where(tastes[users] == items // 2 % 2, 1.0, -1.0)
    ratings += generator.normal(0, 1, len(users))
    first = np.arange(len(users)) % 8 > 1
    training = users[first], items[first], ratings[first]
    test = users[~first], items[~first], ratings[~first]
    how: dict[str, Any] = {"n_factors": 8, "n_epochs": 20, "regularization": 0.1}
    rmse = [
        model(**how, svdpp=svdpp).fit(training).evaluate(test)["rmse"] for svdpp in (False, True)
    ]
    assert rmse[1] < 0.97 * rmse[0]


# Files and combinations of parameters


def test_a_file_contains_the_svdpp_factors(columns: Any, tmp_path: Any) -> None:
    fitted = model().fit(columns)
    fitted.save(tmp_path / "model.npz")
    loaded = ft.load(tmp_path / "model.npz")
    assert_equal(loaded, fitted)
    assert loaded.svdpp is True
    plain = model(svdpp=False).fit(columns)
    plain.save(tmp_path / "model.npz")
    assert not hasattr(ft.load(tmp_path / "model.npz"), "svdpp_factors_")


def test_a_refit_without_svdpp_terms_removes_them(columns: Any) -> None:
    fitted = model().fit(columns)
    assert fitted.svdpp_factors_.shape == fitted.item_factors_.shape
    assert not fitted.svdpp_factors_.flags.writeable
    fitted.set_params(svdpp=False).fit(columns)
    assert not hasattr(fitted, "svdpp_factors_")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"svdpp": 1}, "svdpp is 1"),
        ({"nonnegative": True}, "nonnegative=True; drop one"),
        ({"loss": "hinge"}, "loss='hinge'; choose"),
        ({"learning_rate_schedule": "adagrad"}, "choose another, such as 'linear'"),
        ({"l1_regularization": 0.1}, "l1_regularization=0.1 of user factors"),
    ],
)
def test_parameters_that_cannot_be_combined_raise(columns: Any, changes: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        model(**changes).fit(columns)


def test_partial_fit_raises_and_the_error_names_an_alternative(columns: Any) -> None:
    fitted = model().fit(columns)
    before = state(fitted)
    with pytest.raises(ValueError, match="warm_start=True"):
        fitted.partial_fit(columns)
    assert state(fitted) is before


# New users and items


def new_ratings() -> Any:
    generator = np.random.default_rng(2)
    items = [generator.choice(80, size, replace=False) for size in (1, 3, 3, 20, 80)]
    users = np.repeat(np.arange(1000, 1005), [len(some) for some in items])
    return users, np.concatenate(items), generator.normal(3, 1, len(users))


@pytest.mark.parametrize("fit_bias", [True, False])
def test_new_users_agree_with_the_reference(columns: Any, fit_bias: bool, dtype: str) -> None:
    fitted = model(dtype=dtype, fit_bias=fit_bias).fit(columns)
    users, items, ratings = new_ratings()
    factors = state(fitted).factors
    shuffled = np.random.default_rng(0).permutation(len(users))
    fitted.add_users((users[shuffled], items[shuffled], ratings[shuffled]))
    tolerance = 1e-5 if dtype == "float32" else 1e-10
    for user in np.unique(users):
        p, b = reference.fold_in(
            items[users == user],
            ratings[users == user],
            factors.item_factors.astype(np.float64),
            factors.item_bias,
            mean=factors.mean,
            scale=factors.scale,
            regularization=0.04,
            shrinkage=0.3,
            fit_bias=fit_bias,
            Y=factors.svdpp.astype(np.float64),
        )
        row = fitted.users_.tolist().index(user)
        np.testing.assert_allclose(fitted.user_factors_[row], p, tolerance, tolerance)
        assert fitted.user_bias_[row] == pytest.approx(b, tolerance, tolerance)


def test_strong_regularization_reduces_new_users_to_their_svdpp_terms(columns: Any) -> None:
    fitted = model().fit(columns)
    items = np.array([3, 5, 8])
    fitted.set_params(regularization=1e6).add_users(([1000] * 3, items, [1.0, 5.0, 2.0]))
    expected = fitted.svdpp_factors_[items].sum(axis=0) / np.sqrt(3)
    np.testing.assert_allclose(fitted.user_factors_[-1], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("loss", ["squared", "absolute"])
def test_new_user_factors_are_svdpp_terms_plus_a_solution_for_the_residuals(
    columns: Any, loss: str
) -> None:
    fitted = model(loss=loss, dtype="float64").fit(columns)
    plain = model(loss=loss, dtype="float64", svdpp=False)
    plain._fitted = replace(state(fitted), factors=replace(state(fitted).factors, svdpp=None))
    items = np.arange(0, 80, 7)
    ratings = np.random.default_rng(4).normal(3, 1, len(items))
    terms = fitted.svdpp_factors_[items].sum(axis=0) / np.sqrt(len(items))
    user = np.full(len(items), 1000)
    fitted.add_users((user, items, ratings))
    plain.add_users((user, items, ratings - fitted.item_factors_[items] @ terms))
    np.testing.assert_allclose(fitted.user_factors_[-1], terms + plain.user_factors_[-1])
    assert np.abs(terms).max() > 0.005


def test_new_items_have_svdpp_factors_of_0(columns: Any) -> None:
    fitted = model().fit(columns)
    before = fitted.svdpp_factors_
    fitted.add_items((np.arange(5), np.full(5, 500), np.arange(5.0)))
    np.testing.assert_array_equal(fitted.svdpp_factors_[:80], before)
    assert not fitted.svdpp_factors_[80].any()


def test_removing_users_does_not_change_the_svdpp_factors(columns: Any) -> None:
    fitted = model().fit(columns)
    before = fitted.svdpp_factors_
    fitted.remove_users([3, 4])
    np.testing.assert_array_equal(fitted.svdpp_factors_, before)
