"""Displays that compare ratings with predictions read ratings as `evaluate` does."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd

import factorate as ft

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

DISPLAYS = [ft.ResidualsDisplay, ft.CalibrationDisplay]


@pytest.mark.usefixtures("canvas")
@pytest.mark.parametrize("display", DISPLAYS)
def test_unknown_ids_warn_at_the_line_of_the_caller_or_raise(display: Any, columns: Any) -> None:
    model = ft.MatrixFactorization(2, 2, random_state=0).fit(columns)
    data = np.append(columns[0], 999), np.append(columns[1], 0), np.append(columns[2], 1.0)
    with pytest.warns(ft.UnknownIdWarning, match="1 unknown user") as caught:
        display.from_estimator(model, data)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display.from_estimator(model, data, unknown="ignore")
    with pytest.raises(ft.UnknownIdError, match="1 unknown user"):
        display.from_estimator(model, data, unknown="raise")


@pytest.mark.usefixtures("canvas")
@pytest.mark.parametrize("display", DISPLAYS)
def test_wide_tables_are_compared_too(display: Any) -> None:
    frame = pd.DataFrame({"tea": [5.0, 3.0], "jam": [np.nan, 2.0]}, index=["ann", "bob"])
    model = ft.MatrixFactorization(2, 2, random_state=0).fit(frame, wide=True)
    assert len(display.from_estimator(model, frame, wide=True).y_true) == 3
