"""Results that two workers have."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from clusters import start_cluster

pytest.importorskip("distributed", reason="needs Dask")

from factorate._cluster.cluster import Cluster, WorkersLostError
from factorate._cluster.group_state import Stale
from factorate._cluster.held import Held, hold, restore, same
from factorate.exceptions import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client() -> Iterator[Any]:
    with start_cluster(3) as client:
        yield client


@pytest.fixture
def cluster(client: Any) -> Cluster:
    cluster = Cluster(client)
    cluster.connect()
    cluster.place(3)
    return cluster


def value(cluster: Cluster, held: Held) -> Any:
    return cluster.gather([held.future])[0]


def holders(cluster: Cluster, held: Held) -> list[list[str]]:
    assert held.copy is not None
    cluster.wait([held.future, held.copy])
    return cluster.holders([held.future, held.copy])


def lose(client: Any, cluster: Cluster, address: str) -> None:
    """Close a worker, and choose another one for its group."""
    workers = {worker.address: worker for worker in client.cluster.workers.values()}
    client.sync(workers[address].close, reason="a test")
    with pytest.raises(WorkersLostError):
        cluster.check()
    cluster.replace_lost()


def test_each_of_two_workers_has_a_result_of_its_own(cluster: Cluster) -> None:
    # Dask may remove a replica, so that one worker has the only replica of both.
    held = hold(cluster, cluster.submit(dict, {"factors": 7}, group=1), 1)
    (own,), (other,) = holders(cluster, held)
    assert own == cluster.address_of(1) != other
    assert value(cluster, held) == {"factors": 7}


def test_what_is_there_is_not_replaced(cluster: Cluster) -> None:
    held = [hold(cluster, cluster.submit(dict, {}, group=group), group) for group in range(3)]
    for entry in held:
        holders(cluster, entry)
    assert restore(cluster, held) == held


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_result_and_a_lost_copy_are_replaced(
    client: Any, cluster: Cluster, lost: int
) -> None:
    held = hold(cluster, cluster.submit(dict, {"factors": 7}, group=1), 1)
    (address,) = holders(cluster, held)[lost]
    lose(client, cluster, address)
    (found,) = restore(cluster, [held])
    (own,), (other,) = holders(cluster, found)
    assert own == cluster.address_of(1) != other
    assert value(cluster, found) == {"factors": 7}


def test_a_result_without_any_holder_raises(client: Any, cluster: Cluster) -> None:
    sent = cluster.scatter({"factors": 7}, group=0)
    held = Held(0, sent)
    lose(client, cluster, cluster.address_of(0))
    with pytest.raises(ClusterError, match="fit again, from the last checkpoint"):
        restore(cluster, [held])


@pytest.mark.parametrize("lost", [0, 1])
def test_a_step_that_runs_again_does_not_lose_the_result_that_is_left(
    client: Any, cluster: Cluster, lost: int
) -> None:
    # Dask runs tasks again for what is lost. If one raised an error, all results that depend on it
    # would be dropped.
    n_runs = []

    def step() -> Any:
        n_runs.append(1)
        return {"factors": 7} if len(n_runs) == 1 else Stale()

    held = hold(cluster, cluster.submit(step, group=2), 1)
    (address,) = holders(cluster, held)[lost]
    lose(client, cluster, address)
    time.sleep(0.05)  # for Dask to run the task again
    (found,) = restore(cluster, [held])
    assert value(cluster, found) == {"factors": 7}


def test_a_stale_result_is_an_error(cluster: Cluster) -> None:
    held = hold(cluster, cluster.submit(Stale, group=0), 0)
    with pytest.raises(WorkersLostError, match="a step ran again on what it had changed"):
        cluster.wait([held.future])


def test_same_returns_its_argument() -> None:
    value = object()
    assert same(value) is value
