from typing import Any

from numpy import uint8
from numpy.typing import NDArray

from factorate._utils.types import Offsets, Rows

def offsets(values: NDArray[Any], first: int, seen: NDArray[uint8], out: Rows) -> int: ...
def replace(rows: Rows, replacements: Rows) -> None: ...
def number(
    values: Offsets,
    begin: int,
    distinct: Offsets,
    entries: Offsets,
    n_distinct: int,
    table: Rows,
    out: Rows,
) -> tuple[int, int]: ...
def number_by_table(
    values: NDArray[Any],
    begin: int,
    first: int,
    table: Rows,
    distinct: Offsets,
    n_distinct: int,
    out: Rows,
) -> tuple[int, int]: ...
