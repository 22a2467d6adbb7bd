"""Compare the stable ABI with a build for one Python version: call overhead and kernel speed.

Both are built in a temporary folder. Requires setuptools and Cython.

Run: python -m benchmarks.stable_abi
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
RUNS = 11
MEASURED = """
import json, time
from types import SimpleNamespace
import numpy as np
from factorate._kernels import counting
from factorate._kernels.dispatch import plain

N, ROWS, K, CALLS = 500_000, 64, 32, 20_000
generator = np.random.default_rng(0)
ratings = SimpleNamespace(
    pairs=generator.integers(0, ROWS, (N + plain.LOOKAHEAD, 2), np.uint16),
    codes8=generator.integers(0, 10, N, np.uint8), codes16=np.empty(0, np.uint16),
    levels=np.linspace(-2, 2, 10, dtype=np.float32), values=np.empty(0, np.float32),
    centre=0.0, scale=1.0, tile_starts=np.array([0, 8, N]),
    first_user_positions=np.zeros(3, np.int32), first_item_positions=np.zeros(3, np.int32),
)
P, Q = generator.standard_normal((2, ROWS, K), np.float32) / 10
counts, empty = np.zeros(ROWS, np.int64), np.empty(0, np.int32)

def timed(call, n):
    start = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - start) / n

columns = np.full((2, ROWS, 4), 1e-4, np.float32)

def epoch(n_tiles):
    plain.train(ratings, 0, n_tiles, P, Q, *columns, 1.0, 1.0, True)

for n_tiles in (1, 2):
    epoch(n_tiles)
print(json.dumps({
    "µs, a call of count, two arrays": 1e6 * timed(lambda: counting.count(empty, counts), CALLS),
    "µs, a call of train, twelve arrays of either dtype": 1e6 * timed(lambda: epoch(0), CALLS),
    "million ratings/s": N / timed(lambda: epoch(2), 40) / 1e6,
}))
"""


def build(folder: Path, abi3: bool) -> Path:
    """Install factorate into a separate folder."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    environment = os.environ | {"FACTORATE_ABI3": str(int(abi3))}
    target = folder / ("abi3" if abi3 else "own")
    subprocess.run([*command, "--target", target, REPOSITORY], env=environment, check=True)
    return target


def main() -> None:
    """Print the medians of both builds, and the median and spread of their ratios."""
    with tempfile.TemporaryDirectory() as name:
        folders = [build(Path(name), abi3) for abi3 in (False, True)]
        runs = [[measure(folder) for folder in folders] for _ in range(RUNS)]
    print(f"median of {RUNS} alternating processes: build for this Python version, stable ABI")
    for label in runs[0][0]:
        own, abi3 = (statistics.median(run[k][label] for run in runs) for k in (0, 1))
        ratios = [run[1][label] / run[0][label] for run in runs]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        ratio = statistics.median(ratios)
        print(f"{label:<50} {own:8.2f} {abi3:8.2f}   ratio {ratio:.2f} ({spread})")


def measure(folder: Path) -> dict[str, float]:
    """Measure one build in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED],
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    main()
