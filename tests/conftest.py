"""Fixtures and hooks of all tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest
from optional import present, pyarrow, sklearn

from factorate._kernels import dispatch

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    Columns = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]

hypothesis.settings.register_profile("fast", max_examples=40, deadline=None, derandomize=True)
hypothesis.settings.register_profile("brief", max_examples=5, deadline=None, derandomize=True)
hypothesis.settings.register_profile("deep", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Skip a test if factorate raises ImportError for an extra that is not installed."""
    try:
        return (yield)
    except ImportError as error:
        for extra, library in {"files": pyarrow, "sklearn": sklearn}.items():
            if f"pip install 'factorate[{extra}]'" in str(error):
                present(library)
        raise


@pytest.fixture(params=dispatch.available(), scope="module")
def isa(request: pytest.FixtureRequest) -> Generator[str, None, None]:
    """Run the test with the kernels of each instruction set that this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        for name in dispatch.KERNELS:
            patch.setattr(dispatch, name, dispatch.kernel(name, request.param))
        yield str(request.param)


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def columns() -> Columns:
    """3000 ratings of distinct pairs of 60 users and 80 items, each of which has a rating."""
    generator = np.random.default_rng(7)
    pairs = generator.permutation(60 * 80)[:3000]
    users, items = np.divmod(pairs, 80)
    ratings = generator.integers(1, 11, 3000) / 2
    assert len(np.unique(users)) == 60
    assert len(np.unique(items)) == 80
    return users.astype(np.int32), items.astype(np.int32), ratings.astype(np.float32)


@pytest.fixture
def canvas() -> Generator[None, None, None]:
    """Draw with matplotlib without a display, and close all figures afterwards."""
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    before = pyplot.get_backend()
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")
    pyplot.switch_backend(before)
