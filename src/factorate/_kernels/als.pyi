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

class _ProductScratch(Protocol):
    @property
    def rows(self) -> Floats: ...
    @property
    def products(self) -> Floats: ...

class _StepScratch(_ProductScratch, Protocol):
    @property
    def vectors(self) -> Floats: ...

class _Problem(Protocol):
    @property
    def factors(self) -> Floats: ...
    @property
    def basis(self) -> Floats: ...
    @property
    def values(self) -> Floats: ...
    @property
    def unobserved(self) -> float: ...
    @property
    def observed(self) -> Doubles: ...
    @property
    def penalties(self) -> Doubles: ...

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
def multiply(
    rows: Floats, matrix: Floats, first: int, stop: int, scratch: _ProductScratch, out: Floats
) -> None: ...
def improve(
    rows: _Rows,
    problem: _Problem,
    n_steps: int,
    first: int,
    stop: int,
    scratch: _StepScratch,
    initial: Floats,
    out: Floats,
    losses: Doubles,
) -> None: ...
