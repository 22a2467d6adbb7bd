"""Measure one engine: read a request as JSON from stdin and write the answer to stdout."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.engines import ENGINES, Job

COLUMNS = ("users", "items", "ratings")
WARM_UP = 1000  # ratings
PATIENCE = 20  # a curve ends after a point that takes longer, in seconds, unless requested


def resident_mb(field: str) -> float:
    """Return the current ("VmRSS") or peak ("VmHWM") memory of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise OSError(f"no {field} in /proc/self/status")


def version(name: str) -> str:
    """Return the installed version of an engine's package."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "built by hand"


def speed(engine: str, job: dict[str, Any], epochs: tuple[int, int]) -> dict[str, float]:
    """Return the seconds per epoch and of the first set-up, from short and long trainings."""
    few, many = epochs
    train = ENGINES[engine]
    before = resident_mb("VmRSS")
    # The first training also pays for the memory that the process gets from the system.
    first, short, long = (train(Job(**job, n_epochs=n)).seconds for n in (few, few, many))
    epoch = (long - short) / (many - few)
    return {
        "epoch": epoch,
        "setup": max(0.0, first - few * epoch),
        "rss": resident_mb("VmHWM") - before,
    }


def curve(
    engine: str, job: dict[str, Any], test: Any, counts: list[int], patience: float
) -> list[Any]:
    """Return (epochs, seconds, test RMSE) for increasing numbers of epochs."""
    points = []
    for n_epochs in counts:
        start = time.perf_counter()
        result = ENGINES[engine](Job(**job, n_epochs=n_epochs))
        points.append((n_epochs, result.seconds, result.rmse(*test)))
        if time.perf_counter() - start > patience:
            break
    return points


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    with np.load(request["data"]) as file:
        columns = [file[name] for name in ("user", "item", "rating")]
        test = [file[f"test_{name}"] for name in ("user", "item", "rating")]
    job = dict(zip(COLUMNS, columns, strict=True))
    job |= {name: request[name] for name in ("n_factors", "n_threads", "libmf")}
    for name, column in (("n_users", 0), ("n_items", 1)):
        job[name] = 1 + int(max(columns[column].max(), test[column].max()))
    engine = request["engine"]
    # Some engines compile code at the first call.
    first = {name: job[name][:WARM_UP] for name in COLUMNS}
    ENGINES[engine](Job(**(job | first), n_epochs=1))
    if request["task"] == "speed":
        answer: Any = speed(engine, job, tuple(request["epochs"]))
    else:
        patience = request.get("patience", PATIENCE)
        answer = curve(engine, job, test, request["epochs"], patience)
    print(json.dumps({"answer": answer, "version": version(engine)}))


if __name__ == "__main__":
    main()
