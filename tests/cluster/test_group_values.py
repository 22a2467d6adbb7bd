"""Functions of ratings on workers have the results of functions of ratings in this process."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._cluster import group_values
from factorate._cluster.group_values import GroupValues
from factorate._training.losses import median, moments
from factorate._utils.columns import RemoteColumn, map_chunks
from factorate._utils.fixed_order import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

N = 3 * CHUNK + 77


class OneProcess:
    """A cluster that calls the functions in this process."""

    def submit(self, function: Callable[..., Any], *args: Any, group: int) -> Any:  # noqa: ARG002
        return function(*args)

    def gather(self, results: list[Any]) -> list[Any]:
        return results

    def retry(self, call: Callable[[], Any], restore: Callable[[], None]) -> Any:  # noqa: ARG002
        return call()


@pytest.fixture(scope="module", params=[1, 2], autouse=True)
def n_threads(request: pytest.FixtureRequest) -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_values, "count_worker_threads", lambda: request.param)
        yield


def divide(values: Any, edges: list[int]) -> GroupValues:
    """Return values that are divided between groups."""
    starts = np.array([0, *edges, len(values)])
    parts = np.split(values, edges)
    groups: Any = SimpleNamespace(
        cluster=OneProcess(),
        futures=[SimpleNamespace(packed=SimpleNamespace(values=part)) for part in parts],
        starts=starts,
        dtype=values.dtype,
        restore=lambda: None,
    )
    return GroupValues(groups)


near_chunks = st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK, N - 1])
edges = st.lists(near_chunks | st.integers(1, N), max_size=6).map(sorted)  # groups may be empty


@given(edges=edges)
def test_chunks_are_those_of_one_process(edges: list[int]) -> None:
    values = np.random.default_rng(0).normal(size=N).astype(np.float32)
    divided = divide(values, edges)
    assert isinstance(divided, RemoteColumn)
    assert len(divided) == N
    expected = list(map_chunks(lambda chunk, _: chunk.tolist(), values))
    assert list(map_chunks(lambda chunk, _: chunk.tolist(), divided)) == expected


@given(edges=edges, begin=st.integers(0, N), end=st.integers(0, N))
def test_slices_are_those_of_one_process(edges: list[int], begin: int, end: int) -> None:
    values = np.arange(N, dtype=np.float64)
    found = divide(values, edges)[begin:end]
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values[begin:end])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("edges", [[], [5000], [CHUNK, 9000, 9001]])
def test_moments_and_median_are_those_of_one_process(dtype: str, edges: list[int]) -> None:
    values = np.random.default_rng(1).gamma(2.0, size=N).astype(dtype)
    divided = divide(values, edges)
    assert moments(divided) == moments(values)
    assert median(divided) == median(values) == np.median(values.astype(np.float64))
