"""Accuracy on seven sets of real ratings, as Markdown tables; one thread.

`table` compares the defaults with other libraries, `tuned` with settings that
`MatrixFactorizationCV` chooses on the training set; `fold_in` adds users after training, `nights`
continues with `warm_start`, `partial` with `partial_fit`, and `settings` varies single settings.

Sets are read from the folder FACTORATE_TEST_DATA (default ../shared/data). A random tenth is the
test set of each seed; test sets choose nothing.

Run: python -m benchmarks.accuracy [PART ...] [--sets SET ...] [--seeds SEED ...]
"""

from __future__ import annotations

import argparse
import platform
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import factorate as ft
from benchmarks.accuracy.comparison import compare_with_peers, compare_with_tuned
from benchmarks.accuracy.data import SETS
from benchmarks.accuracy.new_users import add_new_users
from benchmarks.accuracy.peers import PEERS
from benchmarks.accuracy.settings import vary_settings
from benchmarks.accuracy.tables import Options
from benchmarks.accuracy.updates import repeat_nights, update_partially
from benchmarks.environments import default_environments
from factorate._kernels import dispatch

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: dict[str, Callable[[Options], None]] = {
    "table": compare_with_peers,
    "tuned": compare_with_tuned,
    "fold_in": add_new_users,
    "nights": repeat_nights,
    "partial": update_partially,
    "settings": vary_settings,
}


def main() -> None:
    """Print the chosen tables."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=summary)
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    add("--sets", nargs="+", choices=SETS, default=SETS)
    add("--seeds", nargs="+", type=int, default=[], help="default: 0 to 2, MovieLens 0 to 4")
    add("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="libraries of the table")
    add("--libmf", metavar="PATH", help="shared library of LIBMF, built manually")
    add("--environments", type=Path, default=default_environments())
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    peers = [peer for peer in arguments.peers if peer != "LIBMF" or arguments.libmf]
    options = Options(
        sets=tuple(arguments.sets),
        given_seeds=tuple(arguments.seeds),
        peers=tuple(peers),
        libmf=arguments.libmf,
        environments=arguments.environments,
    )
    warnings.simplefilter("ignore", ft.UnknownIdWarning)
    print(f"{platform.machine()}, {dispatch.chosen()}, one thread, float32")
    for part in arguments.parts or PARTS:
        PARTS[part](options)


if __name__ == "__main__":
    main()
