"""Write and read arrays as ``.npy`` files whose checksums are kept elsewhere."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._store.folder import read_file
from factorate.exceptions import RatingStoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._store.folder import Folder

MAX_HEADER = 1 << 10  # bytes; those of NumPy have 128


def write_array(path: Folder, array: NDArray[Any]) -> int:
    """Write an array to a new ``.npy`` file, and return the checksum of the file.

    Parameters
    ----------
    path : Path or RemotePath
        The file.
    array : ndarray
        An array without objects.

    Returns
    -------
    int
        CRC-32 of all bytes of the file.
    """
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    header, data = _header(array.dtype, array.shape), array.reshape(-1).view(np.uint8).data
    with path.open("wb") as file:
        file.write(header)
        file.write(data)
    return zlib.crc32(data, zlib.crc32(header))


def read_array(
    path: Folder, dtypes: str | list[Any], shape: tuple[int, ...], checksum: int
) -> NDArray[Any]:
    """Read an array that `write_array` wrote, and check it.

    Parameters
    ----------
    path : Path or RemotePath
        The file.
    dtypes : str or list
        The dtypes that it may have, as in `numpy.dtype.str` without the byte order and separated by
        spaces, where "M8" means datetimes of any unit; or the fields of a structured dtype.
    shape : tuple of int
        The shape that it must have.
    checksum : int
        What `write_array` returned.

    Returns
    -------
    ndarray
        In the byte order of this machine; it may be read-only.

    Raises
    ------
    RatingStoreError
        If the file is missing, cut short or changed.
    """
    try:
        content = read_file(path)
    except FileNotFoundError:
        raise damaged(path, "it is missing") from None
    if zlib.crc32(content.data) != checksum:
        raise damaged(path, f"its checksum is not that of the manifest ({len(content)} bytes)")
    begin, dtype = _find_dtype(path, content[:MAX_HEADER].tobytes(), dtypes, shape)
    n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if begin + n_bytes != len(content):
        raise damaged(path, f"it has {len(content)} bytes; expected {begin + n_bytes}")
    array = content[begin:].view(dtype).reshape(shape)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def damaged(path: Folder, reason: object) -> RatingStoreError:
    """Return the error for a file of a store whose content is wrong."""
    return RatingStoreError(f"{path} is damaged: {reason}; create the store again")


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of a file."""
    header = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(dtype)
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()


def _find_dtype(
    path: Folder, start: bytes, dtypes: str | list[Any], shape: tuple[int, ...]
) -> tuple[int, np.dtype[Any]]:
    """Return where the data begin, and their dtype, which must be one of those expected."""
    # Parsing is slow, and when memory is short, Python's parser may raise SystemError.
    names = [dtypes] if isinstance(dtypes, list) else dtypes.replace("M8", "").split()
    for name in names:
        dtype = np.dtype(name).newbyteorder("<")
        header = _header(dtype, shape)
        if start.startswith(header):
            return len(header), dtype
    file = io.BytesIO(start)
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"version {version} of .npy; expected (1, 0)")
        found, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    except (ValueError, MemoryError) as error:
        raise damaged(path, error) from None
    is_expected = (
        dtype == np.dtype(dtypes) if isinstance(dtypes, list) else _code(dtype) in dtypes.split()
    )
    if not is_expected or fortran_order or found != shape:
        raise damaged(path, f"it has shape {found} and dtype {dtype}; expected shape {shape}")
    return file.tell(), dtype


def _code(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "M":
        return "" if np.datetime_data(dtype)[0] == "generic" else "M8"
    return dtype.str[1:] if dtype.kind in "biuf" else ""
