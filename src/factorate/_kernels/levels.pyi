from numpy import uint16, uint64
from numpy.typing import NDArray

from factorate._utils.types import Floats, Offsets

def count(
    values: Floats,
    keys: NDArray[uint64],
    multiplier: int,
    shift: int,
    counts: Offsets,
    max_levels: int,
) -> int: ...
def enter(
    levels: Floats,
    keys: NDArray[uint64],
    multiplier: int,
    shift: int,
    codes: NDArray[uint16],
    first: int,
) -> None: ...
def encode(
    values: Floats,
    keys: NDArray[uint64],
    multiplier: int,
    shift: int,
    codes: NDArray[uint16],
    counts: Offsets,
    out: NDArray[uint16],
) -> int: ...
