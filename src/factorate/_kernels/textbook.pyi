from numpy import float64
from numpy.typing import NDArray

from factorate._utils.types import Rows

def train(
    user_rows: Rows,
    item_rows: Rows,
    ratings: NDArray[float64],
    P: NDArray[float64],
    Q: NDArray[float64],
    n_epochs: int,
    alpha: float,
    beta: float,
) -> None: ...
