"""Compare ImplicitMatrixFactorization with implicit's ALS and BPR and with popularity.

`ml-1m` recommends the last interaction of each user of MovieLens 1M among 100 random others;
`strong` recommends to users who are folded in after training; `speed` measures the time per epoch
and the memory for one million to a hundred million interactions; `bits` compares results for 1, 2,
3 and 8 threads, and folded-in users with exact solutions; `hits` compares hit rates with those of
predicted ratings; `tuned` compares the defaults with what ImplicitMatrixFactorizationCV chooses.

Sets are read from the folder FACTORATE_TEST_DATA (default ../shared/data). Settings are chosen on
parts of the training sets, by the same search for all models. Every model runs in a process of its
own, implicit in an environment of its own with a single-threaded BLAS, as it recommends.

Run: python -m benchmarks.implicit_feedback [PART ...] [--models MODEL ...]
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.environments import default_environments
from benchmarks.implicit_feedback.bits import compare_bits
from benchmarks.implicit_feedback.data import HIT_SETS, STRONG_SETS
from benchmarks.implicit_feedback.hits import compare_hit_rates
from benchmarks.implicit_feedback.last_interaction import recommend_last_interaction
from benchmarks.implicit_feedback.models import MODELS
from benchmarks.implicit_feedback.options import Options
from benchmarks.implicit_feedback.speed import compare_speed
from benchmarks.implicit_feedback.strong import recommend_to_new_users
from benchmarks.implicit_feedback.tuned import compare_with_tuned
from factorate._kernels import dispatch

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: dict[str, Callable[[Options], None]] = {
    "ml-1m": recommend_last_interaction,
    "strong": recommend_to_new_users,
    "speed": compare_speed,
    "bits": compare_bits,
    "hits": compare_hit_rates,
    "tuned": compare_with_tuned,
}


def main() -> None:
    """Print the chosen tables."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.implicit_feedback", description=summary
    )
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    add("--models", nargs="+", choices=MODELS, default=list(MODELS))
    add(
        "--sets",
        nargs="+",
        choices=sorted({*STRONG_SETS, *HIT_SETS}),
        help="of strong, hits and tuned",
    )
    add("--trials", type=int, default=24, help="of the search for settings; 0 for defaults only")
    add("--seeds", type=int, default=3, help="number of seeds")
    add("--runs", type=int, default=5, help="repetitions of each time")
    add("--millions", type=int, nargs="+", default=[1, 10, 100], help="interactions of speed")
    add("--factors", type=int, nargs="+", default=[64, 128], help="factors of speed")
    add("--environments", type=Path, default=default_environments())
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    print(f"NumPy {np.__version__}, {platform.machine()}, {dispatch.chosen()}\n", flush=True)
    options = Options(
        models=tuple(arguments.models),
        sets=arguments.sets,
        n_trials=arguments.trials,
        n_seeds=arguments.seeds,
        n_runs=arguments.runs,
        millions=tuple(arguments.millions),
        factors=tuple(arguments.factors),
        environments=arguments.environments,
    )
    for part in arguments.parts or PARTS:
        print(f"## {part}\n", flush=True)
        PARTS[part](options)
        print(flush=True)


if __name__ == "__main__":
    main()
