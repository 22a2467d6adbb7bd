from factorate._utils.types import Floats, Rows

LOOKAHEAD: int
PADDING: int

def train(
    user_positions: Rows,
    item_positions: Rows,
    ratings: Floats,
    P: Floats,
    Q: Floats,
    user_columns: Floats,
    item_columns: Floats,
    user_ratio: float,
    item_ratio: float,
    fit_bias: bool,
) -> float: ...
