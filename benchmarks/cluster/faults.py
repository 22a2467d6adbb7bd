"""show_faults: the errors if disks, stores, workers or the scheduler fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import factorate as ft
from benchmarks.cluster.workers import cluster_of, fingerprint, make_store
from factorate.dask import DaskMatrixFactorization


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
