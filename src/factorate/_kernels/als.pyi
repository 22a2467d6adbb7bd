from typing import Protocol

from factorate._utils.types import Doubles, Floats, Offsets, Rows

N_ROWS: int

class _Rows(Protocol):
    @property
    def starts(self) -> Offsets: ...
    @property
    def others(self) -> Rows: ...
    @property
    def weights(self) -> Floats: ...

class _Scratch(Protocol):
    @property
    def matrix(self) -> Floats: ...
    @property
    def packed(self) -> Floats: ...
    @property
    def vectors(self) -> Floats: ...

def gram(factors: Floats, first: int, stop: int, out: Floats) -> None: ...
def solve(
    rows: _Rows,
    factors: Floats,
    base: Floats,
    penalties: Floats,
    first: int,
    stop: int,
    scratch: _Scratch,
    out: Floats,
) -> None: ...
def improve(
    rows: _Rows,
    factors: Floats,
    base: Floats,
    penalties: Floats,
    n_steps: int,
    first: int,
    stop: int,
    scratch: _Scratch,
    out: Floats,
    losses: Doubles,
) -> None: ...
