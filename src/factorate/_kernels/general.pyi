from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from factorate._utils.types import Floats, Rows

class Loss(IntEnum):
    SQUARED = ...
    ABSOLUTE = ...
    HUBER = ...
    LOGISTIC = ...
    HINGE = ...
    SQUARED_HINGE = ...
    KULLBACK_LEIBLER = ...

def train(
    user_positions: Rows,
    item_positions: Rows,
    ratings: Floats,
    weights: Floats,
    P: Floats,
    Q: Floats,
    user_bias: Floats,
    item_bias: Floats,
    user_constants: Floats,
    item_constants: Floats,
    user_accumulators: Floats,
    item_accumulators: Floats,
    rule: Mapping[str, Any],
) -> float: ...
