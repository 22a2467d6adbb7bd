"""A fitted model for the tests of serving."""

from __future__ import annotations

from typing import Any

import pytest

import factorate as ft


@pytest.fixture(scope="session")
def model(columns: Any) -> ft.MatrixFactorization:
    """Return a model of `columns`; tests must not change it."""
    return ft.MatrixFactorization(8, 5, random_state=0).fit(columns)
