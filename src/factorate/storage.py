"""Save and load: one uncompressed ``.npz`` of plain arrays and a JSON member.

Ids of text are UTF-8 bytes with the end of each; arrays are C-ordered and little-endian. The file
opens with ``numpy.load(path, allow_pickle=False)``.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import os
import secrets
import uuid
import zipfile
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from factorate.exceptions import ModelFileError
from factorate.factors import Factors
from factorate.fitted import HISTORY, Fitted
from factorate.ids import IdIndex
from factorate.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

FORMAT = 1
META = "factorate.json"
EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a zip: the same model gives the same bytes

# How ids that NumPy holds as objects become text, and come back.
_TO_TEXT: dict[str, Callable[[Any], bytes]] = {
    "str": lambda value: value.encode("utf-8", "surrogatepass"),
    "bytes": bytes,
    "UUID": lambda value: value.bytes,
    "zoned datetime": lambda value: value.isoformat().encode(),
    "integer": lambda value: str(value).encode(),
}
_FROM_TEXT: dict[str, Callable[[bytes], Any]] = {
    "str": lambda text: text.decode("utf-8", "surrogatepass"),
    "bytes": bytes,
    "UUID": lambda text: uuid.UUID(bytes=text),
    "zoned datetime": lambda text: datetime.datetime.fromisoformat(text.decode()),
    "integer": int,
}


def _portable(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _pack_ids(index: IdIndex, side: str) -> Arrays:
    if index.ids.dtype != object:
        return {f"{side}_ids": _portable(index.ids)}
    texts = [_TO_TEXT[index.kind](value) for value in index.ids.tolist()]
    return {
        f"{side}_ids": np.frombuffer(b"".join(texts), np.uint8),
        f"{side}_id_ends": np.cumsum([len(text) for text in texts], dtype="<i8"),
    }


def _unpack_ids(arrays: Mapping[str, NDArray[Any]], side: str, kind: str) -> IdIndex:
    ids = arrays[f"{side}_ids"]
    if f"{side}_id_ends" not in arrays:
        return IdIndex(ids.astype(ids.dtype.newbyteorder("="), copy=False), kind)
    ends = [0, *arrays[f"{side}_id_ends"].tolist()]
    text, from_text = ids.tobytes(), _FROM_TEXT[kind]
    values = np.empty(len(ends) - 1, object)
    for row, (begin, end) in enumerate(itertools.pairwise(ends)):
        values[row] = from_text(text[begin:end])
    return IdIndex(values, kind)


def _plain(value: Any) -> Any:
    """Turn other numbers, and dtypes, into what JSON has."""
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    return np.dtype(value).name


def save(path: str | os.PathLike[str], parameters: dict[str, Any], fitted: Fitted) -> None:
    """Write a model; the file at `path` is the old one or the whole new one at any moment.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    factors, user_index, item_index = fitted.factors, fitted.user_index, fitted.item_index
    arrays: Arrays = {
        "user_factors": factors.user_factors,
        "item_factors": factors.item_factors,
        "user_bias": factors.user_bias,
        "item_bias": factors.item_bias,
    }
    arrays |= {f"history_{name}": fitted.history[name] for name in HISTORY}
    if fitted.seen is not None:
        arrays |= {"seen_starts": fitted.seen.starts, "seen_items": fitted.seen.items}
    arrays = {name: _portable(array) for name, array in arrays.items()}
    arrays |= _pack_ids(user_index, "user") | _pack_ids(item_index, "item")
    meta = {
        "format": FORMAT,
        "parameters": parameters,
        "mean": factors.mean,
        "scale": factors.scale,
        "user_kind": user_index.kind,
        "item_kind": item_index.kind,
        "library": fitted.library,
    }
    text = json.dumps(meta, default=_plain, allow_nan=False, indent=1)
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{str(target)!r} is a folder; expected the path of a file")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        with temporary.open("xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                for name, array in arrays.items():
                    member = zipfile.ZipInfo(f"{name}.npy", EARLIEST)
                    with archive.open(member, "w", force_zip64=True) as out:
                        np.lib.format.write_array(out, array, allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(META, EARLIEST), text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Fitted]:
    """Read the parameters of a model and what was fitted.

    Raises
    ------
    FileNotFoundError
        If no file is there.
    ModelFileError
        If it is not a model, is damaged, or was written by a later version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}")
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ModelFileError(f"{path} is not a model of factorate, or it was cut short")
        file.seek(0)
        try:
            return _read(path, file)
        except ModelFileError:
            raise
        except Exception as error:  # damage shows itself as any error of zipfile, NumPy or ours
            raise ModelFileError(f"{path} is a damaged model: {error}") from error


def _read(path: Path, file: BinaryIO) -> tuple[dict[str, Any], Fitted]:
    with np.load(file, allow_pickle=False) as members:
        if META not in members.files:
            raise ModelFileError(f"{path} is a zip file, but not a model of factorate")
        meta = json.loads(members[META])
        if meta["format"] > FORMAT:
            raise ModelFileError(
                f"{path} has format {meta['format']}; this version reads up to {FORMAT}: "
                f"upgrade factorate"
            )
        return _assemble(meta, {name: members[name] for name in members.files if name != META})


def _assemble(meta: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Fitted]:
    parameters = dict(meta["parameters"])
    if parameters.get("columns") is not None:
        parameters["columns"] = tuple(parameters["columns"])
    P, Q, user_bias, item_bias = (
        arrays[name].astype(arrays[name].dtype.newbyteorder("="), copy=False)
        for name in ("user_factors", "item_factors", "user_bias", "item_bias")
    )
    factors = Factors(P, Q, user_bias, item_bias, float(meta["mean"]), float(meta["scale"]))
    indexes = (
        _unpack_ids(arrays, "user", meta["user_kind"]),
        _unpack_ids(arrays, "item", meta["item_kind"]),
    )
    for index, rows, bias in zip(indexes, (P, Q), (user_bias, item_bias), strict=True):
        one_kind = rows.dtype == bias.dtype == P.dtype and rows.dtype.kind == "f"
        if not (one_kind and rows.ndim == 2 and rows.shape[1] == P.shape[1]):
            raise ValueError("its factors do not fit together")
        if not len(index.ids) == len(rows) == len(bias):
            raise ValueError(f"it has {len(index.ids)} ids for {len(rows)} rows")
        if not rows.flags.c_contiguous:
            raise ValueError("its factors are not C-ordered")
    history = {name: arrays[f"history_{name}"] for name in HISTORY}
    seen = _seen(arrays, len(P), len(Q))
    return parameters, Fitted(factors, *indexes, history, meta["library"], seen)


def _seen(arrays: Arrays, n_users: int, n_items: int) -> Seen | None:
    if "seen_starts" not in arrays:
        return None
    starts = arrays["seen_starts"].astype(np.int64, copy=False)
    items = arrays["seen_items"].astype(np.int32, copy=False)
    whole = starts.shape == (n_users + 1,) and items.ndim == 1
    if not whole or starts[0] != 0 or starts[-1] != len(items) or (np.diff(starts) < 0).any():
        raise ValueError("its seen items do not belong to its users")
    if len(items) and not 0 <= items.min() <= items.max() < n_items:
        raise ValueError("its seen items are not among its items")
    return Seen(starts, items)
