"""Make Parquet files with columns of many types, names and values."""

from __future__ import annotations

import datetime
import decimal
import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet

if TYPE_CHECKING:
    import random

ROWS = 3
NAMES = ["user", "item", "rating", "userId", "score", "a.b", "", "\x1b[31m\n", "é"]
TYPES: list[tuple[Any, list[Any]]] = [
    (pa.int64(), [0, 1, -(2**63), 2**63 - 1]),
    (pa.uint64(), [0, 1, 2**64 - 1]),
    (pa.int8(), [0, -128, 127]),
    (pa.float64(), [0.5, 1.0, -1e308, float("nan"), float("inf")]),
    (pa.float32(), [1.0, 2.5]),
    (pa.bool_(), [True, False]),
    (pa.string(), ["a", "", "b\0", "é"]),
    (pa.large_string(), ["a", "b"]),
    (pa.binary(), [b"", b"\xff", b"a"]),
    (pa.binary(2), [b"ab", b"\0\xff"]),
    (pa.date32(), [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
    (pa.timestamp("us"), [0, 1, 2**63 - 1, -(2**63)]),
    (pa.timestamp("ms", "UTC"), [0, 1, 2**62]),
    (pa.timestamp("ns", "Nowhere/Bad"), [0, 1, -(2**62)]),
    (pa.time32("s"), [0, 1]),
    (pa.duration("s"), [0, 1]),
    (pa.decimal128(38, 0), [decimal.Decimal(10**37), decimal.Decimal(-1)]),
    (pa.decimal128(5, 2), [decimal.Decimal("1.00"), decimal.Decimal("2.5")]),
    (pa.decimal256(70, 0), [decimal.Decimal(10**60), decimal.Decimal(1)]),
    (pa.null(), [None]),
    (pa.list_(pa.int64()), [[], [1, 2]]),
    (pa.struct({"user": pa.int64()}), [{"user": 1}, {"user": None}]),
    (pa.map_(pa.string(), pa.int64()), [[("a", 1)], []]),
]


def generate(choose: random.Random) -> bytes:
    """Return a Parquet file."""
    columns, names = [], []
    for name in NAMES[: choose.choice([0, 1, 2, 3, 3, 3, 3, 3, 5, 9])]:
        names.append(name if choose.random() < 0.8 else choose.choice(NAMES))
        columns.append(_column(choose, "user" if choose.random() < 0.5 else "any"))
    n_rows = choose.choice([0, ROWS, ROWS, ROWS])
    table = pa.Table.from_arrays([column[:n_rows] for column in columns], names)
    out = io.BytesIO()
    pyarrow.parquet.write_table(
        table,
        out,
        compression=choose.choice(["none", "snappy", "gzip", "zstd"]),
        use_dictionary=choose.random() < 0.5,
        row_group_size=choose.choice([1, 2, 100]),
        write_page_checksum=choose.random() < 0.1,
        store_schema=choose.random() < 0.8,
    )
    return out.getvalue()


def _column(choose: random.Random, kind: str) -> Any:
    """Return a column of integers and floats, or of any type, sometimes with missing values."""
    found, values = choose.choice(TYPES[:4] if kind == "user" else TYPES)
    chosen = [choose.choice(values) for _ in range(ROWS)]
    if choose.random() < 0.1:
        chosen[choose.randrange(ROWS)] = None
    column = pa.array(chosen, found)
    can_encode = not pa.types.is_nested(found) and not pa.types.is_null(found)
    if can_encode and choose.random() < 0.2:
        return column.dictionary_encode()
    return column
