"""Compare recommendations and predictions with implicit and NumPy.

Each measurement runs in a separate process, candidates alternate, and results are medians with
their spread. All use the same factors, those of a model without biases, because implicit does not
support biases. implicit is installed into a separate environment.

Run: python -m benchmarks.serving [--quick]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__)
sys.path.insert(0, str(HERE.parents[1]))

N_USERS, N_ITEMS, N_RATINGS = 69_878, 10_677, 10_000_000
N_PAIRS = 10_000_000
N_FACTORS, TOP = 64, 10
BLOCK = 1000  # users that NumPy scores at once
CALLS = 3000  # measured calls for one user
LARGE_USERS, LARGE_ITEMS, LARGE_TOP, LARGE_SEEN, SAMPLE = 1_000_000, 200_000, 20, 20, 2000
BLAS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def resident_mb(field: str) -> float:
    """Return the current ("VmRSS") or peak ("VmHWM") memory of this process in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def measured(call: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Call a function; return its seconds, peak and additional memory, and its result."""
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak, see man 5 proc
    before = resident_mb("VmRSS")
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    peak = resident_mb("VmHWM")
    return {"seconds": seconds, "peak": peak, "added": peak - before}, result


def arrays(folder: Path) -> Any:
    """Return P, Q and the seen items as a SciPy sparse matrix."""
    import scipy.sparse

    P, Q, starts, items = (np.load(folder / f"{name}.npy") for name in ("P", "Q", "starts", "seen"))
    ones = np.ones(len(items), np.float32)
    return P, Q, scipy.sparse.csr_matrix((ones, items, starts), (len(P), len(Q)))


def recommend_factorate(folder: Path, n_threads: int) -> tuple[Any, Any]:
    """Measure `MatrixFactorization.recommend` of a loaded model."""
    import factorate as ft

    model: ft.MatrixFactorization = ft.load(folder / "model.npz")
    model.set_params(n_threads=n_threads)
    figures, (items, _) = measured(lambda: model.recommend(n=TOP))
    return figures, items


def recommend_implicit(folder: Path, n_threads: int) -> tuple[Any, Any]:
    """Measure implicit's `recommend`."""
    from implicit.als import AlternatingLeastSquares

    P, Q, seen = arrays(folder)
    model = AlternatingLeastSquares(factors=P.shape[1], num_threads=n_threads, use_gpu=False)
    model.user_factors, model.item_factors = P, Q
    users = np.arange(len(P))
    figures, (items, _) = measured(lambda: model.recommend(users, seen, N=TOP))
    return figures, items


def topk_implicit(folder: Path, n_threads: int) -> tuple[Any, Any]:
    """Measure implicit's `topk`, which excludes no items."""
    from implicit.cpu.topk import topk

    P, Q, _ = arrays(folder)
    figures, _ = measured(lambda: topk(Q, P, TOP, num_threads=n_threads))
    return figures, None


def recommend_numpy(folder: Path, _: int) -> tuple[Any, Any]:
    """Measure matrix product, `argpartition` and sort, for one block of users at a time."""
    P, Q, seen = arrays(folder)

    def run() -> Any:
        out = np.empty((len(P), TOP), np.int64)
        for first in range(0, len(P), BLOCK):
            scores = P[first : first + BLOCK] @ Q.T
            chunk = seen[first : first + BLOCK]
            rows = np.repeat(np.arange(len(scores)), np.diff(chunk.indptr))
            scores[rows, chunk.indices] = -np.inf
            best = np.argpartition(scores, -TOP, axis=1)[:, -TOP:]
            order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1)
            out[first : first + BLOCK] = np.take_along_axis(best, order, 1)
        return out

    return measured(run)


def one_user(folder: Path, n_threads: int) -> tuple[Any, Any]:
    """Measure calls for one user and for one pair in microseconds."""
    import factorate as ft

    model = ft.load(folder / "model.npz").set_params(n_threads=n_threads)
    generator = np.random.default_rng(0)
    users, items = (generator.choice(ids, CALLS).tolist() for ids in (model.users_, model.items_))
    figures: dict[str, Any] = {}
    calls: tuple[tuple[str, Callable[[Any, Any], object]], ...] = (
        ("recommend", lambda user, _: model.recommend(user, n=TOP)),
        ("predict", lambda user, item: model.predict(([user], [item]))),
    )
    for name, call in calls:
        times = []
        for user, item in zip(users, items, strict=True):
            start = time.perf_counter()
            call(user, item)
            times.append(1e6 * (time.perf_counter() - start))
        figures[name] = float(np.median(times))
        figures[f"{name} 99 %"] = float(np.percentile(times, 99))
    return figures, None


