"""Ratings that do not fit in memory: how long it takes to write a store and to train on it.

Reading the Parquet files with pyarrow alone is measured before and after writing the store; all
three begin without the files in the page cache. The fit runs in a process with little memory. After
each epoch, its temporary file is removed from the page cache and read alone, in large requests that
bypass it. An epoch cannot be faster than the slower of that and of an epoch in memory.
"""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.disk.processes import measure
from benchmarks.disk.ratings import map_columns, shape, write_ratings

if TYPE_CHECKING:
    from benchmarks.disk.options import Options

N_RATINGS = 1_000_000_000
FILE_BYTES = 8  # of a rating in the Parquet files
STORE_BYTES = 9.2
SCRATCH_BYTES = 14.6  # of a fit to a store
ARRAY_BYTES = 14  # of a rating in a fit to mapped arrays
ROW_BYTES = 620  # of a user or item in it, for K = 32
SHARE_OF_MEMORY = 0.85


def measure_large(options: Options) -> None:
    """Print how long it takes to write a store and to train on it."""
    n = options.n_ratings or N_RATINGS
    path = options.folder / f"ratings-{n}.store"
    n_users, n_items = shape(n)
    print(f"{n:,} ratings, {n_users:,} users, {n_items:,} items\n", flush=True)
    _check_space(options, n, path)
    files = write_ratings(options.folder, n)
    if not (options.reuse_store and path.exists()):
        shutil.rmtree(path, ignore_errors=True)
        _measure_ingestion(files, path, options)
    found = measure(
        "fit",
        source=path,
        kind="store",
        settings=_settings(options),
        memory=options.memory,
        from_disk=True,
    )
    in_memory, n_in_memory = _fit_in_memory(files, n, options)
    _print_epochs(found, in_memory, n, n_in_memory, options)


def _settings(options: Options) -> dict[str, int]:
    return {
        "n_factors": options.n_factors,
        "n_threads": options.n_threads,
        "n_epochs": options.n_epochs,
    }


def _check_space(options: Options, n: int, path: Path) -> None:
    """Exit if there is too little space for what an earlier run has not left in the folder."""
    files = options.folder / f"ratings-{n}"
    needed = (FILE_BYTES + STORE_BYTES + SCRATCH_BYTES) * n
    for folder in (files, path):
        if folder.exists():
            needed -= sum(file.stat().st_size for file in folder.iterdir())
    free = shutil.disk_usage(options.folder).free
    if needed > free:
        raise SystemExit(
            f"{options.folder} needs {needed / 1e9:.1f} GB of free space and has {free / 1e9:.1f}; "
            f"choose another --folder, or fewer --ratings"
        )


def _measure_ingestion(files: Path, path: Path, options: Options) -> None:
    before = measure("read_parquet", files=files)
    created = measure("create_store", files=files, path=path, n_threads=options.n_threads)
    after = measure("read_parquet", files=files)
    print("| | s | CPU s | peak MB | GB read | GB written |")
    print("|---|---:|---:|---:|---:|---:|")
    rows = {
        "pyarrow alone, before": before,
        "`RatingStore.create`": created,
        "pyarrow alone, after": after,
    }
    for name, row in rows.items():
        print(
            f"| {name} | {row['seconds']:.1f} | {row['cpu']:.1f} | {row['peak_mb']:.0f} | "
            f"{row['read'] / 1e9:.2f} | {row['written'] / 1e9:.2f} |"
        )
    alone = statistics.mean((before["seconds"], after["seconds"]))
    print(
        f"\nThe store has {created['n_bytes'] / 1e9:.2f} GB. Writing it takes "
        f"{created['seconds'] / alone:.1f} × as long as reading with pyarrow alone.\n",
        flush=True,
    )


def _fit_in_memory(files: Path, n: int, options: Options) -> tuple[dict[str, Any], int]:
    """Fit to as many ratings as fit in memory, and return their number."""
    n_files = len(list(files.iterdir()))
    most = options.n_in_memory or _n_that_fit(n)
    n_files = max(1, min(n_files, n_files * most // n))
    arrays = options.folder / "arrays"
    shutil.rmtree(arrays, ignore_errors=True)
    try:
        n_in_memory = map_columns(files, n_files, arrays)
        found = measure("fit", source=arrays, kind="arrays", settings=_settings(options))
    finally:
        shutil.rmtree(arrays, ignore_errors=True)
    return found, n_in_memory


def _n_that_fit(n: int) -> int:
    """Return the number of ratings that fit in memory, besides the users and items of all."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            free = SHARE_OF_MEMORY * 1024 * int(line.split()[1])
            return int((free - ROW_BYTES * sum(shape(n))) / ARRAY_BYTES)
    raise OSError("no MemAvailable in /proc/meminfo")


def _print_epochs(
    found: dict[str, Any], in_memory: dict[str, Any], n: int, n_in_memory: int, options: Options
) -> None:
    epoch_in_memory = statistics.median(in_memory["epochs"]) * n / n_in_memory
    print("| epoch | s | GB read | s, reading the file alone | GB/s alone | s, in memory | ratio |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    ratios = []
    for number, (seconds, n_read, alone) in enumerate(
        zip(found["epochs"], found["read"], found["alone"], strict=True), start=2
    ):
        ratios.append(seconds / max(alone, epoch_in_memory))
        print(
            f"| {number} | {seconds:.2f} | {n_read / 1e9:.2f} | {alone:.2f} | "
            f"{found['n_scratch'] / alone / 1e9:.2f} | {epoch_in_memory:.2f} | {ratios[-1]:.2f} |"
        )
    print(
        f"\nMedian ratio to the slower of the disk and memory: {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}). K = {options.n_factors}, {options.n_threads} "
        f"threads. Before and during the first epoch: {found['first']:.1f} s. The process may use "
        f"{options.memory / 1e9:.2f} GB, of which memory={found['memory'] / 1e9:.2f} GB for the "
        f"fit; its peak was {found['peak_mb'] / 1e3:.2f} GB."
    )
    if n_in_memory == n:
        same = "the same" if found["digest"] == in_memory["digest"] else "DIFFERENT"
        print(f"Factors in memory: {same}, SHA-256 {in_memory['digest']} and {found['digest']}.")
    else:
        reason = "as requested" if options.n_in_memory else "because no more fit"
        print(
            f"The epoch in memory is extrapolated from {n_in_memory:,} ratings, {reason}: "
            f"{statistics.median(in_memory['epochs']):.2f} s."
        )
