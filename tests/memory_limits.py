"""Run fits and other calls with little memory left: each succeeds or raises MemoryError.

Every run is a process of its own, forked from a prepared one, whose address space may grow only by
a random number of bytes. Any other error fails, as does a crash, or a run of more than 20 seconds.
Linux only. Not collected by pytest:

    python tests/memory_limits.py [--runs 3000] [--seed 0] [--calls fit,recommend]
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import random
import resource
import select
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT = 20.0  # seconds; a run takes far less than one
SMALLEST, LARGEST = 1 << 14, 1 << 28  # bytes by which the address space may grow
OUTCOMES = ["success", "MemoryError", "other error"]  # by exit code

Calls = dict[str, "Callable[[], object]"]


def make_calls(folder: Path) -> Calls:
    """Return the calls to run, by name; none that writes with pyarrow, which may abort."""
    ratings = ft.datasets.synthetic(120_000, 2000, 1500)
    settings: dict[str, Any] = {"n_epochs": 2, "random_state": 0, "n_threads": 3}
    model = ft.MatrixFactorization(32, **settings).fit(ratings)
    path = folder / "model.npz"
    model.save(path)
    users = np.arange(2000, 2300).repeat(30)
    new = users, np.tile(model.items_[:900], 10), np.ones(len(users))
    # Several row bands and column bands: 120,000 × 256 is more than the work of seven blocks.
    wide, svdpp = (ft.MatrixFactorization(256, **settings, svdpp=svdpp) for svdpp in (False, True))
    rounded = (*ratings[:2], ratings[2].round(1))
    store = ft.RatingStore.create(folder / "ratings.store", rounded)
    early = ft.MatrixFactorization(256, **settings, early_stopping=True)
    implicit = ft.ImplicitMatrixFactorization(64, **settings)
    clicks = ft.RatingStore.create(folder / "clicks.store", ratings[:2], columns=("user", "item"))
    for fitted, source in ((wide, store), (implicit, clicks)):
        fitted.fit(source)  # imports what it needs
    return {
        "fit_store": lambda: wide.fit(store),
        "fit_store_early": lambda: early.fit(store),
        "partial_fit_store": lambda: model.partial_fit(store),
        "fit_clicks_store": lambda: implicit.fit(clicks),
        "fit": lambda: wide.fit(ratings),
        "fit_svdpp": lambda: svdpp.fit(ratings),
        "partial_fit": lambda: model.partial_fit(ratings),
        "predict": lambda: model.predict(tuple(np.tile(ids, 4) for ids in ratings[:2])),
        "recommend": lambda: model.recommend(n=10),
        "recommend_items": lambda: model.recommend(items=model.items_[::2], n=10),
        "similar_items": lambda: model.similar_items(model.items_, n=5),
        "save": lambda: model.save(folder / "saved.npz"),
        "load": lambda: ft.load(path),
        "load_mapped": lambda: ft.load(path, mmap=True).recommend(n=5),
        "add_users": lambda: model.add_users(new),
        "remove_users": lambda: model.remove_users(model.users_[:100]),
        "remove_items": lambda: model.remove_items(model.items_[:100]),
    }


def run(call: Callable[[], object], headroom: int, timeout: float = TIMEOUT) -> str:
    """Run a call in a process whose address space may grow by `headroom` bytes.

    Returns
    -------
    str
        "success", "MemoryError", "other error", "timeout", or the name of the signal that ended it.
    """
    pid = os.fork()
    if pid == 0:
        code = OUTCOMES.index("other error")
        try:
            code = _run_limited(call, headroom)
        finally:
            os._exit(code)
    descriptor = os.pidfd_open(pid)
    in_time, _, _ = select.select([descriptor], [], [], timeout)
    if not in_time:
        os.kill(pid, signal.SIGUSR1)  # print where its threads are
        select.select([descriptor], [], [], 1.0)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(descriptor)
    if not in_time:
        return "timeout"
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    code = os.WEXITSTATUS(status)
    return OUTCOMES[code] if code < len(OUTCOMES) else f"exit code {code}"


def _run_limited(call: Callable[[], object], headroom: int) -> int:
    square = np.ones((256, 256))
    square @ square  # BLAS starts its threads again in a forked process
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used, hard))
    filling = []  # use up what the process has allocated and freed
    for size in (1 << 22, 1 << 18, 1 << 14, 1 << 11):
        with contextlib.suppress(MemoryError):
            while True:
                filling.append(bytearray(size))
    resource.setrlimit(resource.RLIMIT_AS, (used + headroom, hard))
    try:
        call()
    except MemoryError:
        return OUTCOMES.index("MemoryError")
    except BaseException:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        traceback.print_exc()
        return OUTCOMES.index("other error")
    return OUTCOMES.index("success")


def run_all(calls: Calls, n_runs: int, seed: int) -> Counter[tuple[str, str]]:
    """Run every call in turn with random limits; return the number of each (call, outcome)."""
    generator = random.Random(seed)  # noqa: S311
    counts: Counter[tuple[str, str]] = Counter()
    for number in range(n_runs):
        name = list(calls)[number % len(calls)]
        headroom = int(SMALLEST * (LARGEST / SMALLEST) ** generator.random())
        outcome = run(calls[name], headroom)
        counts[name, outcome] += 1
        if outcome not in OUTCOMES[:2]:
            print(f"run {number}: {name} with {headroom} bytes: {outcome}", file=sys.stderr)
    return counts


def main() -> int:
    """Print the number of runs for each call and outcome."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", default="")
    options = parser.parse_args()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    with tempfile.TemporaryDirectory() as folder:
        calls = make_calls(Path(folder))
        if options.calls:
            calls = {name: calls[name] for name in options.calls.split(",")}
        counts = run_all(calls, options.runs, options.seed)
    for (name, outcome), count in sorted(counts.items()):
        print(f"{name:16} {outcome:12} {count:6}")
    failed = [outcome for _, outcome in counts if outcome not in OUTCOMES[:2]]
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
