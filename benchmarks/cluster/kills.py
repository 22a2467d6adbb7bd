"""measure_kills: workers that are killed while a model is trained."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np

import factorate as ft
from benchmarks.cluster.workers import FACTORS, cluster_of, fingerprint
from factorate.dask import DaskImplicitMatrixFactorization, DaskMatrixFactorization

N_EPOCHS = 100_000  # ended by a callback


def measure_kills(ratings: ft.RatingStore, counts: ft.RatingStore, n_kills: int) -> None:
    """Kill workers with signal 9 at random moments, while models are trained."""
    options: dict[str, Any] = {"n_epochs": N_EPOCHS, "random_state": 0, "keep_seen": False}
    constant = options | {"learning_rate_schedule": "constant"}
    _kill(ratings, n_kills, (DaskMatrixFactorization, ft.MatrixFactorization), constant)
    implicit = DaskImplicitMatrixFactorization, ft.ImplicitMatrixFactorization
    _kill(counts, n_kills, implicit, options)


def _kill(
    store: ft.RatingStore, n_kills: int, classes: tuple[type, type], options: dict[str, Any]
) -> None:
    """Kill workers while a model is trained, and compare it with one of the local class."""
    on_cluster, local = classes
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
        model = on_cluster(FACTORS, client=client, **options)
        model.fit(store, callbacks=[is_enough])
        thread.join()
    n_epochs = len(finished)
    expected = local(FACTORS, **options)
    expected.fit(store, callbacks=[lambda epoch: epoch.number == n_epochs])
    usual = typical(finished)
    name = on_cluster.__name__
    print(f"{name}: {len(killed)} kills in {len(finished)} epochs of {usual:.2f} s (median)")
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
