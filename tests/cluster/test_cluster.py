"""Waiting for the workers of a cluster."""

from __future__ import annotations

import gc
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from clusters import start_cluster

pytest.importorskip("distributed", reason="needs Dask")

from factorate._cluster import cluster as module
from factorate._cluster.cluster import Cluster, WorkersLostError

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(scope="module")
def client() -> Generator[Any]:
    with start_cluster(2) as client:
        yield client


@pytest.fixture
def cluster(client: Any) -> Cluster:
    cluster = Cluster(client)
    cluster.connect()
    return cluster


@pytest.fixture
def no_garbage_collection() -> Generator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("method", ["wait", "gather"])
@pytest.mark.usefixtures("no_garbage_collection")
def test_a_long_wait_keeps_no_results(
    cluster: Cluster, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)

    def run() -> weakref.ref[Any]:
        future = cluster.submit(time.sleep, 0.1)
        getattr(cluster, method)([future])
        return weakref.ref(future)

    assert run()() is None


@pytest.mark.usefixtures("no_garbage_collection")
def test_what_was_lost_keeps_no_results(cluster: Cluster) -> None:
    kept: list[weakref.ref[Any]] = []

    def call() -> int:
        future = cluster.submit(int, 0)
        kept.append(weakref.ref(future))
        if len(kept) < 3:
            raise WorkersLostError("gone")
        return len(kept)

    assert cluster.retry(call) == 3
    assert [reference() for reference in kept] == [None] * 3


@pytest.mark.usefixtures("no_garbage_collection")
def test_an_error_that_says_that_data_are_lost_keeps_no_results(
    client: Any, cluster: Cluster
) -> None:
    kept: list[weakref.ref[Any]] = []

    def call() -> None:
        future = cluster.submit(time.sleep, 0.05)
        kept.append(weakref.ref(future))
        if len(kept) == 1:
            client.cancel([future])
        cluster.gather([future])

    cluster.retry(call)
    assert [reference() for reference in kept] == [None] * 2
