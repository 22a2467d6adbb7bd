"""Every example in a docstring runs, and every public name has a docstring."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import factorate as ft

COMPILED = "_"
MODULES = [
    f"factorate.{module.name}"
    for module in pkgutil.iter_modules(ft.__path__)
    if not module.name.startswith(COMPILED)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    assert sum(bool(test.examples) for test in finder.find(ft.MatrixFactorization)) > 2


@pytest.mark.parametrize("name", ft.__all__)
def test_public_names_are_documented(name: str) -> None:
    assert getattr(ft, name).__doc__
