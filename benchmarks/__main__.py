"""Compare factorate with other libraries: a table and a plot.

Run: python -m benchmarks [--quick] [--libmf PATH]

Each measurement runs in a separate process, engines alternate, and results are medians with their
spread. Other libraries are installed from PyPI when they are first needed, each into its own
environment in the folder given by --environments. LIBMF has no usable package; pass the path of its
shared library, built manually with AVX, as --libmf.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks import figures
from benchmarks.environments import default_environments, environment
from factorate import datasets
from factorate._kernels import cpu as _cpu
from factorate._kernels import dispatch as kernels

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
DEFAULT_DATA = HERE.parents[1] / "shared" / "data"
ONE_THREAD = (
    "scikit-surprise",
    "matrix-factorization",
    "cornac",
)  # slower or racy with more threads
FAST_ENGINES = ("factorate", "LIBMF")
# Epochs of the short and the long run; the difference of their times is measured.
EPOCHS = {"factorate": (2, 12), "LIBMF": (2, 7), "cornac": (1, 4)}
FEW_EPOCHS = (1, 3)
TARGETS = (0.9, 0.87, 0.85, 0.845)
CURVES = {
    "factorate": [2, 3, 4, 5, 6, 8, 10, 12, 15],
    "LIBMF": [2, 4, 6, 8, 10, 12, 15, 20],
    "cornac": [5, 10, 15, 20, 30],
    "scikit-surprise": [5, 10, 20, 30],
    "cmfrec": [1, 2, 4, 8],
    "lenskit": [1, 2, 4, 8],
    "matrix-factorization": [5, 10, 20, 30],
}


class Case(NamedTuple):
    """One configuration, measured for all engines."""

    data: str
    n_factors: int
    n_threads: int


CURVE = Case("ML-1M", 64, 1)


class Bench(NamedTuple):
    """The data and the options of all measurements."""

    arguments: argparse.Namespace
    files: dict[str, Path]
    sizes: dict[str, int]
    versions: dict[str, str]


def run_worker(bench: Bench, engine: str, case: Case, task: str, epochs: Any) -> Any:
    """Run one measurement in a new process; on failure, print to stderr and return None."""
    request = {
        "task": task,
        "engine": engine,
        "data": str(bench.files[case.data]),
        "epochs": epochs,
        "n_factors": case.n_factors,
        "n_threads": case.n_threads,
        "libmf": bench.arguments.libmf,
    }
    try:
        python = environment(engine, bench.arguments.environments)
        done = subprocess.run(
            [python, HERE / "worker.py"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=True,
            timeout=bench.arguments.timeout,
            env=os.environ | {"OMP_NUM_THREADS": str(case.n_threads)},
        )
    except (subprocess.SubprocessError, OSError) as error:
        message = getattr(error, "stderr", None) or str(error)
        print(f"{engine} {case}: {str(message).strip()[-300:]}", file=sys.stderr, flush=True)
        return None
    answer = json.loads(done.stdout.splitlines()[-1])
    bench.versions[engine] = answer["version"]
    return answer["answer"]


def cases(arguments: argparse.Namespace, data: list[str]) -> Iterator[tuple[Case, list[str]]]:
    """Yield each case and its engines; with --quick, slow engines run in one case only."""
    for name in data:
        for n_factors in arguments.factors:
            for n_threads in arguments.threads:
                case = Case(name, n_factors, n_threads)
                with_slow = not arguments.quick or case == CURVE
                yield (
                    case,
                    [
                        engine
                        for engine in arguments.engines
                        if engine in FAST_ENGINES
                        or (with_slow and (n_threads == 1 or engine not in ONE_THREAD))
                    ],
                )


def spread(values: list[float], form: str) -> str:
    """Format the median and, in parentheses, the minimum and maximum."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def measure(bench: Bench, case: Case, engines: list[str]) -> Iterator[str]:
    """Yield the rows of one case."""
    answers: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
    for _ in range(bench.arguments.runs):
        for engine in engines:
            if engine == "LIBMF" and bench.arguments.libmf is None:
                continue
            if engine not in FAST_ENGINES and len(answers[engine]) == bench.arguments.slow_runs:
                continue
            few, many = EPOCHS.get(engine, FEW_EPOCHS)
            if case.data == "ML-1M" and engine in FAST_ENGINES:
                many = 4 * many
            answer = run_worker(bench, engine, case, "speed", (few, many))
            if answer is not None:
                answers[engine].append(answer)
    n = bench.sizes[case.data]
    libmf_epochs = [answer["epoch"] for answer in answers.get("LIBMF", [])]
    for engine, runs in answers.items():
        head = f"| {case.data} | {case.n_factors} | {case.n_threads} | {engine} |"
        if not runs:
            reason = "not measured: pass --libmf" if engine == "LIBMF" else "not measured"
            yield f"{head} {reason} | | | | |"
            continue
        epochs = [run["epoch"] for run in runs]
        ratios = [b / a for a, b in zip(epochs, libmf_epochs, strict=False)]
        yield (
            f"{head} {spread(epochs, '.4f')} | {n / statistics.median(epochs) / 1e6:.1f} | "
            f"{spread(ratios, '.2f') if ratios else ''} | "
            f"{statistics.median(run['setup'] for run in runs):.2f} | "
            f"{statistics.median(run['rss'] for run in runs):.0f} |"
        )


