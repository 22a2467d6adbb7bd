"""Save and load: a model as arrays and JSON, and back.

Ids of text are UTF-8 bytes with the end of each. The file opens with
``numpy.load(path, allow_pickle=False)``.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._fitted import archive
from factorate._fitted.fitted_state import HISTORY, FittedState
from factorate._fitted.seen import Seen
from factorate._input.frames import check_library
from factorate._input.id_index import IdIndex
from factorate._training.factors import Factors
from factorate._training.losses import UpdateRule

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

FORMAT = 1
FACTORS = ("user_factors", "item_factors", "user_bias", "item_bias")
SVDPP = "svdpp_factors"
ACCUMULATORS = ("user_accumulators", "item_accumulators")
# Where asked for; the rest is copied, and its checksum compared.
MAPPED = {*FACTORS, SVDPP, "seen_items"}

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


def _pack_ids(index: IdIndex, side: str) -> Arrays:
    if index.ids.dtype != object:
        return {f"{side}_ids": index.ids}
    texts = [_TO_TEXT[index.kind](value) for value in index.ids.tolist()]
    return {
        f"{side}_ids": np.frombuffer(b"".join(texts), np.uint8),
        f"{side}_id_ends": np.cumsum([len(text) for text in texts], dtype="<i8"),
    }


def _unpack_ids(arrays: Mapping[str, NDArray[Any]], side: str, kind: str) -> IdIndex:
    ids = arrays[f"{side}_ids"]
    if f"{side}_id_ends" not in arrays:
        return IdIndex(ids, kind)
    text, from_text = ids.tobytes(), _FROM_TEXT[kind]
    places = itertools.pairwise([0, *arrays[f"{side}_id_ends"].tolist()])
    if kind == "str" and text.isascii():  # one decoding for all, three times as fast
        letters = text.decode()
        values = [letters[begin:end] for begin, end in places]
    else:
        values = [from_text(text[begin:end]) for begin, end in places]
    return IdIndex(np.fromiter(values, object, len(values)), kind)


def save(
    path: str | os.PathLike[str],
    parameters: dict[str, Any],
    fitted: FittedState,
    dtype: str | None = None,
) -> None:
    """Write a model, as `archive.write` does.

    Parameters
    ----------
    path
        Where to.
    parameters
        Those of the model.
    fitted
        What it learnt.
    dtype
        Of the factors and biases in the file: "float32", "float16", or None for their own.

    Raises
    ------
    OSError
        If it cannot be written.
    TypeError
        If a file cannot hold a parameter.
    ValueError
        If `dtype` is another, or cannot hold the factors.
    """
    if dtype not in (None, "float32", "float16"):
        raise ValueError(f"dtype is {dtype!r}; expected None, 'float32' or 'float16'")
    factors, user_index, item_index = fitted.factors, fitted.user_index, fitted.item_index
    arrays: Arrays = {name: getattr(factors, name) for name in FACTORS}
    if factors.svdpp is not None:
        arrays[SVDPP] = factors.svdpp
    if dtype is not None:
        arrays = {name: _narrow(array, dtype, name) for name, array in arrays.items()}
        parameters = parameters | {"dtype": "float32"}
    arrays |= {f"history_{name}": fitted.history[name] for name in HISTORY}
    if fitted.accumulators is not None:
        arrays |= dict(zip(ACCUMULATORS, fitted.accumulators, strict=True))
    if fitted.seen is not None:
        arrays |= {"seen_starts": fitted.seen.starts, "seen_items": fitted.seen.items}
    arrays |= _pack_ids(user_index, "user") | _pack_ids(item_index, "item")
    meta = {
        "format": FORMAT,
        "parameters": {name: archive.plain(name, value) for name, value in parameters.items()},
        "mean": factors.mean,
        "scale": factors.scale,
        "user_kind": user_index.kind,
        "item_kind": item_index.kind,
        "library": fitted.library,
        "seed": fitted.seed,
        "n_updates": fitted.n_updates,
        "best_epoch": fitted.best_epoch,
        "bounds": fitted.bounds,
        "rule": dataclasses.asdict(fitted.rule),
    }
    archive.write(Path(path), meta, arrays)


def _narrow(array: NDArray[Any], dtype: str, name: str) -> NDArray[Any]:
    """Round to fewer digits; refuse where more is lost than the last of them."""
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
        lost = np.abs(narrow.astype(array.dtype) - array).max(initial=0)
    largest = np.abs(array).max(initial=0)
    if not lost <= np.finfo(dtype).eps * largest:
        raise ValueError(
            f"{name}, of which the largest is {largest:.3g}, cannot be held in {dtype}, which has "
            f"room from {np.finfo(dtype).tiny:.2g} to {np.finfo(dtype).max:.3g}; save with another "
            f"dtype"
        )
    return narrow


def load(path: str | os.PathLike[str], mapped: bool = False) -> tuple[dict[str, Any], FittedState]:
    """Read the parameters of a model and what was fitted.

    Parameters
    ----------
    path
        The file.
    mapped
        Whether to map the large arrays, as `archive.read` does, rather than copy them.

    Raises
    ------
    FileNotFoundError
        If no file is there.
    ModelFileError
        If it is not a model, is damaged, or was written by a later version.
    """
    path = Path(path)
    meta, arrays = archive.read(
        path, FORMAT, lambda name, dtype: mapped and name in MAPPED and dtype != np.float16
    )
    try:
        return _assemble(meta, arrays)
    except MemoryError:
        raise
    except Exception as error:  # checksums were right, so another program wrote it
        raise archive.damaged(path, error) from error


def _assemble(meta: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], FittedState]:
    parameters = dict(meta["parameters"])
    if parameters.get("columns") is not None:
        parameters["columns"] = tuple(parameters["columns"])
    P, Q, user_bias, item_bias, *svdpp = (
        arrays[name].astype(np.float32) if arrays[name].dtype == np.float16 else arrays[name]
        for name in (*FACTORS, SVDPP)
        if name in arrays or name in FACTORS
    )
    mean, scale = float(meta["mean"]), float(meta["scale"])
    factors = Factors(
        user_factors=P,
        item_factors=Q,
        user_bias=user_bias,
        item_bias=item_bias,
        mean=mean,
        scale=scale,
        svdpp=svdpp[0] if svdpp else None,
    )
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
    if any((y.shape, y.dtype) != (Q.shape, Q.dtype) for y in svdpp):
        raise ValueError("its svdpp factors do not belong to its items")
    history = {name: arrays[f"history_{name}"] for name in HISTORY}
    seen = _seen(arrays, len(P), len(Q))
    accumulators = None
    if ACCUMULATORS[0] in arrays:
        user_accumulators, item_accumulators = (arrays[name] for name in ACCUMULATORS)
        if user_accumulators.shape != (len(P), 2) or item_accumulators.shape != (len(Q), 2):
            raise ValueError("its accumulators of squared gradients do not belong to its rows")
        accumulators = (
            user_accumulators.astype(P.dtype, copy=False),
            item_accumulators.astype(P.dtype, copy=False),
        )
    low, high = map(float, meta["bounds"])
    return parameters, FittedState(
        factors, *indexes, history, check_library(meta["library"]), seen, accumulators,
        int(meta["seed"]), int(meta["n_updates"]), int(meta["best_epoch"]), (low, high),
        UpdateRule(**meta["rule"]),
    )  # fmt: skip


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
