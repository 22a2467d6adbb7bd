"""Million ratings per second of the kernel on one thread, and of a loop written by hand.

(a) 64 users and 64 items in random order, which fit the cache
(b) 10 million skewed ratings of 69,878 users and 10,677 items, in the order of the rating schedule

The header of the kernels and `intrinsics.c` are compiled with each compiler; the installed kernel
is measured as well. The candidates take turns: in (b), each trains a stratum, then each the next
one. A percentage is the speed relative to the fastest loop written by hand, in the same turn.
Ratings are half-stars, which are stored as codes of 8 bits; with --continuous, they are stored as
values.

Run in the folder of the clone, on x86-64:

    python -m benchmarks.kernel [--compilers gcc clang] [--factors 16 64] [--continuous]
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import setup

import factorate as ft
from factorate import datasets
from factorate._input.id_index import range_index
from factorate._input.levels import MAX_SHORT
from factorate._input.ratings import Ratings
from factorate._kernels import dispatch
from factorate._kernels.plain import LOOKAHEAD
from factorate._training.block_order import block_order
from factorate._training.packed_ratings import PackedRatings
from factorate._training.schedule import make_schedule
from factorate._training.settings import check_settings
from factorate._utils.aligned import aligned_zeros

if TYPE_CHECKING:
    from collections.abc import Callable

    Loop = Callable[["Case", int, int], float]

HERE = Path(__file__).parent
N_USERS, N_ITEMS = 69_878, 10_677
N_CACHED = 64
CACHED_RATINGS = 500_000
FACTORS = (16, 32, 48, 64, 128, 256)
FLOAT = np.dtype(np.float32)
COLUMNS = [0.0, 0.005, 1 - 0.005 * 0.05, 1 - 0.005 * 0.05]  # bias, rate, decay, decay of the bias


@dataclass(frozen=True, kw_only=True)
class Case:
    """Ratings, the rows that they update, and the ranges of tiles of each turn."""

    ratings: PackedRatings
    P: Any
    Q: Any
    user_columns: Any
    item_columns: Any
    turns: list[list[tuple[int, int]]]

    def reset(self, values: tuple[Any, Any]) -> None:
        """Set the factors to the values given and the biases to zero."""
        self.P[:], self.Q[:] = values
        self.user_columns[:] = self.item_columns[:] = COLUMNS


class Tiles(ctypes.Structure):
    """The arrays of a case, as tiles.h defines them."""

    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in (
            *("pairs", "codes", "levels", "values", "starts", "first_users", "first_items"),
            *("P", "Q", "users", "items"),
        )
    )


def main() -> None:
    """Print the speed of every candidate."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--compilers", nargs="+", default=[os.environ.get("CC", "cc")])
    parser.add_argument("--factors", nargs="+", type=int, choices=FACTORS, default=FACTORS)
    parser.add_argument("--isa", nargs="+", choices=["avx2", "avx512"], default=["avx512", "avx2"])
    parser.add_argument("--ratings", type=int, default=10_000_000)
    parser.add_argument("--turns", type=int, default=15, help="of each candidate in (a)")
    parser.add_argument("--continuous", action="store_true", help="ratings without codes")
    parser.add_argument("--installed", action="store_true", help="measure the installed kernel too")
    arguments = parser.parse_args()
    users, items, values = datasets.synthetic(arguments.ratings, N_USERS, N_ITEMS)
    values = (values - values.mean()) / values.std()
    if not arguments.continuous:
        values = np.round(2 * values) / 2
    with tempfile.TemporaryDirectory() as folder:
        loops: dict[str, dict[str, Loop]] = {}
        for isa in sorted(set(arguments.isa) & set(dispatch.available())):
            loops[isa] = compile_loops(
                arguments.compilers, isa, Path(folder), is_coded=not arguments.continuous
            )
            if arguments.installed:
                loops[isa]["installed kernel"] = partial(train_installed, isa)
        for K in arguments.factors:
            cases = {
                "(a)": cached_case(values, K, arguments.turns),
                "(b)": scheduled_case(users, items, values, K),
            }
            for isa, (name, case) in itertools.product(loops, cases.items()):
                print(f"\n{name} K = {K}, {isa}: million ratings/s, % of the loop by hand")
                report(measure(case, loops[isa]))


def compile_loops(
    compilers: list[str], isa: str, folder: Path, *, is_coded: bool
) -> dict[str, Loop]:
    """Compile both loops with each compiler; return the functions."""
    loops: dict[str, Loop] = {}
    for source, compiler in itertools.product(("intrinsics", "tile_loop"), compilers):
        label = f"{'by hand' if source == 'intrinsics' else 'kernel'}, {compiler}"
        library = folder / f"{source}_{len(loops)}_{isa}.so"
        flags = setup.compile_flags(f"plain_{isa}", "gcc")
        flags += ["-shared", "-fPIC", f"-I{HERE.parent / setup.KERNELS}", f"-DCODED={is_coded:d}"]
        command = [*shlex.split(compiler), *flags, str(HERE / f"{source}.c"), "-o", str(library)]
        subprocess.run(command, check=True)
        function = ctypes.CDLL(str(library)).train
        function.argtypes = [ctypes.POINTER(Tiles)] + [ctypes.c_ssize_t] * 3
        function.restype = ctypes.c_double
        loops[label] = partial(train_compiled, function)
    return loops


