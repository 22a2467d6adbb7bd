from factorate._utils.types import Floats, Rows

LOOKAHEAD: int
PADDING: int

def train(
    user_positions: Rows,
    item_positions: Rows,
    ratings: Floats,
    P: Floats,
    Q: Floats,
    user_bias: Floats,
    item_bias: Floats,
    user_constants: Floats,
    item_constants: Floats,
    fit_bias: bool,
) -> float: ...
