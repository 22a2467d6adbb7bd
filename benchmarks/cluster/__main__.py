"""Training on a cluster of Dask: speed, kills and other faults, and a model of large clusters.

The workers are processes of this machine.

Run: python -m benchmarks.cluster {speed,kills,faults,model} [--ratings N] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import nullcontext
from pathlib import Path

from benchmarks.cluster.faults import show_faults
from benchmarks.cluster.kills import measure_kills
from benchmarks.cluster.model import show_model
from benchmarks.cluster.speed import measure_speed
from benchmarks.cluster.workers import make_store


def main() -> None:
    """Run one of the parts."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=summary)
    parser.add_argument("part", choices=("speed", "kills", "faults", "model"))
    parser.add_argument("--ratings", type=int, default=100_000_000, help="of speed and kills")
    parser.add_argument("--runs", type=int, default=3, help="fits of each kind in speed")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="where synthetic ratings are used again")
    arguments = parser.parse_args()
    if arguments.part == "model":
        show_model()
        return
    given = arguments.folder
    with tempfile.TemporaryDirectory() if given is None else nullcontext(given) as folder:
        if arguments.part == "faults":
            show_faults(Path(folder))
            return
        n = arguments.ratings
        store = make_store(Path(folder) / f"{n}.store", n)
        if arguments.part == "speed":
            measure_speed(store, arguments.runs)
            return
        counts = make_store(Path(folder) / f"{n}-counts.store", n, are_counts=True)
        measure_kills(store, counts, arguments.kills)


if __name__ == "__main__":
    main()
