"""Optional libraries; tests that need a missing one are skipped."""

from __future__ import annotations

import importlib
import os
from typing import Any, NoReturn

import pytest


class Missing:
    """Stand-in for a missing library, which test parameters can be made with."""

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
    """Return the parameters of a test, or skip it if they need a missing library."""
    if isinstance(case, Missing):
        case.skip()
    if isinstance(case, dict | list | tuple):
        for value in case.values() if isinstance(case, dict) else case:
            present(value)
    return case


def library(name: str, *modules: str) -> Any:
    """Import a library and some of its modules; return a stand-in if it is not installed."""
    try:
        for module in modules:
            importlib.import_module(f"{name}.{module}")
        return importlib.import_module(name)
    except ImportError:
        return Missing(name)


dask = library("dask", "array", "dataframe")
distributed = library("distributed")
fsspec = library("fsspec")
matplotlib = library("matplotlib", "pyplot")
pandas = library("pandas")
polars = library("polars")
pyarrow = library("pyarrow", "parquet")
scipy = library("scipy", "optimize", "sparse")
sklearn = library("sklearn", "metrics")
