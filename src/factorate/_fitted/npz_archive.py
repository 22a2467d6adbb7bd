"""Read and write ``.npz`` files of aligned arrays and one JSON member.

The JSON member comes first. The others are NumPy's own ``.npy`` format, stored without compression,
and their data begin on a cache line of the file, so that they can be mapped.

Nothing in a file is trusted. The directory of the zip file states where a member is, and the
``.npy`` header its dtype and shape; both are checked against the file's size and a table of
expected members before anything is allocated or mapped. Since members are stored and may not
overlap, no array is larger than the file.
"""

from __future__ import annotations

import errno
import json
import math
import mmap
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from factorate._utils.aligned import ALIGNMENT, aligned_zeros
from factorate._utils.atomic_files import replacing
from factorate.exceptions import ModelFileError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from factorate._utils.types import Arrays

    Metadata = dict[str, Any]

METADATA = "factorate.json"
MAX_METADATA = 1 << 20  # bytes; a model needs some thousands
MAX_HEADER = 1 << 10  # bytes of a .npy header; those of NumPy have 128
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the first of a zip file: the same arrays give the same bytes
CHUNK = 1 << 20  # bytes read at a time: they are still in the cache when they are checked

# A local header, and the extra field that zipfile adds for sizes of 64 bits (APPNOTE.TXT of
# PKWARE, 4.3.7 and 4.5.3).
LOCAL_HEADER = struct.Struct("<4s22xHH")
SIGNATURE = b"PK\x03\x04"
ZIP64_FIELD = 20
# The header that NumPy writes for numbers in C order; parsing any other takes ten times as long.
USUAL_HEADER = re.compile(
    rb"\{'descr': '(?P<descr>[<|][biuf][1-8])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>\d{1,18}(?:,|(?:, \d{1,18})+))\), \} *\n"
)
PADDING_FIELD = 0xD935  # the identifier that zipalign gives to padding


@dataclass(frozen=True)
class Expected:
    """The dtypes and the number of dimensions that an array of a file may have.

    Attributes
    ----------
    dtypes : str
        Type codes of NumPy without byte order, separated by spaces, such as ``"f4 f8"``; ``"M8"``
        means datetimes of any unit.
    ndim : int
        Number of dimensions.
    mappable : str
        The dtypes that may be memory-mapped.
    """

    dtypes: str
    ndim: int
    mappable: str = ""


@dataclass(frozen=True, kw_only=True)
class _Member:
    """An array in a file whose header has been read and checked."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int  # of the whole member, because the checksum includes its header
    data: int  # where the array itself begins
    end: int
    checksum: int


def write(
    path: str | os.PathLike[str], metadata: Metadata, arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write an archive; at any moment, the file at `path` is the old one or the whole new one.

    Parameters
    ----------
    path : str or path-like
        The file, a link to it, or a device.
    metadata : dict
        Values that JSON can hold.
    arrays : mapping of str to ndarray
        Arrays without objects, by name.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    text = json.dumps(metadata, allow_nan=False, indent=1)
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(METADATA, TIMESTAMP), text)
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", TIMESTAMP)
            member.extra = padding(file.tell(), member.filename)
            with archive.open(member, "w", force_zip64=True) as out:
                np.lib.format.write_array(out, to_little_endian(array), allow_pickle=False)


def read(
    path: Path, expected: Mapping[str, Expected], *, newest: int, mapped: bool
) -> tuple[Metadata, Arrays]:
    """Read an archive.

    Parameters
    ----------
    path : Path
        The file.
    expected : mapping of str to Expected
        The arrays that there may be; any other is an error.
    newest : int
        The latest format that is understood.
    mapped : bool
        Whether to map arrays where `expected` allows it, rather than copy them. A mapped array is
        read-only, and its checksum is not compared.

    Returns
    -------
    metadata : dict
        As it was written.
    arrays : dict of str to ndarray
        As they were written, in the byte order of this machine.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ModelFileError
        If the file is not a model, is cut short or damaged, or has a later format.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}")
    with path.open("rb") as file:
        start = file.read(LOCAL_HEADER.size + len(METADATA))
        ours = start.startswith(SIGNATURE) and start.endswith(METADATA.encode())
        if not zipfile.is_zipfile(file):
            raise ModelFileError(
                f"{path} is a model of factorate that was cut short; its end is missing"
                if ours
                else f"{path} is not a model of factorate"
            )
        try:
            return _read(file, path, expected, newest, mapped)
        except (ModelFileError, MemoryError):
            raise
        except Exception as error:  # zipfile and NumPy raise many kinds of errors for damage
            raise damaged(path, error) from error