def write_data(
    folder: Path, arguments: argparse.Namespace
) -> tuple[dict[str, Path], dict[str, int]]:
    """Write each data set, split into training and test ratings, to a file for the workers."""
    sets: dict[str, tuple[Any, Any, Any]] = {}
    movielens = arguments.data / "ml-1m.npz"
    if movielens.is_file():
        with np.load(movielens) as file:
            sets["ML-1M"] = file["user"], file["item"], file["rating"]
    else:
        print(f"{movielens} not found: ML-1M is skipped", file=sys.stderr)
    sets["synthetic"] = datasets.synthetic(arguments.ratings, arguments.users, arguments.items)
    files, sizes = {}, {}
    for name, columns in sets.items():
        n = len(columns[0])
        order = np.random.default_rng(0).permutation(n)
        test, training = np.split(order, [n // 10 if name == "ML-1M" else n // 1000])
        files[name], sizes[name] = folder / f"{name}.npz", len(training)
        titles = "user", "item", "rating"
        arrays = {title: column[training] for title, column in zip(titles, columns, strict=True)}
        arrays |= {f"test_{t}": column[test] for t, column in zip(titles, columns, strict=True)}
        np.savez(files[name], allow_pickle=False, **arrays)
    return files, sizes


def curves(bench: Bench) -> dict[str, list[Any]]:
    """Return (epochs, seconds, test RMSE) of every engine on ML-1M with one thread."""
    found: dict[str, list[Any]] = {}
    if CURVE.data not in bench.files:
        return found
    for engine in bench.arguments.engines:
        if engine == "LIBMF" and bench.arguments.libmf is None:
            continue
        points = run_worker(bench, engine, CURVE, "curve", CURVES[engine])
        if points:
            found[engine] = points
    return found


def seconds_to(points: list[Any], rmse: float) -> str:
    """Return the seconds of the fastest training with at most this test RMSE."""
    seconds = [seconds for _, seconds, found in points if found <= rmse]
    return f"{min(seconds):.2f}" if seconds else "not reached"


def plot(found: dict[str, list[Any]], path: Path) -> None:
    """Plot test RMSE against seconds of training."""
    figure, axes = figures.subplots(figsize=(8, 4))
    for engine, points in found.items():
        _, seconds, errors = zip(*points, strict=True)
        width = 2.5 if engine == "factorate" else 1.2
        axes.plot(seconds, errors, marker="o", markersize=3, linewidth=width, label=engine)
    axes.set_xscale("log")
    axes.set_ylim(0.83, 0.93)
    axes.set_xlabel("seconds of training, one thread")
    axes.set_ylabel("test RMSE")
    axes.set_title("MovieLens 1M, a tenth held out, K = 64")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)
    figures.save(figure, path)


def processor() -> str:
    """Return the name of the processor."""
    return next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )


