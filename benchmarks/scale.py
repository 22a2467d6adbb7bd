"""Scaling: time and memory for one million to a hundred million ratings.

Each measurement runs in a separate process. Ratings are synthetic and skewed. The numbers of users
and items grow with the square root of the number of ratings, up to 480,189 × 17,770 for a hundred
million ratings. Ratings are half-stars, which are stored as codes of 8 bits, or continuous, of
which most are distinct, so that they are stored as values.

Run: python -m benchmarks.scale [--millions 1 3 10 30 100]
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

LARGEST = 100
USERS, ITEMS = 480_189, 17_770
EPOCHS = 4
KINDS = ("half-stars", "continuous")
WORKER = """
import json, sys
from pathlib import Path
import numpy as np
import factorate as ft

def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024

folder, kind, n_factors, n_threads, n_epochs = *sys.argv[1:3], *map(int, sys.argv[3:])
columns = tuple(np.load(Path(folder) / f"{name}.npy") for name in ("users", "items", kind))
before = resident("VmRSS")
model = ft.MatrixFactorization(n_factors, n_epochs, random_state=0, n_threads=n_threads)
model.fit(columns)
seconds = model.history_["seconds"]
print(json.dumps({
    "epochs": np.diff(seconds).tolist(), "first": seconds[0], "peak": resident("VmHWM"),
    "added": resident("VmHWM") - before,
    "factors": model.user_factors_.nbytes + model.item_factors_.nbytes,
}))
"""


def measure(folder: str, kind: str, n_factors: int, n_threads: int) -> dict[str, Any]:
    """Train in a new process and return its measurements."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER, folder, kind, str(n_factors), str(n_threads), str(EPOCHS)],
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--millions", type=int, nargs="+", default=[1, 3, 10, 30, 100])
    arguments = parser.parse_args()
    print(
        "ratings    users    items     values    K threads   s/epoch  M ratings/s  set-up s"
        "  peak MB   bytes"
    )
    for millions in arguments.millions:
        n, fraction = millions * 1_000_000, (millions / LARGEST) ** 0.5
        n_users, n_items = round(USERS * fraction), round(ITEMS * fraction)
        with tempfile.TemporaryDirectory() as folder:
            users, items, continuous = datasets.synthetic(n, n_users, n_items)
            half_stars = np.clip(np.round(2 * continuous) / 2, 0.5, 5).astype(np.float32)
            for name, column in {
                "users": users,
                "items": items,
                "half-stars": half_stars,
                "continuous": continuous,
            }.items():
                np.save(Path(folder) / f"{name}.npy", column)
            del users, items, half_stars, continuous
            for kind, n_factors, n_threads in itertools.product(KINDS, (32, 128), (1, 2)):
                if n_factors == 128 and millions < LARGEST:
                    continue
                answer = measure(folder, kind, n_factors, n_threads)
                epoch = statistics.median(answer["epochs"])
                # Without the input and two copies of the factors, the working copy and the result.
                extra = (answer["added"] - 2 * answer["factors"]) / n
                print(
                    f"{millions:>5} M {n_users:>9,} {n_items:>8,} {kind:>10} {n_factors:>4} "
                    f"{n_threads:>7} {epoch:>9.3f} {n / epoch / 1e6:>12.1f} "
                    f"{answer['first'] - epoch:>9.2f} {answer['peak'] / 1e6:>8.0f} {extra:>7.1f}",
                    flush=True,
                )
    print("bytes: peak memory per rating, without the input, the factors and one copy of them")


if __name__ == "__main__":
    main()
