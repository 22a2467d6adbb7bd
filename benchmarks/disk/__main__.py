"""Ratings on disk: writing a store, training on it, and the same with other libraries.

`large` writes a billion ratings to a store and trains on it in a process with 4 GB of memory;
`comparison` trains on arrays in memory, on a store, on a store with 1 GB and, with `--mf-train`,
with the training on disk of LIBMF; `pyspark` compares time and accuracy with Spark's ALS.

Ratings are synthetic; the files in `--folder` are used again by later runs.

Run: python -m benchmarks.disk [PART ...] [--ratings N] [--folder FOLDER] [--mf-train PATH]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.__main__ import processor
from benchmarks.disk.comparison import compare_on_disk
from benchmarks.disk.large import measure_large
from benchmarks.disk.options import Options
from benchmarks.disk.spark import compare_with_spark
from benchmarks.environments import default_environments
from factorate._kernels import dispatch
from factorate._utils.byte_sizes import read_size

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: dict[str, Callable[[Options], None]] = {
    "large": measure_large,
    "comparison": compare_on_disk,
    "pyspark": compare_with_spark,
}


def main() -> None:
    """Print the chosen tables."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disk", description=summary)
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    add("--ratings", type=int, help="default: a billion, a hundred million and ten million")
    add("--in-memory", type=int, help="ratings of the fit in memory of large (default: what fits)")
    add("--factors", type=int, default=32)
    add("--threads", type=int, default=2)
    add("--epochs", type=int, default=6)
    add("--runs", type=int, default=3, help="fits of each kind in comparison")
    add("--memory", default="4GB", help="memory of the process of large")
    add("--reuse-store", action="store_true", help="do not write the store of large again")
    add("--mf-train", type=Path, metavar="PATH", help="command of LIBMF, built manually with AVX")
    add("--folder", type=Path, help="32 GB for a billion ratings (default: a temporary folder)")
    add("--environments", type=Path, default=default_environments())
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    print(f"{processor()}, {os.cpu_count()} cores, {dispatch.chosen()}\n", flush=True)
    given = arguments.folder
    with tempfile.TemporaryDirectory() if given is None else nullcontext(given) as folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        options = Options(
            folder=Path(folder),
            n_ratings=arguments.ratings,
            n_in_memory=arguments.in_memory,
            n_factors=arguments.factors,
            n_threads=arguments.threads,
            n_epochs=arguments.epochs,
            n_runs=arguments.runs,
            memory=read_size("memory", arguments.memory),
            reuse_store=arguments.reuse_store,
            mf_train=arguments.mf_train,
            environments=arguments.environments,
        )
        for part in arguments.parts or PARTS:
            print(f"## {part}\n", flush=True)
            PARTS[part](options)
            print(flush=True)


if __name__ == "__main__":
    main()
