from factorate._utils.types import Floats, Rows

def predict(
    users: Rows,
    items: Rows,
    P: Floats,
    Q: Floats,
    user_bias: Floats,
    item_bias: Floats,
    mean: float,
    out: Floats,
) -> None: ...
