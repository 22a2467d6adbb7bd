"""Measure one engine in a process of its own: a request on stdin, an answer as JSON on stdout."""

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
PATIENCE = 20  # seconds of one point, after which a curve ends


def resident_mb(field: str) -> float:
    """Return a memory figure of this process: "VmRSS" now, or "VmHWM" at its highest."""
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
    """Split the seconds of a short and a longer training into set-up and epochs."""
    few, many = epochs
    train = ENGINES[engine]
    before = resident_mb("VmRSS")
    short, long = (train(Job(**job, n_epochs=n)).seconds for n in (few, many))
    epoch = (long - short) / (many - few)
    return {
        "epoch": epoch,
        "setup": max(0.0, short - few * epoch),
        "rss": resident_mb("VmHWM") - before,
    }


def curve(engine: str, job: dict[str, Any], test: Any, counts: list[int]) -> list[Any]:
    """Return (epochs, seconds of the whole training, test RMSE) for growing numbers of epochs."""
    points = []
    for n_epochs in counts:
        began = time.perf_counter()
        result = ENGINES[engine](Job(**job, n_epochs=n_epochs))
        points.append((n_epochs, result.seconds, result.rmse(*test)))
        if time.perf_counter() - began > PATIENCE:
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
    for name, part in (("n_users", 0), ("n_items", 1)):
        job[name] = 1 + int(max(columns[part].max(), test[part].max()))
    engine = request["engine"]
    # Some compile themselves when they are first called.
    first = {name: job[name][:WARM_UP] for name in COLUMNS}
    ENGINES[engine](Job(**(job | first), n_epochs=1))
    if request["what"] == "speed":
        answer: Any = speed(engine, job, tuple(request["epochs"]))
    else:
        answer = curve(engine, job, test, request["epochs"])
    print(json.dumps({"answer": answer, "version": version(engine)}))


if __name__ == "__main__":
    main()
