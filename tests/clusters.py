"""Clusters of Dask for tests."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from optional import dask, distributed, present

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def start_cluster(n_workers: int, *, n_threads: int = 1, processes: bool = False) -> Iterator[Any]:
    """Start a cluster, whose workers have some threads each, and give its client."""
    present([dask, distributed])
    with (
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=n_threads,
            processes=processes,
            dashboard_address=":0",
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def close_worker(client: Any, number: int) -> None:
    """Close a worker in this process, whose data is lost."""
    worker = client.cluster.workers[sorted(client.cluster.workers)[number]]
    client.sync(worker.close, reason="a test")


def kill_worker(client: Any, number: int) -> None:
    """Kill a worker with signal 9."""
    pids = client.run(os.getpid)
    os.kill(pids[sorted(pids)[number]], signal.SIGKILL)
