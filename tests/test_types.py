"""The public names have the types that mypy and pyright show their users.

Both type checkers read this file; running it proves that the values agree with the types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import numpy as np
from numpy.typing import NDArray

import factorate as ft

if TYPE_CHECKING:
    from pathlib import Path

Floats = NDArray[np.floating[Any]]
Doubles = NDArray[np.float64]


def test_the_textbooks_loop() -> None:
    R, P, Q = assert_type(ft.datasets.textbook(), tuple[Doubles, Doubles, Doubles])
    found = assert_type(ft.matrix_factorization(R, P, Q, 3, 1), tuple[Doubles, Doubles])
    assert [rows.dtype for rows in found] == [np.float64, np.float64]


def test_a_model(tmp_path: Path) -> None:
    ratings = ["a", "b"], ["x", "y"], [1.0, 2.0]
    model = assert_type(
        ft.MatrixFactorization(2, 1, random_state=0).fit(ratings), ft.MatrixFactorization
    )
    assert_type(model.partial_fit(ratings), ft.MatrixFactorization)
    assert assert_type(model.predict((["a"], ["x"])), Floats).dtype == np.float32
    assert isinstance(assert_type(model.score(ratings), float), float)
    assert isinstance(assert_type(model.evaluate(ratings), dict[str, float])["rmse"], float)
    assert assert_type(model.user_factors_, Floats).shape == (2, 2)
    assert assert_type(model.item_bias_, Floats).shape == (2,)
    assert isinstance(assert_type(model.global_mean_, float), float)
    assert isinstance(assert_type(model.n_epochs_, int), int)
    assert assert_type(model.users_, NDArray[Any]).tolist() == ["a", "b"]
    assert (
        len(assert_type(model.recommend_for((["x"], [1.0]), 1), tuple[NDArray[Any], Floats])) == 2
    )
    model.save(tmp_path / "model.npz")
    again = assert_type(ft.load(tmp_path / "model.npz"), ft.MatrixFactorization)
    assert again.users_.tolist() == model.users_.tolist()


def test_metrics() -> None:
    assert isinstance(assert_type(ft.metrics.rmse([1.0], [2.0]), float), float)
