from factorate._utils.types import Floats, Rows

def predict(
    user_rows: Rows,
    item_rows: Rows,
    P: Floats,
    Q: Floats,
    user_bias: Floats,
    item_bias: Floats,
    mean: float,
    out: Floats,
) -> None: ...
