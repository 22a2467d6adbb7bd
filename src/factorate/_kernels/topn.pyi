from typing import Any

from numpy import floating, int32, int64
from numpy.typing import NDArray

GROUP: int
PANEL_BYTES: int

def pack(
    rows: NDArray[int32],
    factors: NDArray[floating[Any]],
    scale: NDArray[floating[Any]],
    offset: NDArray[floating[Any]],
    panels: NDArray[floating[Any]],
) -> None: ...
def propose(
    rows: NDArray[int32],
    factors: NDArray[floating[Any]],
    panels: NDArray[floating[Any]],
    candidates: NDArray[int32],
    excluded_begin: NDArray[int64],
    excluded_end: NDArray[int64],
    excluded: NDArray[int32],
    slack: NDArray[floating[Any]],
    groups: NDArray[floating[Any]],
    tile: NDArray[floating[Any]],
    heaps: NDArray[floating[Any]],
    heap_places: NDArray[int32],
    heap_sizes: NDArray[int32],
    thresholds: NDArray[floating[Any]],
    scores: NDArray[floating[Any]],
    places: NDArray[int32],
    sizes: NDArray[int32],
) -> None: ...
def select(
    scores: NDArray[floating[Any]],
    codes: NDArray[int32],
    starts: NDArray[int64],
    excluded_begin: NDArray[int64],
    excluded_end: NDArray[int64],
    excluded: NDArray[int32],
    best_scores: NDArray[floating[Any]],
    best_codes: NDArray[int32],
) -> None: ...