def pairs(folder: Path) -> tuple[Any, Any]:
    """Return random pairs of rows."""
    P, Q = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in "PQ")
    generator = np.random.default_rng(0)
    users, items = (generator.integers(0, len(rows), N_PAIRS, np.int32) for rows in (P, Q))
    return users, items


def predict_factorate(folder: Path, n_threads: int) -> tuple[Any, Any]:
    """Measure `predict` for many pairs."""
    import factorate as ft

    model = ft.load(folder / "model.npz").set_params(n_threads=n_threads)
    rows = pairs(folder)
    ids = model.users_[rows[0]], model.items_[rows[1]]
    model.predict(([ids[0][0]], [ids[1][0]]))  # creates the lookup table of ids
    figures, _ = measured(lambda: model.predict(ids))
    return figures, None


def predict_einsum(folder: Path, _: int) -> tuple[Any, Any]:
    """Measure `numpy.einsum` for the same pairs, in blocks that fit the cache."""
    P, Q = (np.load(folder / f"{name}.npy") for name in "PQ")
    users, items = pairs(folder)

    def run() -> Any:
        out = np.empty(N_PAIRS, P.dtype)
        for first in range(0, N_PAIRS, BLOCK):
            chunk = slice(first, first + BLOCK)
            np.einsum("nk,nk->n", P[users[chunk]], Q[items[chunk]], out=out[chunk])
        return out

    figures, _ = measured(run)
    return figures, None


def large(_: Path, n_threads: int) -> tuple[Any, Any]:
    """Measure recommendations for a sample of users of a large model with random factors."""
    import factorate as ft
    from factorate._fitted.seen import Seen
    from factorate._input.id_index import range_index
    from factorate._training.factors import Factors

    generator = np.random.default_rng(0)
    shapes = (LARGE_USERS, N_FACTORS), (LARGE_ITEMS, N_FACTORS), (LARGE_USERS,), (LARGE_ITEMS,)
    values = [generator.standard_normal(shape, np.float32) for shape in shapes]
    rated = generator.integers(0, LARGE_ITEMS, (LARGE_USERS, LARGE_SEEN), np.int32)
    rated.sort(axis=1)
    starts = np.arange(LARGE_USERS + 1, dtype=np.int64) * LARGE_SEEN
    model = ft.MatrixFactorization(1, 1, n_threads=n_threads).fit(([0], [0], [1.0]))
    P, Q, user_bias, item_bias = values
    factors = Factors(
        user_factors=P,
        item_factors=Q,
        user_bias=user_bias,
        item_bias=item_bias,
        mean=3.5,
        scale=1.0,
    )
    model._fitted = dataclasses.replace(
        model._fitted,
        factors=factors,
        seen=Seen(starts, rated.reshape(-1)),
        user_index=range_index(LARGE_USERS),
        item_index=range_index(LARGE_ITEMS),
    )
    users = generator.choice(LARGE_USERS, SAMPLE, replace=False)
    figures, _ = measured(lambda: model.recommend(users, n=LARGE_TOP))
    return figures, None


TASKS: dict[str, Callable[[Path, int], tuple[Any, Any]]] = {
    "factorate recommend": recommend_factorate,
    "implicit recommend": recommend_implicit,
    "implicit topk, nothing excluded": topk_implicit,
    "NumPy argpartition in blocks": recommend_numpy,
    "one user": one_user,
    "factorate predict": predict_factorate,
    "numpy.einsum in blocks": predict_einsum,
    "large": large,
}
FOR_ALL = list(TASKS)[:4]