def damaged(path: Path, reason: object) -> ModelFileError:
    """Return the error for a file whose content is wrong."""
    return ModelFileError(f"{path} is a damaged model: {reason}")


def padding(position: int, name: str) -> bytes:
    """Return the extra field of a member at `position` that aligns its content."""
    field = struct.calcsize("<HHH")
    begin = position + LOCAL_HEADER.size + len(name) + field + ZIP64_FIELD
    n_bytes = -begin % ALIGNMENT
    return struct.pack("<HHH", PADDING_FIELD, 2 + n_bytes, ALIGNMENT) + bytes(n_bytes)


def to_little_endian(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in C order and little-endian."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def to_native(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in the byte order of this machine; its bytes are swapped in place."""
    if array.dtype.isnative:
        return array
    return array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))


def _read(
    file: BinaryIO, path: Path, expected: Mapping[str, Expected], newest: int, mapped: bool
) -> tuple[Metadata, Arrays]:
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
    if METADATA not in (info.filename for info in infos):
        raise ModelFileError(f"{path} is a zip file, but not a model of factorate")
    spans = _spans(file, infos)
    metadata = _read_metadata(file, *spans.pop(METADATA))
    if "format" not in metadata:
        raise ValueError(f"{METADATA} has no 'format'")
    version = metadata["format"]
    if type(version) is not int or version < 1:
        raise ValueError(f"format is {version!r}; expected an integer ≥ 1")
    if version > newest:
        raise ModelFileError(
            f"{path} has format {version}; this version reads up to {newest}: upgrade factorate"
        )
    members = []
    for filename, span in spans.items():
        name = filename.removesuffix(".npy")
        if name == filename or name not in expected:
            raise ValueError(f"it has a member {filename!r}, which is not a member of a model file")
        members.append(_read_header(file, name, expected[name], span))
    to_map = [member for member in members if mapped and _can_map(member, expected[member.name])]
    arrays = {member.name: _copy(file, member) for member in members if member not in to_map}
    if to_map:
        # After all reading, since mapping moves the position of the file on Windows. Opening the
        # path again might open another file: `write` replaces it.
        try:
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            raise MemoryError(f"{path} cannot be mapped: {error}") from error
        for member in to_map:
            arrays[member.name] = np.ndarray(member.shape, member.dtype, whole, member.data)
    return metadata, {member.name: arrays[member.name] for member in members}


def _can_map(member: _Member, expected: Expected) -> bool:
    """Return whether an array is usable where it is; another program may have moved it."""
    aligned = member.data % ALIGNMENT == 0
    return aligned and member.dtype.isnative and _code(member.dtype) in expected.mappable.split()


def _spans(file: BinaryIO, infos: list[zipfile.ZipInfo]) -> dict[str, tuple[int, int, int]]:
    """Return where the content of each member begins and ends, and its checksum."""
    size = file.seek(0, 2)
    spans: dict[str, tuple[int, int, int]] = {}
    free = 0  # end of the preceding member
    for info in sorted(infos, key=lambda info: info.header_offset):
        name = info.filename
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise ValueError(
                f"{name} is compressed or encrypted; expected a member stored without compression: "
                f"extract it and create the archive again without compression"
            )
        if name in spans:
            raise ValueError(f"{name} occurs twice")
        file.seek(info.header_offset)
        signature, name_size, extra_size = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
        if signature != SIGNATURE or file.read(name_size) != name.encode():
            raise ValueError(f"{name} is not at the offset in the directory")
        begin = info.header_offset + LOCAL_HEADER.size + name_size + extra_size
        end = begin + info.file_size
        if info.file_size != info.compress_size or end > size:
            raise ValueError(
                f"{name} has a size of {info.file_size} bytes in the directory, not in the file"
            )
        if info.header_offset < free:
            raise ValueError(f"{name} overlaps another member")
        free = end
        spans[name] = begin, end, info.CRC
    return spans


