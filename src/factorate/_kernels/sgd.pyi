from typing import Any

from numpy import float64, floating, int32
from numpy.typing import NDArray

LOOKAHEAD: int
PADDING: int

def train(
    users: NDArray[int32],
    items: NDArray[int32],
    ratings: NDArray[floating[Any]],
    start: int,
    stop: int,
    P: NDArray[floating[Any]],
    Q: NDArray[floating[Any]],
    user_bias: NDArray[floating[Any]],
    item_bias: NDArray[floating[Any]],
    steps: NDArray[floating[Any]],
    fit_bias: bool,
) -> float: ...
def train_generally(
    users: NDArray[int32],
    items: NDArray[int32],
    ratings: NDArray[floating[Any]],
    weights: NDArray[floating[Any]],
    start: int,
    stop: int,
    P: NDArray[floating[Any]],
    Q: NDArray[floating[Any]],
    user_bias: NDArray[floating[Any]],
    item_bias: NDArray[floating[Any]],
    user_accumulators: NDArray[floating[Any]],
    item_accumulators: NDArray[floating[Any]],
    steps: NDArray[floating[Any]],
    loss: int,
    width: float,
    least: float,
    proximal: bool,
    adagrad: bool,
    fit_bias: bool,
) -> float: ...
def add_rows(
    targets: NDArray[int32],
    sources: NDArray[int32],
    start: int,
    stop: int,
    T: NDArray[floating[Any]],
    S: NDArray[floating[Any]],
) -> None: ...
def lift(
    P: NDArray[floating[Any]],
    own: NDArray[floating[Any]],
    sums: NDArray[floating[Any]],
    norm: NDArray[floating[Any]],
    start: int,
    stop: int,
) -> None: ...
def settle(
    P: NDArray[floating[Any]],
    own: NDArray[floating[Any]],
    sums: NDArray[floating[Any]],
    norm: NDArray[floating[Any]],
    keep: NDArray[floating[Any]],
    share: float,
    start: int,
    stop: int,
) -> None: ...
def predict(
    users: NDArray[int32],
    items: NDArray[int32],
    P: NDArray[floating[Any]],
    Q: NDArray[floating[Any]],
    user_bias: NDArray[floating[Any]],
    item_bias: NDArray[floating[Any]],
    mean: float,
    out: NDArray[floating[Any]],
) -> None: ...
def train_textbook(
    users: NDArray[int32],
    items: NDArray[int32],
    ratings: NDArray[float64],
    P: NDArray[float64],
    Q: NDArray[float64],
    n_epochs: int,
    alpha: float,
    beta: float,
) -> None: ...
