"""Groups divide users and items by their factors."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from optional import present, sklearn

import factorate as ft


@pytest.fixture(scope="module")
def model(columns: Any) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(8, 5, random_state=0).fit(columns)


def test_groups_separate_opposite_tastes() -> None:
    generator = np.random.default_rng(0)
    users, items = np.divmod(np.arange(40 * 30), 30)
    liked = (users < 20) == (items < 15)
    ratings = np.where(liked, 5.0, 1.0) + 0.1 * generator.standard_normal(len(users))
    model = ft.MatrixFactorization(4, 60, random_state=0).fit((users, items, ratings))
    for labels, half in ((model.group_users(2), 20), (model.group_items(2), 15)):
        assert labels.dtype == np.int32
        assert len(set(labels[:half].tolist())) == len(set(labels[half:].tolist())) == 1
        assert labels[0] != labels[-1]


def test_groups_are_those_of_kmeans_with_the_seed_of_the_model(
    model: ft.MatrixFactorization,
) -> None:
    present(sklearn)
    from sklearn.cluster import KMeans

    for found, factors in (
        (model.group_users(5), model.user_factors_),
        (model.group_items(5), model.item_factors_),
    ):
        expected = KMeans(5, n_init=1, random_state=0).fit(factors).labels_
        np.testing.assert_array_equal(found, expected)


def test_an_invalid_number_of_groups_raises(model: ft.MatrixFactorization) -> None:
    with pytest.raises(ValueError, match="n_groups is 61; expected an integer from 1 to 60"):
        model.group_users(61)


def test_grouping_without_scikit_learn_raises(
    model: ft.MatrixFactorization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match=r"pip install 'factorate\[sklearn\]'"):
        model.group_items(2)
