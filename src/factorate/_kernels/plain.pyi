from typing import Protocol, type_check_only

from numpy import uint8, uint16
from numpy.typing import NDArray

from factorate._utils.types import Floats, Offsets, Rows

LOOKAHEAD: int
PADDING: int

@type_check_only
class PackedPairs(Protocol):
    @property
    def pairs(self) -> NDArray[uint16]: ...
    @property
    def tile_starts(self) -> Offsets: ...
    @property
    def first_user_positions(self) -> Rows: ...
    @property
    def first_item_positions(self) -> Rows: ...

@type_check_only
class PackedRatings(PackedPairs, Protocol):
    @property
    def codes8(self) -> NDArray[uint8]: ...
    @property
    def codes16(self) -> NDArray[uint16]: ...
    @property
    def levels(self) -> Floats: ...
    @property
    def values(self) -> Floats: ...
    @property
    def weights(self) -> Floats: ...
    @property
    def centre(self) -> float: ...
    @property
    def scale(self) -> float: ...

def train(
    ratings: PackedRatings,
    first_tile: int,
    end_tile: int,
    P: Floats,
    Q: Floats,
    user_columns: Floats,
    item_columns: Floats,
    user_ratio: float,
    item_ratio: float,
) -> float: ...
