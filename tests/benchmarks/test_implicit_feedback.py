"""The comparison of models of implicit feedback: nothing held out is trained on or chosen with."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def load(name: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2])
        return importlib.import_module(f"benchmarks.implicit_feedback.{name}")


@pytest.fixture(scope="module")
def data() -> Any:
    """Import the data sets of the benchmark, which is not part of the package."""
    return load("data")


@pytest.fixture(scope="module")
def pairs(data: Any) -> Any:
    """Distinct pairs of 60 users and 150 items, sorted by user."""
    codes = np.random.default_rng(0).choice(60 * 150, 900, replace=False)
    codes.sort()
    users, items = np.divmod(codes.astype(np.int32), 150)
    return data.Interactions(users, items, (60, 150))


def codes_of(pairs: Any) -> set[int]:
    return set((pairs.users * np.int64(pairs.shape[1]) + pairs.items).tolist())


def test_the_last_interaction_is_found_among_items_that_the_user_does_not_have(
    data: Any, pairs: Any
) -> None:
    test = data.hold_out_last(pairs, seed=0)
    for user, candidates in zip(test.users, test.candidates, strict=True):
        mine = pairs.items[pairs.users == user]
        assert candidates[0] == mine[-1]
        assert len(set(candidates.tolist())) == 101
        assert not np.isin(candidates[1:], mine).any()
        np.testing.assert_array_equal(test.training.items[test.training.users == user], mine[:-1])


def test_tenths_of_users_are_disjoint_and_have_enough_interactions(data: Any, pairs: Any) -> None:
    tenths = data.tenths_of_users(pairs)
    users = np.concatenate(tenths)
    counts = np.bincount(pairs.users)
    assert len(tenths) == 10
    assert sorted(users.tolist()) == np.flatnonzero(counts >= 5).tolist()


def test_users_who_are_held_out_have_no_interactions_in_training(data: Any, pairs: Any) -> None:
    users = data.tenths_of_users(pairs)[0]
    split = data.hold_out_users(pairs, users, seed=0)
    assert not np.isin(split.training.users, users).any()
    assert split.given.shape == split.held_out.shape == (len(users), 150)
    assert not codes_of(split.given) & codes_of(split.held_out)
    for number, user in enumerate(users):
        mine = pairs.items[pairs.users == user]
        known = mine[np.isin(mine, split.training.items)]
        given = split.given.items[split.given.users == number]
        held_out = split.held_out.items[split.held_out.users == number]
        assert sorted([*given, *held_out]) == sorted(known)
        assert len(given) == int(0.8 * len(known))


@pytest.mark.parametrize("point", [(0.0, 0.0, 0.0), (0.3, 0.6, 0.5), (1.0, 1.0, 1.0)])
def test_a_point_of_the_search_has_the_same_objective_for_both_libraries(
    point: tuple[float, ...],
) -> None:
    search = load("search")
    ours, theirs = (search.SPACES[model][1](point, 0.05) for model in ("factorate", "implicit ALS"))
    weight = ours["unobserved_weight"]
    assert theirs["alpha"] * weight == pytest.approx(1 + weight)  # of an observed pair
    assert theirs["regularization"] * weight == pytest.approx(30 * ours["regularization"])
    assert theirs["iterations"] == ours["n_epochs"]
