"""Libraries that factorate does without: a test that needs one which is missing is skipped."""

from __future__ import annotations

import importlib
import os
from typing import Any, NoReturn

import pytest


class Missing:
    """Stands in for all of a library that is not installed, so that tables of cases can be made."""

    def __init__(self, library: str) -> None:
        self.library = library

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> Any:
        return self.skip() if "PYTEST_CURRENT_TEST" in os.environ else self

    def skip(self) -> NoReturn:
        pytest.skip(f"{self.library} is not installed")


def present(case: Any) -> Any:
    """Return a case of a table, but skip the test if anything in it is missing."""
    if isinstance(case, Missing):
        case.skip()
    if isinstance(case, dict | list | tuple):
        for part in case.values() if isinstance(case, dict) else case:
            present(part)
    return case


def library(name: str, *parts: str) -> Any:
    """Return a library with some of its parts imported, or what stands in for it."""
    try:
        for part in parts:
            importlib.import_module(f"{name}.{part}")
        return importlib.import_module(name)
    except ImportError:
        return Missing(name)


matplotlib = library("matplotlib", "pyplot")
pandas = library("pandas")
polars = library("polars")
pyarrow = library("pyarrow", "parquet")
scipy = library("scipy", "optimize", "sparse")
sklearn = library("sklearn", "metrics")
