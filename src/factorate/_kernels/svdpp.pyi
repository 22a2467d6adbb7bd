from factorate._kernels.plain import PackedPairs
from factorate._utils.types import Floats

def add_rows(
    ratings: PackedPairs, first_tile: int, end_tile: int, to_items: bool, T: Floats, S: Floats
) -> None: ...
def combine(P: Floats, own: Floats, work: Floats, norm: Floats, start: int, stop: int) -> None: ...
def distribute(
    P: Floats,
    own: Floats,
    work: Floats,
    norm: Floats,
    decay: Floats,
    fraction: float,
    start: int,
    stop: int,
) -> None: ...
