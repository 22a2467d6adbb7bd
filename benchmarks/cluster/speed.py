"""measure_speed: the time of an epoch on workers, compared with that in one process."""

from __future__ import annotations

import statistics
import time
from typing import Any, NamedTuple

import numpy as np

import factorate as ft
from benchmarks.cluster.workers import FACTORS, cluster_of, fingerprint
from factorate.dask import DaskMatrixFactorization

EPOCHS = 6
CHAINS = 5


class Timed(NamedTuple):
    """Seconds of an epoch, those before the first, and the hash of the factors."""

    epoch: float
    before: float
    fingerprint: str


def timed(model: ft.MatrixFactorization, source: Any) -> Timed:
    """Fit, and return the median time of an epoch."""
    model.fit(source)
    ends = model.history_["seconds"]
    epoch = float(np.median(np.diff(ends)))
    return Timed(epoch, float(ends[0]) - epoch, fingerprint(model))


def sent_bytes(client: Any) -> int:
    """Return the number of bytes that workers have sent to each other."""
    return sum(client.run(_sent).values())


def _sent(dask_worker: Any) -> int:
    return int(dask_worker.transfer_outgoing_bytes_total)


def measure_speed(store: ft.RatingStore, n_runs: int) -> None:
    """Compare an epoch in this process with two threads, and on one and two workers."""
    options: dict[str, Any] = {"n_epochs": EPOCHS, "random_state": 0, "keep_seen": False}
    columns = [np.concatenate(column) for column in zip(*store.batches(), strict=True)]
    found: dict[str, list[Timed]] = {}
    for _ in range(n_runs):
        local = ft.MatrixFactorization(FACTORS, n_threads=2, **options)
        found.setdefault("this process, two threads", []).append(timed(local, tuple(columns)))
        for n_workers, n_threads in ((1, 1), (2, 1), (1, 2)):
            with cluster_of(n_workers, n_threads) as client:
                model = DaskMatrixFactorization(FACTORS, client=client, **options)
                name = f"{n_workers} × {n_threads}"
                found.setdefault(name, []).append(timed(model, store))
    base = [run.epoch for run in found["this process, two threads"]]
    print(f"{len(store):,} ratings, {store.n_users:,} × {store.n_items:,}, K = {FACTORS}")
    print("| workers × threads | s/epoch | ratio | s before the first | factors |")
    print("|---|---|---|---|---|")
    for name, runs in found.items():
        epochs = [run.epoch for run in runs]
        ratios = [epoch / own for epoch, own in zip(epochs, base, strict=True)]
        print(
            f"| {name} | {statistics.median(epochs):.3f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {statistics.median(run.before for run in runs):.1f} "
            f"| {', '.join(sorted({run.fingerprint for run in runs}))} |"
        )
    with cluster_of(2) as client:
        marks: list[int] = []
        model = DaskMatrixFactorization(FACTORS, client=client, **options)
        model.fit(store, callbacks=[lambda _: marks.append(sent_bytes(client))])
        sent = statistics.median(np.diff(marks).tolist())
        print(f"two workers send each other {sent / 1e6:.0f} MB in an epoch")
        print(f"a task that waits for another one: {1e3 * task_seconds(client):.1f} ms")


def task_seconds(client: Any, n: int = 200) -> float:
    """Return the time of a task in a chain that goes from worker to worker."""
    addresses = sorted(client.nthreads())

    def chain() -> float:
        begin = time.perf_counter()
        future = client.submit(int, 0, pure=False)
        for number in range(n):
            worker = addresses[number % len(addresses)]
            future = client.submit(_next, future, workers=[worker], pure=False)
        future.result()
        return (time.perf_counter() - begin) / n

    return statistics.median(chain() for _ in range(CHAINS))


def _next(number: int) -> int:
    return number + 1
