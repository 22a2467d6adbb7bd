"""The defaults compared with other libraries, and with settings chosen on the training set."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import factorate as ft
from benchmarks.accuracy.data import ROOT, read, standard_split
from benchmarks.accuracy.models import error, fit, timed_fit
from benchmarks.accuracy.peers import PEERS, TOO_SLOW
from benchmarks.accuracy.tables import print_head, print_row, spread
from benchmarks.environments import environment

if TYPE_CHECKING:
    from benchmarks.accuracy.tables import Options


def compare_with_peers(options: Options) -> None:
    """Print the test RMSE of the peers and of factorate, all with their default settings."""
    print_head(
        "Test RMSE of default settings, mean ± standard deviation",
        "set",
        *options.peers,
        "factorate",
    )
    for name in options.sets:
        cells = [peer_cell(peer, name, options) for peer in options.peers]
        errors = []
        for seed in options.seeds(name):
            training, test = standard_split(read(name), seed)
            errors.append(error(fit(training, seed), test))
        print_row(name, *cells, spread(errors))
    for peer, name in sorted(TOO_SLOW):
        if peer in options.peers and name in options.sets:
            print(f"\n{peer} on {name} is not measured: a fit takes several minutes.")


def peer_cell(peer: str, name: str, options: Options) -> str:
    """Return the RMSE of a peer on a set, or a dash if it is not measured."""
    if (peer, name) in TOO_SLOW:
        return "–"
    try:
        return spread([run_peer(peer, name, seed, options) for seed in options.seeds(name)])
    except (subprocess.SubprocessError, OSError) as problem:
        message = getattr(problem, "stderr", None) or str(problem)
        print(f"{peer}, {name}: {message.strip()[-300:]}", file=sys.stderr, flush=True)
        return "–"


def run_peer(peer: str, name: str, seed: int, options: Options) -> float:
    """Return the test RMSE of a peer, fitted in a process of its environment."""
    python = environment(PEERS[peer], options.environments)
    module = "benchmarks.accuracy.peers"
    command = [python, "-W", "ignore", "-m", module, peer, name, str(seed), options.libmf or ""]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout.splitlines()[-1])["rmse"])


def compare_with_tuned(options: Options) -> None:
    """Print the test RMSE of the defaults and of MatrixFactorizationCV, and their seconds."""
    print_head(
        "Settings chosen on the training set by `MatrixFactorizationCV`; seconds are medians",
        *("set", "default", "s", "tuned", "s", "× default", "chosen, first seed"),
    )
    for name in options.sets:
        print_tuned(name, options)
        if name == "ml-1m":
            print_tuned(name, options, svdpp=True)


def print_tuned(name: str, options: Options, **settings: Any) -> None:
    """Print a row of the table of chosen settings."""
    chosen = []
    errors: tuple[list[float], list[float]] = [], []
    seconds: tuple[list[float], list[float]] = [], []
    for seed in options.seeds(name):
        training, test = standard_split(read(name), seed)
        common = {"random_state": seed, "n_threads": 1, "clip": True, **settings}
        tuned = ft.MatrixFactorizationCV(**common)
        for place, model in enumerate((ft.MatrixFactorization(**common), tuned)):
            seconds[place].append(timed_fit(model, training))
            errors[place].append(error(model, test))
        chosen.append(tuned.best_params_)
    default, search = (statistics.median(column) for column in seconds)
    label = name + "".join(f", {key}={value}" for key, value in settings.items())
    cells = spread(errors[0]), f"{default:.3f}", spread(errors[1]), f"{search:.2f}"
    print_row(label, *cells, f"{search / default:.0f}", chosen[0])