def _read_metadata(file: BinaryIO, begin: int, end: int, checksum: int) -> Metadata:
    if end - begin > MAX_METADATA:
        raise ValueError(f"{METADATA} has {end - begin} bytes; expected at most {MAX_METADATA}")
    file.seek(begin)
    text = file.read(end - begin)
    if zlib.crc32(text) != checksum:
        raise ValueError(f"the checksum of {METADATA} is wrong")
    metadata = json.loads(text, parse_constant=_raise_constant, object_pairs_hook=_unique)
    if not isinstance(metadata, dict):
        raise TypeError(f"{METADATA} holds a {type(metadata).__name__}; expected an object")
    return metadata


def _raise_constant(name: str) -> None:
    raise ValueError(f"{METADATA} holds {name}; expected finite numbers")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; raise ValueError if it has a key twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"{METADATA} has the key {twice!r} twice")
    return found


def _read_header(
    file: BinaryIO, name: str, expected: Expected, span: tuple[int, int, int]
) -> _Member:
    """Read the ``.npy`` header of a member; raise ValueError unless the array is as expected."""
    begin, end, checksum = span
    file.seek(begin)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{name} has the version {version} of .npy; expected (1, 0)")
    shape, fortran_order, dtype = _parse_header(file, name)
    if _code(dtype) not in expected.dtypes.split():
        raise ValueError(f"{name} has dtype {dtype}; expected {expected.dtypes}")
    if fortran_order or len(shape) != expected.ndim or min(shape) < 0:
        order = ", in Fortran order" if fortran_order else ""
        raise ValueError(
            f"{name} has shape {shape}{order}; expected {expected.ndim} dimensions in C order"
        )
    data = file.tell()
    n_bytes = math.prod(shape) * dtype.itemsize
    if data + n_bytes != end:
        raise ValueError(
            f"{name} has {end - data} bytes of data; shape {shape} and dtype {dtype} need {n_bytes}"
        )
    return _Member(
        name=name,
        dtype=dtype,
        shape=shape,
        begin=begin,
        data=data,
        end=end,
        checksum=checksum,
    )


def _parse_header(file: BinaryIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether in Fortran order, and the dtype that a header states."""
    begin = file.tell()
    (size,) = struct.unpack("<H", file.read(2))
    usual = USUAL_HEADER.fullmatch(file.read(size)) if size <= MAX_HEADER else None
    if usual is not None:
        shape = tuple(int(n) for n in usual["shape"].split(b",") if n)
        return shape, False, np.dtype(usual["descr"].decode())
    file.seek(begin)
    try:
        return np.lib.format.read_array_header_1_0(file, max_header_size=MAX_HEADER)
    except MemoryError as error:  # Python's parser raises it for deeply nested expressions
        raise ValueError(f"the header of {name} is not one of NumPy's") from error


def _code(dtype: np.dtype[Any]) -> str:
    """Return the type code of a dtype as in `Expected`; "" for a dtype that no file may hold."""
    if dtype.kind == "M":
        return "" if np.datetime_data(dtype)[0] == "generic" else "M8"
    return dtype.str[1:] if dtype.kind in "biuf" else ""


def _copy(file: BinaryIO, member: _Member) -> NDArray[Any]:
    """Read an array, and compare its checksum."""
    file.seek(member.begin)
    checksum = zlib.crc32(file.read(member.data - member.begin))
    array = aligned_zeros(member.shape, member.dtype)
    checksum = read_into(file, array, checksum)
    if checksum != member.checksum:
        raise ValueError(f"the checksum of {member.name} is wrong")
    return to_native(array)


def read_into(file: BinaryIO, array: NDArray[Any], checksum: int = 0) -> int:
    """Fill an array with the next bytes of a file, and return the checksum up to their end.

    Raises
    ------
    EOFError
        If the file ends before the array is full.
    """
    flat = array.reshape(-1).view(np.uint8)
    for begin in range(0, len(flat), CHUNK):
        chunk = flat[begin : begin + CHUNK]
        n_read = file.readinto(chunk.data)  # type: ignore[attr-defined]
        if n_read != len(chunk):
            raise EOFError(f"the file ends {len(chunk) - n_read} bytes before an array does")
        checksum = zlib.crc32(chunk.data, checksum)
    return checksum
