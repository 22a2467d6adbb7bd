from typing import Any

from numpy import floating, int32, int64, uint64
from numpy.typing import NDArray

def count(codes: NDArray[int32], counts: NDArray[int64]) -> int: ...
def count_tiles(
    users: NDArray[int32],
    items: NDArray[int32],
    begin: int,
    end: int,
    user_tile: NDArray[int32],
    item_tile: NDArray[int32],
    tile: NDArray[int32],
    counts: NDArray[int64],
) -> None: ...
def scatter(
    users: NDArray[int32],
    items: NDArray[int32],
    ratings: NDArray[floating[Any]],
    weights: NDArray[floating[Any]],
    begin: int,
    end: int,
    user_place: NDArray[int32],
    item_place: NDArray[int32],
    user_tile: NDArray[int32],
    item_tile: NDArray[int32],
    tile: NDArray[int32],
    cursor: NDArray[int64],
    out_users: NDArray[int32],
    out_items: NDArray[int32],
    out_ratings: NDArray[floating[Any]],
    out_weights: NDArray[floating[Any]],
) -> None: ...
def group(
    keys: NDArray[int32], values: NDArray[int32], cursor: NDArray[int64], out: NDArray[int32]
) -> None: ...
def regroup(
    users_by_item: NDArray[int32],
    item_starts: NDArray[int64],
    user_starts: NDArray[int64],
    user_ends: NDArray[int64],
    out: NDArray[int32],
) -> None: ...
def pack(
    starts: NDArray[int64],
    packed_starts: NDArray[int64],
    values: NDArray[int32],
    out: NDArray[int32],
) -> None: ...
def shuffle_tiles(
    starts: NDArray[int64],
    begin: int,
    end: int,
    first_user: NDArray[int32],
    first_item: NDArray[int32],
    n_items: NDArray[int32],
    n_bits: int,
    users: NDArray[int32],
    items: NDArray[int32],
    ratings: NDArray[floating[Any]],
    weights: NDArray[floating[Any]],
    keys: NDArray[uint64],
    origins: NDArray[int32],
    old_rows: NDArray[int32],
    old_values: NDArray[floating[Any]],
) -> None: ...
