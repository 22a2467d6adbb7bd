"""Train on a cluster of Dask: speed, kills and other faults, and a model of large clusters.

The workers are processes of this machine, with one thread each.

Run: python -m benchmarks.cluster speed [--ratings 100000000]
     python -m benchmarks.cluster kills [--kills 10]
     python -m benchmarks.cluster faults
     python -m benchmarks.cluster model
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import factorate as ft
from factorate._cluster.steps import epoch_steps, group_bands
from factorate._training.block_order import band_order
from factorate.dask import DaskMatrixFactorization

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH = 1 << 20
FACTORS = 32
EPOCHS = 6
RUNS = 5


@contextmanager
def cluster_of(n_workers: int, n_threads: int = 1) -> Iterator[Any]:
    """Start workers as processes, and give a client."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=n_threads,
            dashboard_address=":0",
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def make_store(path: Path, n_ratings: int) -> ft.RatingStore:
    """Write synthetic ratings to a store, unless it exists."""
    if path.exists():
        return ft.RatingStore(path)
    n_users, n_items = max(1000, n_ratings // 100), max(500, n_ratings // 1000)
    users, items, ratings = ft.datasets.synthetic(n_ratings, n_users, n_items)
    batches = (slice(first, first + BATCH) for first in range(0, n_ratings, BATCH))
    source = ((users[b], items[b], np.round(2 * ratings[b]) / 2) for b in batches)
    return ft.RatingStore.create(path, source)


def fingerprint(model: ft.MatrixFactorization) -> str:
    """Return a hash of the factors and biases."""
    arrays = model.user_factors_, model.item_factors_, model.user_bias_, model.item_bias_
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


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


def measure_speed(store: ft.RatingStore) -> None:
    """Compare an epoch in this process with two threads, and on one and two workers."""
    options: dict[str, Any] = {"n_epochs": EPOCHS, "random_state": 0, "keep_seen": False}
    columns = [np.concatenate(column) for column in zip(*store.batches(), strict=True)]
    found: dict[str, list[Timed]] = {}
    for _ in range(RUNS):
        local = ft.MatrixFactorization(FACTORS, n_threads=2, **options)
        found.setdefault("this process, two threads", []).append(timed(local, tuple(columns)))
        for n_workers, n_threads in ((1, 1), (2, 1), (1, 2)):
            with cluster_of(n_workers, n_threads) as client:
                model = DaskMatrixFactorization(FACTORS, client=client, **options)
                name = f"{n_workers} × {n_threads} threads"
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

    return statistics.median(chain() for _ in range(RUNS))


def _next(number: int) -> int:
    return number + 1


def measure_kills(store: ft.RatingStore, n_kills: int) -> None:
    """Kill workers with signal 9 at random moments, while a model is trained."""
    options: dict[str, Any] = {
        "n_epochs": 100_000,  # ended by a callback
        "learning_rate_schedule": "constant",
        "random_state": 0,
        "keep_seen": False,
    }
    generator = random.Random(0)  # noqa: S311
    finished: list[float] = []
    killed: list[float] = []

    def is_enough(_: Any) -> bool:
        finished.append(time.perf_counter())
        return len(killed) == n_kills and finished[-1] > killed[-1] + 1

    with cluster_of(2) as client:

        def kill() -> None:
            victim = 0
            while len(killed) < n_kills:
                pids: dict[str, int] = {}
                while len(pids) < 2 or victim in pids.values():
                    time.sleep(0.2)
                    with suppress(Exception):  # a worker that has just been killed
                        pids = client.run(os.getpid)
                n_before = len(finished)
                while len(finished) < n_before + 2:
                    time.sleep(0.01)  # until the new worker has a copy
                time.sleep(generator.random() * typical(finished))
                victim = generator.choice(sorted(pids.values()))
                os.kill(victim, signal.SIGKILL)
                killed.append(time.perf_counter())

        thread = threading.Thread(target=kill, daemon=True)
        thread.start()
        model = DaskMatrixFactorization(FACTORS, client=client, **options)
        model.fit(store, callbacks=[is_enough])
        thread.join()
    n_epochs = len(finished)
    expected = ft.MatrixFactorization(FACTORS, **options)
    expected.fit(store, callbacks=[lambda epoch: epoch.number == n_epochs])
    usual = typical(finished)
    print(f"{len(killed)} kills in {len(finished)} epochs of {usual:.2f} s (median)")
    costs = []
    for moment in killed:
        before = max((end for end in finished if end <= moment), default=moment)
        after = min((end for end in finished if end > moment), default=moment)
        costs.append(after - before - usual)
    print("seconds lost by each: " + ", ".join(f"{cost:.1f}" for cost in costs))
    print(f"factors {fingerprint(model)}, expected {fingerprint(expected)}")


def typical(ends: list[float]) -> float:
    """Return the median time between moments."""
    return float(np.median(np.diff(ends))) if len(ends) > 1 else 0.0


def show_faults(folder: Path) -> None:
    """Cause faults, and show the errors."""
    store = make_store(folder / "faults.store", 200_000)
    options: dict[str, Any] = {"n_epochs": 5, "random_state": 0}

    def attempt(what: str, model: DaskMatrixFactorization, **given: Any) -> None:
        old = model.user_factors_
        try:
            model.fit(store, **given)
        except Exception as error:
            print(f"{what}: {type(error).__name__}: {error}")
        else:
            print(f"{what}: no error")
        print(f"  the old model is {'kept' if model.user_factors_ is old else 'LOST'}")

    with cluster_of(2) as client:
        model = DaskMatrixFactorization(8, client=client, **options).fit(store)
        attempt("a checkpoint on a full disk", model, checkpoint="/dev/full")
        file = min(Path(store.path).glob("ratings-*"))
        content = file.read_bytes()
        file.write_bytes(content[:-8] + bytes(8))
        attempt("a damaged file of the store", model)
        file.unlink()
        attempt("a missing file of the store", model)
        file.write_bytes(content)

        def kill_all(epoch: Any) -> None:
            if epoch.number == 2:
                for pid in client.run(os.getpid).values():
                    os.kill(pid, signal.SIGKILL)

        checkpoint = folder / "checkpoint.npz"
        attempt("all workers killed", model, callbacks=[kill_all], checkpoint=checkpoint)
        client.wait_for_workers(2)
        numbers: list[int] = []
        model.fit(store, checkpoint=checkpoint, callbacks=[lambda e: numbers.append(e.number)])
        expected = ft.MatrixFactorization(8, **options).fit(store)
        equal = fingerprint(model) == fingerprint(expected)
        print(f"  continued with epoch {numbers[0]}; factors equal: {equal}")
    restart_scheduler(store, options)


def restart_scheduler(store: ft.RatingStore, options: dict[str, Any]) -> None:
    """Stop the scheduler while a model is trained."""
    from distributed import Client

    address = "tcp://127.0.0.1:18786"
    command = [str(Path(sys.executable).with_name("dask")), "scheduler", "--port", "18786"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([*command, "--no-dashboard"], **quiet)
    worker = [command[0], "worker", address, "--nthreads", "1", "--no-dashboard"]
    workers = [subprocess.Popen(worker, **quiet) for _ in range(2)]
    try:
        with Client(address, timeout="60s") as client:
            client.wait_for_workers(2)
            model = DaskMatrixFactorization(8, client=client, **options).fit(store)
            old = model.user_factors_

            def stop(epoch: Any) -> None:
                if epoch.number == 2:
                    scheduler.kill()

            try:
                model.fit(store, callbacks=[stop])
            except Exception as error:
                print(f"the scheduler killed: {type(error).__name__}: {error}")
            print(f"  the old model is {'kept' if model.user_factors_ is old else 'LOST'}")
    finally:
        for process in (scheduler, *workers):
            process.kill()
            process.wait()


def show_model(
    *,
    speed: float = 100e6,
    bandwidth: float = 1.25e9,
    latency: float = 5e-3,
    n_bands: int = 128,
) -> None:
    """Print the seconds of an epoch on large clusters, by a model of its steps.

    Parameters
    ----------
    speed : float, default=100e6
        Ratings per second and thread.
    bandwidth : float, default=1.25e9
        Bytes per second that a worker sends.
    latency : float, default=5e-3
        Seconds from the end of a task to the start of one that waits for it.
    n_bands : int, default=128
        Number of row bands, and of column bands.
    """
    print(
        f"{speed / 1e6:.0f} million ratings/s and thread, {bandwidth / 1e9:.2f} GB/s, "
        f"{1e3 * latency:.0f} ms a task, K = {FACTORS}, 8 threads a worker"
    )
    parts = "computing", "waiting", "sending Q", "copies"
    print(f"| ratings | workers | steps | {' | '.join(parts)} | s/epoch | efficiency |")
    print("|---|---|---|---|---|---|---|---|---|")
    for n_ratings, n_users, n_items in ((10**9, 10**7, 10**6), (10**10, 5 * 10**7, 3 * 10**6)):
        user_bytes, item_bytes = (n * (4 * FACTORS + 28) for n in (n_users, n_items))
        for n_workers in (4, 16, 64):
            groups = [1] * n_workers, [1] * min(n_bands, 2 * n_workers)
            bands = [group_bands(n_bands, sizes) for sizes in groups]
            steps = epoch_steps(band_order((n_bands, n_bands), 0, 1), *bands)
            n_steps = len(steps) / n_workers
            computing = n_ratings / n_workers / (8 * speed)
            waiting = n_steps * 2 * latency
            sending = n_steps * item_bytes / len(groups[1]) / bandwidth
            copies = (user_bytes + item_bytes) / n_workers / bandwidth
            total = computing + waiting + sending + copies
            print(
                f"| {n_ratings:.0e} | {n_workers} | {n_steps:.0f} | {computing:.2f} "
                f"| {waiting:.2f} | {sending:.2f} | {copies:.2f} | {total:.2f} "
                f"| {100 * computing / total:.0f} % |"
            )


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("command", choices=("speed", "kills", "faults", "model"))
    parser.add_argument("--ratings", type=int, default=100_000_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where to keep the synthetic ratings")
    args = parser.parse_args()
    if args.command == "model":
        return show_model()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        if args.command == "faults":
            return show_faults(folder)
        store = make_store(folder / f"{args.ratings}.store", args.ratings)
        if args.command == "speed":
            measure_speed(store)
        else:
            measure_kills(store, args.kills)
    return None


if __name__ == "__main__":
    main()
