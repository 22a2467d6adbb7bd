from typing import Protocol

from numpy import uint64
from numpy.typing import NDArray

from factorate._utils.types import Floats, Offsets, Rows

class _Ranges(Protocol):
    @property
    def user_ranges(self) -> Rows: ...
    @property
    def item_ranges(self) -> Rows: ...
    @property
    def numbers(self) -> Rows: ...

class _Layout(_Ranges, Protocol):
    @property
    def user_positions(self) -> Rows: ...
    @property
    def item_positions(self) -> Rows: ...

class _Out(Protocol):
    @property
    def user_positions(self) -> Rows: ...
    @property
    def item_positions(self) -> Rows: ...
    @property
    def ratings(self) -> Floats: ...
    @property
    def weights(self) -> Floats: ...

class _Tiles(Protocol):
    @property
    def starts(self) -> Offsets: ...
    @property
    def first_user_positions(self) -> Rows: ...
    @property
    def first_item_positions(self) -> Rows: ...
    @property
    def n_items(self) -> Rows: ...
    @property
    def n_bits(self) -> int: ...

class _Scratch(Protocol):
    @property
    def keys(self) -> NDArray[uint64]: ...
    @property
    def origins(self) -> Rows: ...
    @property
    def rows(self) -> Rows: ...
    @property
    def values(self) -> Floats: ...

def count(user_rows: Rows, item_rows: Rows, layout: _Ranges, counts: Offsets) -> None: ...
def scatter(
    user_rows: Rows,
    item_rows: Rows,
    values: Floats,
    weights: Floats,
    layout: _Layout,
    cursor: Offsets,
    out: _Out,
) -> None: ...
def shuffle(
    user_positions: Rows,
    item_positions: Rows,
    values: Floats,
    weights: Floats,
    tiles: _Tiles,
    begin: int,
    end: int,
    scratch: _Scratch,
) -> None: ...
