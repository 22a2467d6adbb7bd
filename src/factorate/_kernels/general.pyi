from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from factorate._kernels.plain import PackedRatings
from factorate._utils.types import Floats

class Loss(IntEnum):
    SQUARED = ...
    ABSOLUTE = ...
    HUBER = ...
    LOGISTIC = ...
    HINGE = ...
    SQUARED_HINGE = ...
    KULLBACK_LEIBLER = ...

def train(
    ratings: PackedRatings,
    first_tile: int,
    end_tile: int,
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
