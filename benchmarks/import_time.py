"""Import time of factorate and NumPy, measured in separate processes.

Run: python -m benchmarks.import_time
"""

import statistics
import subprocess
import sys

RUNS = 10
TIMED = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
OPTIONAL = ("pandas", "scipy", "sklearn", "pyarrow")


def run(code: str) -> str:
    """Run code in a new process and return its output."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    """Print both medians, their ratio, and the optional libraries that were imported."""
    seconds: dict[str, list[float]] = {"numpy": [], "factorate": []}
    for _ in range(RUNS):
        for module, runs in seconds.items():
            runs.append(float(run(TIMED.format(module))))
    numpy, factorate = (statistics.median(runs) for runs in seconds.values())
    print(f"import numpy       {numpy * 1e3:.0f} ms, median of {RUNS} processes")
    print(f"import factorate   {factorate * 1e3:.0f} ms, {(factorate - numpy) * 1e3:.0f} ms more")
    print(f"ratio              {factorate / numpy:.2f}")
    imported = f"[module for module in {OPTIONAL} if module in sys.modules]"
    print(f"also imported      {run(f'import sys, factorate; print({imported})')}")


if __name__ == "__main__":
    main()
