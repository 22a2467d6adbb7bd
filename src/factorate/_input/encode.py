"""Encode columns of text and other objects as distinct values and an index for each entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_column import Encoded
from factorate._input.index_integers import number_distinct
from factorate._kernels import integers as kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Rows

MIN_ENTRIES = 1 << 12  # of an array that is encoded
SAMPLE = 1 << 20  # entries of an array that show whether it has few distinct objects


def encode_array(values: NDArray[Any]) -> Encoded | None:
    """Encode an array of objects or text; None if it is small or another way is as fast.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Objects that occur repeatedly, as those of a column of pandas often do, or text that
        pyarrow can read, if it is installed.

    Returns
    -------
    Encoded or None
        Objects among the distinct values may be equal.

    Examples
    --------
    >>> encoded = encode_array(np.array(["b", "a"] * 5000, object))
    >>> encoded.distinct.tolist(), encoded.indices[:4].tolist()
    (['b', 'a'], [0, 1, 0, 1])
    """
    if len(values) < MIN_ENTRIES:
        return None
    if values.dtype == object:
        encoded = _encode_objects(np.ascontiguousarray(values))
        if encoded is not None or set(map(type, values.tolist())) != {str}:
            return encoded
    try:
        import pyarrow
    except ImportError:
        return None
    try:
        return encode_arrow(pyarrow.array(values))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, pyarrow.ArrowTypeError):
        return None


def encode_arrow(column: Any) -> Encoded | None:
    """Encode text of pyarrow; None if it is not text, or values are missing.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
        Text, which may be dictionary-encoded.

    Returns
    -------
    Encoded or None
        The distinct values in ascending order, each of which occurs.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, pyarrow.ArrowTypeError
        If pyarrow cannot convert the column.
    """
    import pyarrow
    import pyarrow.compute

    types = pyarrow.types
    is_encoded = types.is_dictionary(column.type)
    found = column.type.value_type if is_encoded else column.type
    if not (types.is_string(found) or types.is_large_string(found) or types.is_string_view(found)):
        return None
    if isinstance(column, pyarrow.ChunkedArray) and column.num_chunks == 1:
        column = column.chunk(0)
    if not is_encoded:
        column = _dictionary_encode(column)
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    dictionary = column.dictionary.cast(pyarrow.large_string())
    if column.null_count or dictionary.null_count:
        return None
    indices = column.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    used = _used(indices, len(dictionary))
    if used is None:
        return None
    order = pyarrow.compute.sort_indices(dictionary).to_numpy()
    order = order[used[order]]
    ranks = np.zeros(len(dictionary), np.int32)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    kernel.replace(indices, ranks)
    distinct = dictionary.take(pyarrow.array(order)).to_pylist()
    return Encoded(np.fromiter(distinct, object, len(distinct)), indices)


def merge_equal(encoded: Encoded) -> Encoded:
    """Return a column of text without equal texts among the distinct values.

    Examples
    --------
    >>> column = Encoded(np.array(["b", "a", "b"], object), np.array([2, 1, 0], np.int32))
    >>> merged = merge_equal(column)
    >>> merged.distinct.tolist(), merged.indices.tolist()
    (['b', 'a'], [0, 1, 0])
    """
    texts = encoded.distinct.tolist()
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    if len(numbers) == len(texts):
        return encoded
    indices = encoded.indices.copy()
    kernel.replace(indices, np.fromiter(map(numbers.__getitem__, texts), np.int32, len(texts)))
    return Encoded(np.fromiter(numbers, object, len(numbers)), indices)


def _encode_objects(values: NDArray[Any]) -> Encoded | None:
    """Encode objects by their addresses; None if most objects occur once."""
    # The addresses are compared only, so another thread may replace the objects meanwhile.
    addresses = np.frombuffer(values, np.intp).astype(np.int64, copy=False)
    sample = number_distinct(addresses[:SAMPLE])
    if sample is None or 4 * len(sample.entries) > 3 * min(len(values), SAMPLE):
        return None
    numbered = number_distinct(addresses) if len(values) > SAMPLE else sample
    return None if numbered is None else Encoded(values[numbered.entries], numbered.numbers)


def _dictionary_encode(text: Any) -> Any:
    import pyarrow

    try:
        return text.dictionary_encode()
    except pyarrow.ArrowNotImplementedError:  # string_view, before pyarrow 21
        return text.cast(pyarrow.large_string()).dictionary_encode()


def _used(indices: Rows, n: int) -> NDArray[np.bool] | None:
    """Return which of the integers below `n` occur; None if others do."""
    used = np.zeros(1 << n.bit_length(), np.uint8)
    out = np.empty(len(indices), np.int32)
    if kernel.offsets(indices.view(np.uint32), 0, used, out) < 0 or used[n:].any():
        return None
    return used[:n].view(np.bool)
