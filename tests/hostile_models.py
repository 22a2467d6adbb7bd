"""Generate invalid model files with correct checksums."""

from __future__ import annotations

import datetime
import io
import json
import random
import struct
import uuid
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft
from factorate._fitted.npz_archive import METADATA, TIMESTAMP, padding

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Members = dict[str, bytes]

EXTREMES = [0, 1, -1, 2, 7, 2**31 - 1, 2**31, 2**32, 2**63 - 1, -(2**63)]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**64,
    10**400,
    0.5,
    -0.0,
    1e300,
    "",
    "float64",
    "str",
    "integer",
    "pandas",
    "evil",
    "\ud800",
    [],
    [1.0],
    [5.0, 1.0],
    [1, 2, 3],
    {},
    {"factors": 1},
    {"a": {}},
    [[[]]],
]
DTYPES: list[Any] = [
    "|O",
    "|V0",
    "|V4",
    "|S0",
    "|S3",
    "<U0",
    "<U2",
    "<c8",
    "<f2",
    "<f4",
    "<f8",
    ">f4",
    "<f16",
    "|b1",
    "|u1",
    "|i1",
    "<i4",
    "<i8",
    ">i8",
    "<u8",
    "<M8",
    "<M8[s]",
    "<M8[25s]",
    "<m8[s]",
    "",
    [("a", "<f4")],
    "float32",
    7,
]
SHAPES: list[Any] = [
    (),
    (0,),
    (1,),
    (3,),
    (4,),
    (-3,),
    (3, 2),
    (2, 3),
    (0, 2),
    (3, 0),
    (2**62, 4),
    (10**15,),
    (0, 2**70),
    (3, 2, 1),
    (True, 2),
    [3, 2],
    3,
    (3.0, 2),
    None,
]


def read_members(path: Path) -> Members:
    """Return the content of each member of a file."""
    with zipfile.ZipFile(path) as source:
        return {name: source.read(name) for name in source.namelist()}


def write_members(path: Path, members: Members) -> None:
    """Write members as `save` does: stored, aligned, with their checksums."""
    with path.open("wb") as file, zipfile.ZipFile(file, "w") as target:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, TIMESTAMP)
            member.extra = b"" if name == METADATA else padding(file.tell(), name)
            with target.open(member, "w", force_zip64=name != METADATA) as out:
                out.write(content)


def npy(array: Any) -> bytes:
    """Return an array as the content of a ``.npy`` file."""
    out = io.BytesIO()
    np.save(out, np.asarray(array), allow_pickle=False)
    return out.getvalue()


