"""Measure one task in a process of its own: a request is JSON on stdin, the answer on stdout."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft
from benchmarks.disk import page_cache
from benchmarks.disk.ratings import COLUMNS, read_columns
from benchmarks.worker import resident_mb

if TYPE_CHECKING:
    from collections.abc import Callable

SLACK = 1 << 25  # bytes, for the stacks of threads and for Python


def read_parquet(files: str) -> dict[str, Any]:
    """Read Parquet files with pyarrow alone, batch by batch."""
    import pyarrow.dataset

    page_cache.drop_files(Path(files))
    start = _Start()
    batches = pyarrow.dataset.dataset(files).to_batches(columns=list(COLUMNS))
    n_ratings = sum(batch.num_rows for batch in batches)
    return start.since() | {"n_ratings": n_ratings}


def create_store(files: str, path: str, n_threads: int) -> dict[str, Any]:
    """Write a store from Parquet files."""
    page_cache.drop_files(Path(files))
    start = _Start()
    store = ft.RatingStore.create(path, files, n_threads=n_threads)
    return start.since() | {"n_bytes": store.n_bytes}


def fit(
    source: str,
    kind: str,
    settings: dict[str, Any],
    memory: int | None = None,
    from_disk: bool = False,
) -> dict[str, Any]:
    """Fit to a store, to Parquet files that are read into memory, or to mapped arrays.

    Parameters
    ----------
    source : str
        Path of the store or of the folder of the files or arrays.
    kind : {"store", "parquet", "arrays"}
        What it is.
    settings : dict
        Numbers of factors, threads and epochs.
    memory : int or None, default=None
        Maximum memory of this process, in bytes: its heap, its stacks and its arrays (RLIMIT_DATA).
    from_disk : bool, default=False
        Whether the temporary file of a fit to a store is removed from the page cache after each
        epoch, so that each but the first reads it from the disk, and is read alone.
    """
    model = ft.MatrixFactorization(**settings, random_state=0, keep_seen=False)
    _warm_up(model)
    for_fit = None
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        for_fit = memory - round(1e6 * _mb("VmData")) - SLACK
    ratings: Any
    if kind == "store":
        ratings = ft.RatingStore(source, memory=for_fit)
    elif kind == "parquet":
        ratings = tuple(read_columns(Path(source)).values())
    else:
        ratings = tuple(np.load(Path(source, f"{name}.npy"), "r") for name in COLUMNS)
    epochs = _Epochs(from_disk)
    start = time.perf_counter()
    model.fit(ratings, callbacks=[epochs])
    seconds = time.perf_counter() - start
    arrays = model.user_factors_, model.item_factors_, model.user_bias_, model.item_bias_
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return {
        "epochs": epochs.seconds[1:],
        "read": epochs.n_read[1:],
        "alone": epochs.alone[:-1],
        "n_scratch": epochs.n_scratch,
        "first": epochs.seconds[0],
        "seconds": seconds,
        "peak_mb": _mb("VmHWM"),
        "memory": for_fit,
        "digest": digest.hexdigest()[:16],
    }


def _mb(field: str) -> float:
    """Return a number of bytes of /proc/self/status in units of 10^6."""
    return resident_mb(field) * 1.048576


def _warm_up(model: ft.MatrixFactorization) -> None:
    """Fit to a few ratings, which imports what a fit needs and starts its threads."""
    few = np.arange(200) % 20, np.arange(200) // 20, np.arange(200) % 5
    with tempfile.TemporaryDirectory() as folder:
        store = ft.RatingStore.create(Path(folder, "few.store"), few)
        model.fit(store)


class _Start:
    """Times and traffic since this object was made."""

    def __init__(self) -> None:
        self._traffic = page_cache.traffic()
        self._cpu = time.process_time()
        self._seconds = time.perf_counter()

    def since(self) -> dict[str, float]:
        """Return seconds, CPU seconds, bytes from and to the disk, and peak memory."""
        now = page_cache.traffic()
        return {
            "seconds": time.perf_counter() - self._seconds,
            "cpu": time.process_time() - self._cpu,
            "read": now.n_read - self._traffic.n_read,
            "written": now.n_written - self._traffic.n_written,
            "peak_mb": _mb("VmHWM"),
        }


class _Epochs:
    """A callback that measures the epochs of a fit."""

    def __init__(self, from_disk: bool) -> None:
        self.seconds: list[float] = []
        self.n_read: list[int] = []
        self.alone: list[float] = []
        self.n_scratch = 0
        self._from_disk = from_disk
        self._begin = time.perf_counter()
        self._traffic = page_cache.traffic()

    def __call__(self, _: object) -> None:
        """Note the time and the bytes of an epoch; then remove the file from the page cache."""
        self.seconds.append(time.perf_counter() - self._begin)
        self.n_read.append(page_cache.traffic().n_read - self._traffic.n_read)
        if self._from_disk:
            descriptor = _scratch_file()
            self.n_scratch = os.fstat(descriptor).st_size
            page_cache.drop(descriptor)
            self.alone.append(page_cache.read_alone(descriptor))
        self._traffic = page_cache.traffic()
        self._begin = time.perf_counter()


def _scratch_file() -> int:
    """Return the descriptor of the temporary file with the ratings: the largest without a name."""
    deleted = [
        int(link.name)
        for link in Path("/proc/self/fd").iterdir()
        if link.exists() and link.readlink().name.endswith("(deleted)")
    ]
    return max(deleted, key=lambda descriptor: os.fstat(descriptor).st_size)


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "read_parquet": read_parquet,
    "create_store": create_store,
    "fit": fit,
}


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    print(json.dumps(TASKS[request.pop("task")](**request)))


if __name__ == "__main__":
    main()
