"""Archives: ``.npz`` files of aligned arrays, written whole or not at all, read checked or mapped.

The first member is JSON, and says among other things of what dtype and shape each array is. The
others are NumPy's own, not compressed, and begin on a cache line, so that they can be mapped.
"""

from __future__ import annotations

import json
import mmap
import struct
import zipfile
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from factorate._utils.aligned import aligned_zeros
from factorate._utils.atomic_files import replacing
from factorate.exceptions import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]
    Meta = dict[str, Any]

META = "factorate.json"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a zip: the same arrays give the same bytes
ALIGNMENT = 64  # bytes of a cache line
PLAIN_KINDS = "biufM"  # dtypes without pointers: an object array over a file would follow its bytes
CHUNK = 1 << 20  # bytes read at a time: they are still in the cache when they are checked

# A local header, and what zipfile adds to its extra field for sizes of 64 bits (APPNOTE.TXT of
# PKWARE, 4.3.7 and 4.5.3).
LOCAL_HEADER = struct.Struct("<4s22xHH")
SIGNATURE = b"PK\x03\x04"
ZIP64_FIELD = 20
PADDING_FIELD = 0xD935  # the identifier that zipalign gives to padding


def native(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in the byte order of this machine, turned where it is in memory."""
    if array.dtype.isnative:
        return array
    return array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))


def portable(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in C order and little-endian."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def plain(name: str, value: object) -> Any:
    """Return a parameter as what JSON has; dtypes become their names.

    Raises
    ------
    TypeError
        If it is neither None, a number, a truth value, text, a dtype, nor a mapping or sequence of
        these.

    Examples
    --------
    >>> plain("clip", np.bool_(False)), plain("dtype", np.float32)
    (False, 'float32')
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool):
        return bool(value)
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, Mapping):
        return {key: plain(f"{name}[{key!r}]", entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [plain(f"{name}[{place}]", entry) for place, entry in enumerate(value)]
    if isinstance(value, np.dtype | type) and np.dtype(value).kind == "f":
        return np.dtype(value).name
    raise TypeError(
        f"{name} is {value!r}, which a file cannot hold; expected a number, True, False, None, "
        f"text, a dtype of floats, or a mapping or list of these"
    )


def _padding(position: int, name: str) -> bytes:
    """Return the extra field after which the content of a member is aligned."""
    field = struct.calcsize("<HHH")
    begin = position + LOCAL_HEADER.size + len(name) + field + ZIP64_FIELD
    n_bytes = -begin % ALIGNMENT
    return struct.pack("<HHH", PADDING_FIELD, 2 + n_bytes, ALIGNMENT) + bytes(n_bytes)


def write(path: Path, meta: Meta, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an archive; the file at `path` is the old one or the whole new one at any moment.

    Parameters
    ----------
    path
        Where to.
    meta
        What JSON can hold.
    arrays
        Arrays without objects, by name.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    arrays = {name: portable(array) for name, array in arrays.items()}
    forms = {name: [array.dtype.str, array.shape] for name, array in arrays.items()}
    text = json.dumps(meta | {"arrays": forms}, allow_nan=False, indent=1)
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(META, EARLIEST), text)
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", EARLIEST)
            member.extra = _padding(file.tell(), member.filename)
            with archive.open(member, "w", force_zip64=True) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


def read(
    path: Path, newest: int, mapped: Callable[[str, np.dtype[Any]], bool]
) -> tuple[Meta, Arrays]:
    """Read an archive.

    Parameters
    ----------
    path
        Where it is.
    newest
        The latest format that is understood.
    mapped
        Says for a name and dtype whether that array may be mapped from the file instead of being
        copied. A mapped array is read-only, and its checksum is not compared.

    Returns
    -------
    meta, arrays
        As they were written, the arrays in the byte order of this machine.

    Raises
    ------
    FileNotFoundError
        If no file is there.
    ModelFileError
        If it is no archive of ours, is cut short or damaged, or has a later format.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}")
    with path.open("rb") as file:
        start = file.read(LOCAL_HEADER.size + len(META))
        ours = start.startswith(SIGNATURE) and start.endswith(META.encode())
        if not zipfile.is_zipfile(file):
            raise ModelFileError(
                f"{path} is a model of factorate that was cut short; its end is missing"
                if ours
                else f"{path} is not a model of factorate"
            )
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(path, file, archive, newest, mapped)
        except (ModelFileError, MemoryError):
            raise
        except Exception as error:  # damage shows itself as any error of zipfile, NumPy or JSON
            raise damaged(path, error) from error


def damaged(path: Path, reason: object) -> ModelFileError:
    """Return the error that says what is wrong with a file."""
    return ModelFileError(f"{path} is a damaged model: {reason}")


def _read(
    path: Path,
    file: BinaryIO,
    archive: zipfile.ZipFile,
    newest: int,
    mapped: Callable[[str, np.dtype[Any]], bool],
) -> tuple[Meta, Arrays]:
    if META not in archive.namelist():
        raise ModelFileError(f"{path} is a zip file, but not a model of factorate")
    meta: Meta = json.loads(archive.read(META))
    if meta["format"] > newest:
        raise ModelFileError(
            f"{path} has format {meta['format']}; this version reads up to {newest}: "
            f"upgrade factorate"
        )
    whole = None
    arrays: Arrays = {}
    for name, (type_name, sizes) in meta.pop("arrays").items():
        dtype, shape = np.dtype(type_name), tuple(sizes)
        if dtype.kind not in PLAIN_KINDS or dtype.itemsize == 0:
            raise ValueError(f"{name} has dtype {dtype}; expected numbers, bools or datetimes")
        member = archive.getinfo(f"{name}.npy")
        if mapped(name, dtype) and dtype.isnative and member.compress_type == zipfile.ZIP_STORED:
            start = _content(file, member)
            begin = start + _header_size(file, start, dtype, shape)
            if begin + _n_bytes(dtype, shape) != start + member.file_size:
                raise ValueError(f"{member.filename} has another size than its array")
            if begin % ALIGNMENT == 0:  # it may not be, if another program wrote it
                if whole is None:
                    whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                arrays[name] = np.ndarray(shape, dtype, buffer=whole, offset=begin)
                continue
        arrays[name] = native(_copy(archive, member, dtype, shape))
    return meta, arrays


def _n_bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    n_bytes = dtype.itemsize
    for size in shape:
        n_bytes *= size
    return n_bytes


def _content(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Return where the content of a member begins, which zipfile does not tell."""
    file.seek(member.header_offset)
    signature, name_size, extra_size = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    if signature != SIGNATURE or file.read(name_size) != member.filename.encode():
        raise ValueError(f"{member.filename} is not where it should be")
    return member.header_offset + LOCAL_HEADER.size + int(name_size) + int(extra_size)


def _header_size(file: Any, start: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return the size of an array's own header, which must say what `META` says."""
    file.seek(start)
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    if read_header(file) != (shape, False, dtype):
        raise ValueError(f"an array is not of dtype {dtype} and shape {shape}, as it should be")
    return int(file.tell()) - start


def _copy(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Read an array; zipfile compares the checksum when it comes to the end."""
    with archive.open(member) as content:
        size = _header_size(content, 0, dtype, shape) + _n_bytes(dtype, shape)
        if size != member.file_size:
            raise ValueError(f"{member.filename} has another size than its array")
        array = aligned_zeros(shape, dtype)
        flat = array.reshape(-1).view(np.uint8)
        for begin in range(0, len(flat), CHUNK):
            part = flat[begin : begin + CHUNK]
            part[:] = np.frombuffer(content.read(len(part)), np.uint8)
        content.read(1)
    return array
