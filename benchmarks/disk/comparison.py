"""Arrays in memory, a store, a store with little memory, and LIBMF's training on disk.

All files are in the page cache. LIBMF prints a line after each epoch, and the times between them
are measured; they include the computation of its objective. Its input is text.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyarrow import csv

from benchmarks.disk.processes import measure
from benchmarks.disk.ratings import COLUMNS, shape, write_ratings

if TYPE_CHECKING:
    from benchmarks.disk.options import Options

N_RATINGS = 100_000_000
LIMIT = 10**9  # bytes


def compare_on_disk(options: Options) -> None:
    """Print a table with a row for each way to train."""
    n = options.n_ratings or N_RATINGS
    n_users, n_items = shape(n)
    print(f"{n:,} ratings, {n_users:,} users, {n_items:,} items, K = {options.n_factors}, ", end="")
    print(f"{options.n_threads} threads\n", flush=True)
    files = write_ratings(options.folder, n)
    path = options.folder / f"comparison-{n}.store"
    shutil.rmtree(path, ignore_errors=True)
    measure("create_store", files=files, path=path, n_threads=options.n_threads)
    ways: dict[str, dict[str, Any]] = {
        "arrays in memory": {"source": files, "kind": "parquet"},
        "store": {"source": path, "kind": "store"},
        "store, 1 GB": {"source": path, "kind": "store", "memory": LIMIT},
    }
    settings = {
        "n_factors": options.n_factors,
        "n_threads": options.n_threads,
        "n_epochs": options.n_epochs,
    }
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for _ in range(options.n_runs):
        for name, way in ways.items():
            runs[name].append(measure("fit", settings=settings, **way))
    shutil.rmtree(path)
    if options.mf_train is not None:
        runs["LIBMF `--disk`"] = [_train_libmf(files, options)]
    print("| | s per epoch | before the first, s | peak MB | SHA-256 of the factors |")
    print("|---|---:|---:|---:|---|")
    for name, of_way in runs.items():
        epochs = [epoch for run in of_way for epoch in run["epochs"]]
        epoch = statistics.median(epochs)
        before = statistics.median(run["first"] for run in of_way) - epoch
        digests = sorted({run["digest"] for run in of_way})
        print(
            f"| {name} | {epoch:.3f} ({min(epochs):.3f} to {max(epochs):.3f}) | {before:.1f} | "
            f"{max(run['peak_mb'] for run in of_way):.0f} | {', '.join(digests)} |"
        )
    if options.mf_train is None:
        print("\nLIBMF is not measured: pass --mf-train PATH")


def _train_libmf(files: Path, options: Options) -> dict[str, Any]:
    """Train with LIBMF on disk, and return what `measure` returns of a fit."""
    text = options.folder / "ratings.txt"
    _write_text(files, text)
    numbers = {"-k": options.n_factors, "-s": options.n_threads, "-t": options.n_epochs}
    command = [str(options.mf_train), "--disk", "-l2", "0.05"]
    command += [str(word) for pair in numbers.items() for word in pair]
    command += [str(text), str(text.with_suffix(".model"))]
    ends, peak_mb = [time.perf_counter()], 0.0
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                if line.split()[0].isdigit():
                    ends.append(time.perf_counter())
                    peak_mb = max(peak_mb, _peak_mb(process.pid))
    finally:
        for made in options.folder.glob("ratings.*"):
            made.unlink()
    if process.returncode:
        raise RuntimeError(f"{options.mf_train} failed with status {process.returncode}")
    seconds = [end - begin for begin, end in itertools.pairwise(ends)]
    return {"epochs": seconds[1:], "first": seconds[0], "peak_mb": peak_mb, "digest": "–"}


def _write_text(files: Path, text: Path) -> None:
    """Write the ratings as LIBMF reads them: lines of user, item and rating, with spaces."""
    style = csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none")
    paths = sorted(files.iterdir())
    schema = pq.read_schema(paths[0])
    with csv.CSVWriter(text, schema, write_options=style) as writer:
        for path in paths:
            writer.write(pq.read_table(path, columns=list(COLUMNS)))


def _peak_mb(process: int) -> float:
    """Return the peak memory of another process in units of 10^6 bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1.024e-3
    raise OSError(f"no VmHWM in /proc/{process}/status")
