from factorate._utils.types import Floats, Rows

def add_rows(targets: Rows, sources: Rows, n: int, T: Floats, S: Floats) -> None: ...
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
