"""Store the ids of users or items as plain arrays, and read them again.

Ids that NumPy holds as numbers, bools or datetimes are stored as they are. Others become bytes, one
id after the other, with the position where each ends.
"""

from __future__ import annotations

import datetime
import itertools
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_index import IdIndex, keys
from factorate._utils.validation import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from factorate._utils.types import Arrays

KIND_OF_DTYPE = {"b": "bool", "i": "integer", "u": "integer", "M": "datetime"}


def store_ids(index: IdIndex, side: str) -> Arrays:
    """Return the arrays that hold the ids of an index.

    Parameters
    ----------
    index : IdIndex
        The ids.
    side : str
        "user" or "item", with which the names of the arrays begin.

    Raises
    ------
    ValueError
        If a datetime is finer than a file can hold.
    """
    if index.ids.dtype != object:
        return {f"{side}_ids": index.ids}
    encode = _ENCODE[index.kind]
    texts = [encode(value) for value in index.ids.tolist()]
    return {
        f"{side}_ids": np.frombuffer(b"".join(texts), np.uint8),
        f"{side}_id_ends": np.cumsum([len(text) for text in texts], dtype=np.int64),
    }


def restore_ids(arrays: Mapping[str, NDArray[Any]], side: str, kind: object) -> IdIndex:
    """Return the index whose ids `store_ids` stored.

    Raises
    ------
    ValueError
        If the arrays do not hold distinct ids of this kind.
    """
    ids, ends = arrays[f"{side}_ids"], arrays.get(f"{side}_id_ends")
    kinds = tuple(_DECODE) if ids.dtype == np.uint8 else (KIND_OF_DTYPE[ids.dtype.kind],)
    if kind not in kinds:
        raise ValueError(
            f"{side}_kind is {kind!r}, but {side}_ids has dtype {ids.dtype}; expected one of "
            f"{', '.join(kinds)}"
        )
    if (ids.dtype == np.uint8) != (ends is not None):
        raise ValueError(
            f"{side}_ids has dtype {ids.dtype}, but the file has {'no' if ends is None else 'a'} "
            f"member {side}_id_ends"
        )
    if ends is not None:
        ids = _decode(ids, ends, side, str(kind))
    elif ids.dtype.kind == "M" and np.isnat(ids).any():
        raise ValueError(f"{side}_ids has NaT, a missing id")
    if not _are_distinct(ids, str(kind)):
        raise ValueError(f"{side}_ids has an id twice")
    return IdIndex(ids, str(kind))


def _decode(text: NDArray[Any], ends: NDArray[Any], side: str, kind: str) -> NDArray[Any]:
    last = ends[-1] if len(ends) else 0
    if last != len(text) or (ends < 0).any() or (ends[1:] < ends[:-1]).any():
        raise ValueError(f"{side}_id_ends does not cut {side}_ids into ids")
    content = text.tobytes()
    spans = itertools.pairwise([0, *ends.tolist()])
    if kind == "str" and content.isascii():  # decoding all at once is three times as fast
        letters = content.decode()
        values = [letters[begin:end] for begin, end in spans]
    else:
        decode = _DECODE[kind]
        values = [decode(content[begin:end]) for begin, end in spans]
    return np.fromiter(values, object, len(values))


def _are_distinct(ids: NDArray[Any], kind: str) -> bool:
    if (ids[:-1] < ids[1:]).all():  # the usual case: after a fit, ids are sorted
        return True
    if ids.dtype == object:
        return len(set(keys(ids, kind))) == len(ids)
    return len(np.unique(ids)) == len(ids)


def _encode_datetime(value: Any) -> bytes:
    if getattr(value, "nanosecond", 0):
        raise ValueError(
            f"the id {show(value)} has nanoseconds, which a file holds only without a time zone; "
            f"round it, or convert the ids to UTC and drop the zone"
        )
    return bytes(value.astimezone(datetime.UTC).isoformat(), "ascii")


def _decode_datetime(text: bytes) -> datetime.datetime:
    value = datetime.datetime.fromisoformat(text.decode("ascii"))
    if value.tzinfo is None:
        raise ValueError(f"the id {value} has no time zone")
    return value.astimezone(datetime.UTC)


_ENCODE: dict[str, Callable[[Any], bytes]] = {
    "str": lambda value: value.encode("utf-8", "surrogatepass"),
    "bytes": bytes,
    "UUID": lambda value: value.bytes,
    "zoned datetime": _encode_datetime,
    "integer": lambda value: str(value).encode(),
}
_DECODE: dict[str, Callable[[bytes], Any]] = {
    "str": lambda text: text.decode("utf-8", "surrogatepass"),
    "bytes": bytes,
    "UUID": lambda text: uuid.UUID(bytes=text),
    "zoned datetime": _decode_datetime,
    "integer": int,
}
TEXT_KINDS = tuple(_DECODE)  # the kinds that are stored as bytes
