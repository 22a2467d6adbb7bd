from typing import Protocol

from factorate._utils.types import Floats, Offsets, Rows

GROUP: int
PANEL_BYTES: int

class _Excluded(Protocol):
    @property
    def begin(self) -> Offsets: ...
    @property
    def end(self) -> Offsets: ...
    @property
    def rows(self) -> Rows: ...

class _Scratch(Protocol):
    @property
    def groups(self) -> Floats: ...
    @property
    def group_scores(self) -> Floats: ...
    @property
    def heaps(self) -> Floats: ...
    @property
    def heap_indices(self) -> Rows: ...
    @property
    def heap_sizes(self) -> Rows: ...
    @property
    def thresholds(self) -> Floats: ...

class _Shortlist(Protocol):
    @property
    def scores(self) -> Floats: ...
    @property
    def candidate_indices(self) -> Rows: ...
    @property
    def sizes(self) -> Rows: ...

def pack(rows: Rows, factors: Floats, scale: Floats, offset: Floats, panels: Floats) -> None: ...
def propose(
    rows: Rows,
    factors: Floats,
    panels: Floats,
    candidates: Rows,
    excluded: _Excluded,
    slack: Floats,
    scratch: _Scratch,
    shortlist: _Shortlist,
) -> None: ...
def select(
    scores: Floats,
    rows: Rows,
    starts: Offsets,
    excluded: _Excluded,
    best_scores: Floats,
    best_rows: Rows,
) -> None: ...
