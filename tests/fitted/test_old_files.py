"""Files that earlier versions wrote (see models/make.py) are read by this version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorate as ft

MODELS = Path(__file__).parents[1] / "models"
RATINGS, IMPLICIT = (sorted(MODELS.glob(f"{kind}-*.npz")) for kind in ("ratings", "implicit"))

mapped_or_not = pytest.mark.parametrize("mmap", [False, True])


def load(path: Path, mmap: bool) -> tuple[Any, dict[str, Any]]:
    """Return a model, and the values to expect from it that both kinds of models have."""
    expected = json.loads(path.with_suffix(".json").read_text("utf-8"))
    model = ft.load(path, mmap=mmap)
    assert model.get_params() | expected["parameters"] == model.get_params()
    assert model.users_.tolist() == expected["users"]
    assert model.items_.tolist() == expected["items"]
    assert model.n_epochs_ == expected["n_epochs"]
    seen = vars(model)["_fitted"].seen
    assert seen.items[seen.starts[-2] :].tolist() == expected["seen of the last user"]
    np.testing.assert_allclose(
        model.predict(tuple(expected["pairs"])), expected["predictions"], 1e-6
    )
    return model, expected


def test_the_folder_contains_model_files() -> None:
    assert RATINGS
    assert IMPLICIT


@pytest.mark.parametrize("path", RATINGS, ids=lambda path: path.stem)
@mapped_or_not
def test_a_file_of_an_earlier_version_is_read(path: Path, mmap: bool) -> None:
    model, expected = load(path, mmap)
    assert isinstance(model, ft.MatrixFactorization)
    assert model.global_mean_ == expected["mean"]
    model.partial_fit((["later", "new"], [3, 4], [5.0, 1.0]))
    assert model.users_[-1] == "later"


@pytest.mark.parametrize("path", IMPLICIT, ids=lambda path: path.stem)
@mapped_or_not
def test_a_file_of_implicit_feedback_of_an_earlier_version_is_read(path: Path, mmap: bool) -> None:
    model, expected = load(path, mmap)
    assert isinstance(model, ft.ImplicitMatrixFactorization)
    assert model.unobserved_weight_ == expected["unobserved_weight"]
    for name, column in expected["history"].items():
        np.testing.assert_array_equal(model.history_[name], column)
    seen = vars(model)["_fitted"].seen
    assert seen.counts[-2:].tolist() == expected["counts of the last user"]
    found = model.recommend_for({3: 4, 5: 1}, n=3, as_lists=True)
    for (item, score), (known_item, known) in zip(
        found, expected["recommended for 3 and 5"], strict=True
    ):
        assert item == known_item
        assert score == pytest.approx(known, rel=1e-3)
    model.partial_fit((["later", "new"], [3, 4], [5.0, 1.0]))
    assert model.users_[-1] == "later"