def machine(bench: Bench) -> list[str]:
    """Describe the machine and the versions of the libraries."""
    versions = ", ".join(f"{name} {v}" for name, v in bench.versions.items() if name != "LIBMF")
    lines = [
        f"{processor()}, {os.cpu_count()} cores. Python {platform.python_version()}.",
        f"NumPy {np.__version__}, {versions}.",
        f"factorate: {_cpu.compiler()}, {kernels.chosen()} kernel.",
    ]
    if bench.arguments.libmf is not None:
        lines.append(f"LIBMF: {bench.arguments.libmf_build}.")
    return lines


def main() -> None:
    """Run the benchmark, and print and save the results."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=summary)
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help="finish in five minutes: fewer factors, runs and engines",
    )
    add("--libmf", metavar="PATH", help="shared library of LIBMF, built manually with AVX")
    add(
        "--libmf-build",
        default="built by hand",
        help="how LIBMF was built, printed below the table",
    )
    add("--runs", type=int, help="alternating runs (default: 5; 3 with --quick)")
    add("--slow-runs", type=int, default=1, help="runs of each other engine")
    add("--engines", nargs="+", choices=list(CURVES), help="engines to compare (default: all)")
    add("--factors", type=int, nargs="+", help="default: 16 32 64 128; 32 64 128 with --quick")
    add("--threads", type=int, nargs="+", default=[1, 2])
    add("--ratings", type=int, default=10_000_000, help="number of synthetic ratings")
    add("--users", type=int, default=69_878)
    add("--items", type=int, default=10_677)
    add("--timeout", type=float, default=600, help="maximum seconds per measurement")
    add("--data", type=Path, default=Path(os.environ.get("FACTORATE_TEST_DATA", DEFAULT_DATA)))
    add("--environments", type=Path, default=default_environments())
    add("--output", type=Path, default=HERE / "results", help="folder for the table and the plot")
    arguments = parser.parse_args()
    arguments.runs = arguments.runs or (3 if arguments.quick else 5)
    arguments.factors = arguments.factors or (
        [32, 64, 128] if arguments.quick else [16, 32, 64, 128]
    )
    if not arguments.engines:
        # Installing lenskit takes gigabytes, and longer than all other engines together.
        skipped = {"lenskit"} if arguments.quick else set()
        arguments.engines = [engine for engine in CURVES if engine not in skipped]

    with tempfile.TemporaryDirectory() as folder:
        files, sizes = write_data(Path(folder), arguments)
        bench = Bench(arguments, files, sizes, {})
        lines = [
            "| data | K | threads | engine | s/epoch | M ratings/s | × LIBMF | set-up s | RSS MB |",
            "|---|---:|---:|---|---:|---:|---:|---:|---:|",
        ]
        print("\n".join(lines))
        for case, engines in cases(arguments, list(files)):
            for row in measure(bench, case, engines):
                print(row, flush=True)
                lines.append(row)
        found = curves(bench)
    n_printed = len(lines)
    lines += [
        "",
        "Seconds of training to a test RMSE, K = 64, one thread, ML-1M:",
        "",
        f"| engine | {' | '.join(f'{target:.3f}' for target in TARGETS)} |",
        f"|---|{'---:|' * len(TARGETS)}",
    ]
    for engine, points in found.items():
        lines.append(f"| {engine} | {' | '.join(seconds_to(points, t) for t in TARGETS)} |")
    lines += ["", "| engine | epochs: seconds → test RMSE |", "|---|---|"]
    for engine, points in found.items():
        shown = ", ".join(f"{n}: {seconds:.2f} → {rmse:.4f}" for n, seconds, rmse in points)
        lines.append(f"| {engine} | {shown} |")
    lines += ["", *machine(bench)]
    print("\n".join(lines[n_printed:]))
    arguments.output.mkdir(exist_ok=True)
    (arguments.output / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if found:
        plot(found, arguments.output / "curves.svg")


if __name__ == "__main__":
    main()