def run_in_process(task: str, folder: Path, n_threads: int) -> dict[str, float]:
    """Run one task in a new process, in the environment of its library."""
    from benchmarks.environments import default_environments, environment

    engine = "implicit" if task.startswith(("implicit", "NumPy")) else "factorate"
    # implicit has its own threads and recommends a single-threaded BLAS.
    blas = "1" if task.startswith("implicit") else str(n_threads)
    done = subprocess.run(
        [
            environment(engine, default_environments()),
            HERE,
            "--task",
            task,
            str(folder),
            str(n_threads),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | dict.fromkeys(BLAS, blas),
    )
    if done.returncode:
        raise RuntimeError(f"{task} failed: {done.stderr[-800:]}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def answer(task: str, folder: Path, n_threads: int) -> None:
    """Run a task in this process, print its measurements and save the recommended items."""
    figures, items = TASKS[task](folder, n_threads)
    if items is not None:
        np.save(folder / f"{task.partition(' ')[0]}.npy", items)
    print(json.dumps(figures))


def prepare(folder: Path) -> None:
    """Train a model, and save it, its factors and the seen items."""
    import factorate as ft

    columns = ft.datasets.synthetic(N_RATINGS, N_USERS, N_ITEMS)
    model = ft.MatrixFactorization(
        N_FACTORS, 5, fit_bias=False, fit_mean=False, random_state=0
    ).fit(columns)
    model.save(folder / "model.npz")
    np.save(folder / "P.npy", model.user_factors_)
    np.save(folder / "Q.npy", model.item_factors_)
    with np.load(folder / "model.npz") as members:
        np.save(folder / "starts.npy", members["seen_starts"])
        np.save(folder / "seen.npy", members["seen_items"])


def same_items(folder: Path, other: str) -> str:
    """Compare recommended items with those of factorate, and the scores where they differ."""
    P, Q, mine, theirs = (
        np.load(folder / f"{name}.npy") for name in ("P", "Q", "factorate", other)
    )
    differ = np.argwhere(mine != theirs)
    users = differ[:, 0]
    gaps = [
        abs(float(P[user].astype(np.float64) @ (Q[a] - Q[b]).astype(np.float64)))
        for user, a, b in zip(users, mine[mine != theirs], theirs[mine != theirs], strict=True)
    ]
    return (
        f"items of {other}: {len(differ)} of {mine.size} differ, with scores differing by at most "
        f"{max(gaps, default=0.0):.1e}"
    )


def spread(values: list[float], form: str) -> str:
    """Format the median and, in parentheses, the minimum and maximum."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def table(folder: Path, tasks: list[str], n_runs: int) -> dict[tuple[str, int], list[Any]]:
    """Run tasks with one and two threads, alternating between the tasks."""
    runs: dict[tuple[str, int], list[Any]] = {}
    for _ in range(n_runs):
        for n_threads in (1, 2):
            for task in tasks:
                runs.setdefault((task, n_threads), []).append(
                    run_in_process(task, folder, n_threads)
                )
    return runs


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one run of each instead of five")
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task is not None:
        task, name, n_threads = arguments.task
        answer(task, Path(name), int(n_threads))
        return
    n_runs = 1 if arguments.quick else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        print(f"{N_USERS:,} users × {N_ITEMS:,} items, K = {N_FACTORS}, n = {TOP}")
        runs = table(folder, FOR_ALL, n_runs)
        for n_threads in (1, 2):
            implicit_seconds = [run["seconds"] for run in runs["implicit recommend", n_threads]]
            for task in FOR_ALL:
                here = runs[task, n_threads]
                seconds = [run["seconds"] for run in here]
                ratios = [a / b for a, b in zip(seconds, implicit_seconds, strict=True)]
                print(
                    f"{n_threads} thread(s)  {task:<32} {spread(seconds, '.2f')} s, "
                    f"{spread(ratios, '.2f')} of implicit; peak {here[0]['peak']:.0f} MB, "
                    f"{here[0]['added']:.0f} of them added",
                    flush=True,
                )
        for other in ("implicit", "NumPy"):
            print(same_items(folder, other))
        single = [run_in_process("one user", folder, 1) for _ in range(n_runs)]
        for call in ("recommend", "predict"):
            median, tail = (
                spread([run[key] for run in single], ".0f") for key in (call, f"{call} 99 %")
            )
            print(f"one user, {call:<10} median {median} µs, 99 % {tail} µs", flush=True)
        both = ["factorate predict", "numpy.einsum in blocks"]
        for (task, n_threads), several in table(folder, both, n_runs).items():
            speeds = [N_PAIRS / run["seconds"] / 1e6 for run in several]
            print(f"{n_threads} thread(s)  {task:<32} {spread(speeds, '.1f')} million pairs/s")
        print(f"{LARGE_USERS:,} × {LARGE_ITEMS:,}, n = {LARGE_TOP}, {SAMPLE} users")
        for (_, n_threads), several in table(folder, ["large"], n_runs).items():
            seconds = [1000 * run["seconds"] / SAMPLE for run in several]
            print(
                f"{n_threads} thread(s)  {spread(seconds, '.3f')} s for 1000 users; peak "
                f"{several[0]['peak']:.0f} MB, {several[0]['added']:.0f} of them added"
            )


if __name__ == "__main__":
    main()
