"""Scaling: time and memory for one million to a billion ratings.

Each measurement runs in a separate process. Ratings are synthetic and skewed. The numbers of users
and items grow with the square root of the number of ratings, up to 480,189 × 17,770 for a hundred
million ratings. Ratings are half-stars, which are stored as codes of 8 bits, or continuous, of
which most are distinct, so that they are stored as values. More than a hundred million ratings are
not read into memory but mapped from their files.

Run: python -m benchmarks.scale [--millions 1 3 10 30 100 1000] [--kinds half-stars continuous]
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from factorate import datasets

LARGEST = 100  # millions
USERS, ITEMS = 480_189, 17_770
KINDS = ("half-stars", "continuous")
WORKER = """
import json, sys, threading, time
from pathlib import Path
import numpy as np
import factorate as ft

def resident():
    # Without mapped files.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024

folder, kind, n_factors, n_threads, n_epochs, mapped = *sys.argv[1:3], *map(int, sys.argv[3:])
mode = "r" if mapped else None
columns = tuple(np.load(Path(folder) / f"{name}.npy", mode) for name in ("users", "items", kind))
before = peak = resident()
finished = threading.Event()

def watch():
    global peak
    while not finished.wait(0.01):
        peak = max(peak, resident())

watcher = threading.Thread(target=watch)
watcher.start()
begin = time.perf_counter()
model = ft.MatrixFactorization(n_factors, n_epochs, random_state=0, n_threads=n_threads)
model.fit(columns)
end = time.perf_counter()
finished.set()
watcher.join()
seconds = model.history_["seconds"]
print(json.dumps({
    "epochs": np.diff(seconds).tolist(), "first": seconds[0], "fit": end - begin, "peak": peak,
    "added": peak - before, "factors": model.user_factors_.nbytes + model.item_factors_.nbytes,
}))
"""


def write_ratings(folder: Path, n: int, n_users: int, n_items: int) -> None:
    """Write the columns to files; parts of at most a hundred million ratings have other users."""
    n_parts = -(-n // (LARGEST * 1_000_000))
    columns = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (n,))
        for name, dtype in {
            "users": "i4",
            "items": "i4",
            "half-stars": "f4",
            "continuous": "f4",
        }.items()
    }
    for part in range(n_parts):
        rows = slice(n * part // n_parts, n * (part + 1) // n_parts)
        users, items, ratings = datasets.synthetic(
            rows.stop - rows.start, n_users // n_parts, n_items, random_state=part
        )
        columns["users"][rows] = users + part * (n_users // n_parts)
        columns["items"][rows] = items
        columns["half-stars"][rows] = np.clip(np.round(2 * ratings) / 2, 0.5, 5)
        columns["continuous"][rows] = ratings


def measure(folder: str, kind: str, n_factors: int, n_threads: int, large: bool) -> dict[str, Any]:
    """Train in a new process and return its measurements."""
    numbers = n_factors, n_threads, 2 if large else 4, large
    done = subprocess.run(
        [sys.executable, "-c", WORKER, folder, kind, *(str(int(number)) for number in numbers)],
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--millions", type=int, nargs="+", default=[1, 3, 10, 30, 100])
    add("--kinds", nargs="+", choices=KINDS, default=KINDS)
    add("--factors", type=int, nargs="+", help="default: 32, and 128 for 100 million ratings")
    add("--threads", type=int, nargs="+", default=[1, 2])
    add("--folder", help="folder of the temporary files: 16 bytes per rating")
    arguments = parser.parse_args()
    print(
        "ratings    users    items     values    K threads   s/epoch  M ratings/s  set-up s   fit s"
        "  peak MB   bytes"
    )
    for millions in arguments.millions:
        n, fraction = millions * 1_000_000, (millions / LARGEST) ** 0.5
        n_users, n_items = round(USERS * fraction), round(ITEMS * fraction)
        factors = arguments.factors or ((32, 128) if millions == LARGEST else (32,))
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            write_ratings(Path(folder), n, n_users, n_items)
            for case in itertools.product(arguments.kinds, factors, arguments.threads):
                answer = measure(folder, *case, large=millions > LARGEST)
                epoch = statistics.median(answer["epochs"])
                # Without the input and two copies of the factors, the working copy and the result.
                extra = (answer["added"] - 2 * answer["factors"]) / n
                print(
                    f"{millions:>5} M {n_users:>9,} {n_items:>8,} {case[0]:>10} {case[1]:>4} "
                    f"{case[2]:>7} {epoch:>9.3f} {n / epoch / 1e6:>12.1f} "
                    f"{answer['first'] - epoch:>9.2f} {answer['fit']:>7.2f} "
                    f"{answer['peak'] / 1e6:>8.0f} {extra:>7.1f}",
                    flush=True,
                )
    print("bytes: peak memory per rating, without the input, the factors and one copy of them")


if __name__ == "__main__":
    main()
