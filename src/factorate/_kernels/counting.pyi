from numpy import uint8
from numpy.typing import NDArray

from factorate._utils.types import Offsets, Rows

def count(rows: Rows, counts: Offsets) -> int: ...
def count_in_bytes(rows: Rows, units: NDArray[uint8], rest: Offsets) -> None: ...
def group(keys: Rows, values: Rows, cursor: Offsets, out: Rows) -> None: ...
def regroup(
    users_by_item: Rows,
    item_starts: Offsets,
    user_starts: Offsets,
    user_ends: Offsets,
    out: Rows,
) -> None: ...
def pack(
    starts: Offsets,
    packed_starts: Offsets,
    values: Rows,
    out: Rows,
) -> None: ...