def train_compiled(function: Any, case: Case, first_tile: int, end_tile: int) -> float:
    """Train some tiles with one of the C loops."""
    ratings = case.ratings
    arrays = (
        *(ratings.pairs, ratings.codes8, ratings.levels, ratings.values),
        *(ratings.tile_starts, ratings.first_user_positions, ratings.first_item_positions),
        *(case.P, case.Q, case.user_columns, case.item_columns),
    )
    tiles = Tiles(*(array.ctypes.data if len(array) else None for array in arrays))
    squared: float = function(ctypes.byref(tiles), first_tile, end_tile, case.P.shape[1])
    return squared


def train_installed(isa: str, case: Case, first_tile: int, end_tile: int) -> float:
    """Train some tiles with the kernel of the package."""
    rows = case.P, case.Q, case.user_columns, case.item_columns
    squared: float = dispatch.kernel("plain", isa).train(
        case.ratings, first_tile, end_tile, *rows, 1.0, 1.0
    )
    return squared


def make_case(
    ratings: PackedRatings, n_rows: tuple[int, int], K: int, turns: list[list[tuple[int, int]]]
) -> Case:
    """Allocate the rows of a case."""
    columns = [aligned_zeros((n, len(COLUMNS)), FLOAT) for n in n_rows]
    P, Q = (aligned_zeros((n, K), FLOAT) for n in n_rows)
    return Case(
        ratings=ratings, P=P, Q=Q, user_columns=columns[0], item_columns=columns[1], turns=turns
    )


def cached_case(values: Any, K: int, n_turns: int) -> Case:
    """Return one tile of few rows."""
    levels, codes = np.unique(values[:CACHED_RATINGS], return_inverse=True)
    is_coded = len(levels) <= MAX_SHORT
    generator = np.random.default_rng(0)
    ratings = PackedRatings(
        pairs=generator.integers(0, N_CACHED, (CACHED_RATINGS + LOOKAHEAD, 2), np.uint16),
        codes8=(codes if is_coded else codes[:0]).astype(np.uint8),
        codes16=np.empty(0, np.uint16),
        levels=levels if is_coded else levels[:0],
        values=values[: 0 if is_coded else CACHED_RATINGS],
        weights=np.empty(0, FLOAT),
        tile_starts=np.array([0, len(codes)]),
        first_user_positions=np.zeros(2, np.int32),
        first_item_positions=np.zeros(2, np.int32),
    )
    return make_case(ratings, (N_CACHED, N_CACHED), K, [[(0, 1)]] * n_turns)


def scheduled_case(users: Any, items: Any, values: Any, K: int) -> Case:
    """Return the ratings in the order of their schedule; each turn is a stratum."""
    given = Ratings(
        user_rows=users,
        item_rows=items,
        values=values,
        user_index=range_index(N_USERS),
        item_index=range_index(N_ITEMS),
        library=None,
    )
    settings = check_settings(ft.MatrixFactorization(K).get_params(), seed=0)
    schedule = make_schedule(given, settings)
    first = schedule.block_tiles
    blocks = [
        (int(first[block]), int(first[block + 1]))
        for block in block_order(schedule.n_bands, seed=0, epoch=1)
    ]
    size = min(schedule.n_bands)
    strata = [blocks[at : at + size] for at in range(0, len(blocks), size)]
    return make_case(schedule.packed, (N_USERS, N_ITEMS), K, strata)


def measure(case: Case, loops: dict[str, Loop]) -> dict[str, list[float]]:
    """Return the million ratings/s of each loop in each turn."""
    generator = np.random.default_rng(0)
    values = tuple(
        0.1 * generator.standard_normal(rows.shape, np.float32) for rows in (case.P, case.Q)
    )
    starts = case.ratings.tile_starts
    speeds: dict[str, list[float]] = {label: [] for label in loops}
    case.reset(values)
    for is_warm, turn in [(False, case.turns[0]), *((True, turn) for turn in case.turns)]:
        n = sum(int(starts[end] - starts[tile]) for tile, end in turn)
        for label, train in loops.items():
            if len(case.P) == N_CACHED:  # thousands of epochs on noise lead to denormals
                case.reset(values)
            start = time.perf_counter()
            for tile, end in turn:
                train(case, tile, end)
            if is_warm:
                speeds[label].append(n / (time.perf_counter() - start) / 1e6)
    return speeds


def report(speeds: dict[str, list[float]]) -> None:
    """Print medians with their spread."""
    by_hand = {label for label in speeds if label.startswith("by hand")}
    reference = speeds[max(by_hand, key=lambda label: statistics.median(speeds[label]))]
    for label, column in speeds.items():
        percents = [100 * x / y for x, y in zip(column, reference, strict=True)]
        cells = [
            f"{statistics.median(cell):5.0f} ({min(cell):.0f} to {max(cell):.0f})"
            for cell in (column, percents)
        ]
        print(f"{label:<24} {cells[0]:<20} {cells[1]}", flush=True)


if __name__ == "__main__":
    main()
