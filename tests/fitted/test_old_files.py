"""Files that earlier versions wrote (see models/make.py) are read by this version."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import factorate as ft

FILES = sorted((Path(__file__).parents[1] / "models").glob("*.npz"))


def test_the_folder_contains_model_files() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_of_an_earlier_version_is_read(path: Path, mmap: bool) -> None:
    expected = json.loads(path.with_suffix(".json").read_text("utf-8"))
    model = ft.load(path, mmap=mmap)
    assert model.get_params() | expected["parameters"] == model.get_params()
    assert model.users_.tolist() == expected["users"]
    assert model.items_.tolist() == expected["items"]
    assert model.n_epochs_ == expected["n_epochs"]
    assert model.global_mean_ == expected["mean"]
    seen = vars(model)["_fitted"].seen
    assert seen.items[seen.starts[-2] :].tolist() == expected["seen of the last user"]
    pairs = tuple(expected["pairs"])
    np.testing.assert_allclose(model.predict(pairs), expected["predictions"], 1e-6)
    model.partial_fit((["later", "new"], [3, 4], [5.0, 1.0]))
    assert model.users_[-1] == "later"