def npy_header(descr: Any, shape: Any, fortran_order: Any = False) -> bytes:
    """Return a ``.npy`` header that may claim anything."""
    text = repr({"descr": descr, "fortran_order": fortran_order, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def valid_models(folder: Path) -> list[Members]:
    """Return the members of small models that together have every possible member."""
    ratings = [1.0, 2.0, 4.0, 3.0]
    days = [np.datetime64(f"2020-01-0{day}", "s") for day in (3, 1, 2, 1)]
    zoned = [day.item().replace(tzinfo=datetime.UTC) for day in days]
    ids = [uuid.UUID(int=n) for n in (5, 1, 2, 1)]
    models = [
        ft.MatrixFactorization(2, 2, random_state=0, learning_rate_schedule="adagrad").fit(
            (["a", "bc", "ü", "a"], [1, 2, 3, 2], ratings)
        ),
        ft.MatrixFactorization(2, 2, random_state=0, svdpp=True, dtype="float64").fit(
            (days, [2**70, 1, -1, 1], ratings)
        ),
        ft.MatrixFactorization(3, 1, random_state=0, keep_seen=False).fit(
            ([True, False, True, False], [b"a", b"", b"b", b"b"], ratings)
        ),
        ft.MatrixFactorization(1, 1, random_state=0).fit((zoned, ids, ratings)),
        ft.ImplicitMatrixFactorization(2, 2, random_state=0).fit(
            (["a", "bc", "ü", "a"], [1, 2, 3, 2], ratings)
        ),
    ]
    out = []
    for number, model in enumerate(models):
        path = folder / f"valid {number}.npz"
        model.save(path, dtype="float16" if number == 2 else None)
        out.append(read_members(path))
    return out


def generate(seed: int, models: list[Members], path: Path) -> None:
    """Write one hostile file, the same for the same seed."""
    choose = random.Random(seed)  # noqa: S311
    members = dict(choose.choice(models))
    for _ in range(choose.randint(1, 3)):
        choose.choice(MUTATIONS)(choose, members)
    write_members(path, members)
    if choose.random() < 0.3:
        path.write_bytes(choose.choice(DAMAGES)(choose, path.read_bytes()))


def _array_name(choose: random.Random, members: Members) -> str:
    return choose.choice([name for name in members if name != METADATA] or [METADATA])


def _change_metadata(choose: random.Random, members: Members) -> None:
    try:
        metadata = json.loads(members.get(METADATA, b"{}"))
    except (ValueError, RecursionError):
        return
    target = metadata
    if isinstance(metadata, dict):
        inner = [value for value in metadata.values() if isinstance(value, dict)]
        target = choose.choice([metadata, *inner])
    if not isinstance(target, dict):
        return
    key = choose.choice([*target, "extra"])
    if choose.random() < 0.3:
        target.pop(key, None)
    else:
        target[key] = choose.choice(VALUES)
    members[METADATA] = json.dumps(metadata).encode()


def _replace_metadata(choose: random.Random, members: Members) -> None:
    text = members.get(METADATA, b"")
    members[METADATA] = choose.choice(
        [
            b"",
            b"[]",
            b"3",
            b"\xff",
            b"[" * 100_000,
            b'{"format": NaN}',
            text + b"}",
            text[:-9],
            b" " * (1 << 20) + text,
            text.replace(b'"mean":', b'"mean": 1, "mean":', 1),
            text.replace(b'"scale": ', b'"scale": 1e999, "x": ', 1),
        ]
    )


def _change_header(choose: random.Random, members: Members) -> None:
    name = _array_name(choose, members)
    descr: Any = choose.choice(DTYPES)
    shape = choose.choice(SHAPES)
    header = npy_header(descr, shape, choose.choice([False, False, False, True, 0]))
    content = members[name]
    data = content[128:]
    if choose.random() < 0.5:  # of the size that the header asks for
        try:
            size = int(np.prod(shape)) * np.dtype(descr).itemsize
        except (TypeError, ValueError, OverflowError):
            size = len(data)
        data = choose.randbytes(min(max(size, 0), 4096))
    members[name] = header + data


def _break_header(choose: random.Random, members: Members) -> None:
    name = _array_name(choose, members)
    content = bytearray(members[name])
    if not content:
        return
    if choose.random() < 0.3:
        members[name] = (
            b"\x93NUMPY\x01\x00\xff\xff" + b"-" * choose.choice([100, 900, 65535]) + b"1"
        )
        return
    content[choose.randrange(min(len(content), 128))] = choose.randrange(256)
    members[name] = bytes(content)


def _change_data(choose: random.Random, members: Members) -> None:
    name = _array_name(choose, members)
    content = members[name]
    header, data = content[:128], bytearray(content[128:])
    kind = choose.randrange(5)
    if kind == 0:
        data = bytearray(choose.randbytes(len(data)))
    elif kind == 1:
        data = data[: choose.randint(0, len(data))]
    elif kind == 2:
        data += choose.randbytes(choose.randint(1, 64))
    elif len(data) >= 8:
        at = choose.randrange(len(data) // 8) * 8
        data[at : at + 8] = struct.pack("<q", choose.choice(EXTREMES))
        if kind == 4:
            data[:8] = data[at : at + 8]
    members[name] = header + bytes(data)


def _change_members(choose: random.Random, members: Members) -> None:
    name = _array_name(choose, members)
    kind = choose.randrange(5)
    if kind == 0:
        del members[name]
    elif kind == 1:
        other = choose.choice(["extra.npy", "user_factors", "../x.npy", "é.npy", f"{name}.npy"])
        members[other] = members.pop(name)
    elif kind == 2:
        members[name] = members[_array_name(choose, members)]
    elif kind == 3:
        members["user_accumulators.npy"] = npy(np.ones((3, 2), np.float32))
    else:
        members.pop(METADATA, None)


def _pack_compressed(choose: random.Random, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        names = source.namelist()
        chosen = choose.choice(names) if names else ""
        with zipfile.ZipFile(out, "w") as target:
            for name in names:
                compression = zipfile.ZIP_DEFLATED if name == chosen else zipfile.ZIP_STORED
                target.writestr(name, source.read(name), compression)
    return out.getvalue()


def _change_directory(choose: random.Random, data: bytes) -> bytes:
    """Change an offset, a size or any other field of one entry of the directory."""
    out = bytearray(data)
    entries = [at for at in range(len(out) - 46) if out[at : at + 4] == b"PK\x01\x02"]
    if not entries:
        return data
    at = choose.choice(entries)
    field = choose.choice([8, 10, 16, 20, 24, 28, 30, 32, 42])
    value = choose.choice([0, 1, 2**16 - 1, 2**31, 2**32 - 1, choose.randrange(len(data))])
    size = 2 if field in (8, 10, 28, 30, 32) else 4
    out[at + field : at + field + size] = (value % 2 ** (8 * size)).to_bytes(size, "little")
    if field == 24:  # both sizes, as a stored member has them
        out[at + 20 : at + 24] = out[at + 24 : at + 28]
    return bytes(out)


def _cut(choose: random.Random, data: bytes) -> bytes:
    return data[: choose.randrange(len(data))]


def _flip(choose: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    out[choose.randrange(len(out))] ^= 1 << choose.randrange(8)
    return bytes(out)


MUTATIONS: list[Callable[[random.Random, Members], None]] = [
    _change_metadata,
    _change_metadata,
    _replace_metadata,
    _change_header,
    _break_header,
    _change_data,
    _change_data,
    _change_members,
]
DAMAGES: list[Callable[[random.Random, bytes], bytes]] = [
    _pack_compressed,
    _change_directory,
    _change_directory,
    _cut,
    _flip,
]
