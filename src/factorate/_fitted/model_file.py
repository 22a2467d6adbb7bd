"""Save a model to a file and load it; see docs/explanation/file-format.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._fitted.model_metadata import FORMAT, check_metadata, make_metadata
from factorate._fitted.npz_archive import Expected, damaged, read, write
from factorate._fitted.rating_state import HISTORY, RatingState
from factorate._fitted.seen import Seen
from factorate._fitted.stored_ids import restore_ids, store_ids
from factorate._training.factors import Factors
from factorate._training.settings import MAX_FACTORS
from factorate._utils.validation import MAX_ROWS

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from factorate._fitted.model_metadata import ModelMetadata
    from factorate._utils.types import Arrays, Doubles, Floats

FACTORS = ("user_factors", "item_factors", "user_bias", "item_bias")
SVDPP = "svdpp_factors"
PROGRESS = ("user_progress", "item_progress")
ACCUMULATORS = ("user_accumulators", "item_accumulators")
SEEN = ("seen_starts", "seen_items")
_CHUNK = 1 << 16  # numbers checked at a time, few enough for the cache
_FACTORS = Expected("f2 f4 f8", ndim=2, mappable="f4 f8")
_BIAS = Expected("f2 f4 f8", ndim=1, mappable="f4 f8")
_IDS = Expected("b1 i8 u8 M8 u1", ndim=1)

# Every array that a file may have. Only large ones may be memory-mapped; the others are copied.
EXPECTED = {
    "user_factors": _FACTORS,
    "item_factors": _FACTORS,
    "user_bias": _BIAS,
    "item_bias": _BIAS,
    SVDPP: _FACTORS,
    **dict.fromkeys(PROGRESS, Expected("f8", ndim=2)),
    **dict.fromkeys(ACCUMULATORS, Expected("f4 f8", ndim=2)),
    "history_epoch": Expected("i8", ndim=1),
    **{f"history_{name}": Expected("f8", ndim=1) for name in HISTORY[1:]},
    "user_ids": _IDS,
    "item_ids": _IDS,
    "user_id_ends": Expected("i8", ndim=1),
    "item_id_ends": Expected("i8", ndim=1),
    "seen_starts": Expected("i8", ndim=1),
    "seen_items": Expected("i4", ndim=1, mappable="i4"),
}
REQUIRED = (*FACTORS, *PROGRESS, *(f"history_{name}" for name in HISTORY), "user_ids", "item_ids")


def save(
    path: str | os.PathLike[str],
    parameters: Mapping[str, Any],
    fitted: RatingState,
    dtype: str | None = None,
) -> None:
    """Write a model; at any moment, the file at `path` is the old one or the whole new one.

    Parameters
    ----------
    path : str or path-like
        The file.
    parameters : mapping of str to object
        Parameters of the model.
    fitted : RatingState
        Its fitted state.
    dtype : {"float32", "float16"}, default=None
        Dtype of the factors and biases in the file; None keeps their dtype.

    Raises
    ------
    OSError
        If the file cannot be written.
    TypeError
        If a parameter is of a type that a file cannot hold.
    ValueError
        If `fit` would reject a parameter, `dtype` is another or cannot hold the factors, or a file
        cannot hold the ids.
    """
    if dtype not in (None, "float32", "float16"):
        raise ValueError(f"dtype is {dtype!r}; expected None, 'float32' or 'float16'")
    factors = fitted.factors
    arrays: Arrays = {name: getattr(factors, name) for name in FACTORS}
    if factors.svdpp is not None:
        arrays[SVDPP] = factors.svdpp
    if dtype is not None:
        arrays = {name: _narrow(array, dtype, name) for name, array in arrays.items()}
        parameters = {**parameters, "dtype": "float32"}
    arrays |= {f"history_{name}": fitted.history[name] for name in HISTORY}
    arrays |= dict(zip(PROGRESS, fitted.progress, strict=True))
    if fitted.accumulators is not None:
        arrays |= dict(zip(ACCUMULATORS, fitted.accumulators, strict=True))
    if fitted.seen is not None:
        arrays |= dict(zip(SEEN, (fitted.seen.starts, fitted.seen.items), strict=True))
    arrays |= store_ids(fitted.user_index, "user") | store_ids(fitted.item_index, "item")
    write(path, make_metadata(parameters, fitted), arrays)


def load(path: str | os.PathLike[str], mapped: bool = False) -> tuple[dict[str, Any], RatingState]:
    """Read the parameters and the fitted state of a model.

    Parameters
    ----------
    path : str or path-like
        The file.
    mapped : bool, default=False
        Whether to map the large arrays rather than copy them. The values of mapped factors and
        biases are not checked.

    Returns
    -------
    parameters : dict
        Parameters of the model.
    fitted : RatingState
        Its fitted state.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ModelFileError
        If the file is not a model, is damaged, or was written by a later version.
    """
    path = Path(path)
    metadata, arrays = read(path, EXPECTED, newest=FORMAT, mapped=mapped)
    try:
        for name in REQUIRED:
            if name not in arrays:
                raise ValueError(f"it has no member '{name}.npy'")
        checked = check_metadata(metadata)
        return _restore_parameters(checked), _restore_fitted(checked, arrays, mapped)
    except MemoryError:
        raise
    except Exception as error:  # the checksums are right: another program wrote wrong values
        raise damaged(path, error) from error


def _narrow(array: NDArray[Any], dtype: str, name: str) -> NDArray[Any]:
    """Round to a smaller dtype; raise ValueError if its range is too small."""
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype)
        error = np.abs(narrow.astype(array.dtype) - array).max(initial=0)
    largest = np.abs(array).max(initial=0)
    if not error <= np.finfo(dtype).eps * largest:
        raise ValueError(
            f"the largest of {name} is {largest:.3g}; {dtype} can hold numbers from "
            f"{np.finfo(dtype).tiny:.2g} to {np.finfo(dtype).max:.3g}: save with another dtype"
        )
    return narrow


def _restore_parameters(metadata: ModelMetadata) -> dict[str, Any]:
    columns = metadata.parameters["columns"]
    return metadata.parameters | {"columns": None if columns is None else tuple(columns)}


def _restore_fitted(metadata: ModelMetadata, arrays: Arrays, mapped: bool) -> RatingState:
    factors = _restore_factors(metadata, arrays)
    if not mapped:
        _check_finite(arrays, (*FACTORS, SVDPP))
    n_users, n_items = len(factors.user_factors), len(factors.item_factors)
    user_index = restore_ids(arrays, "user", metadata.user_kind)
    item_index = restore_ids(arrays, "item", metadata.item_kind)
    for side, index, n_rows in (("user", user_index, n_users), ("item", item_index, n_items)):
        if len(index.ids) != n_rows:
            raise ValueError(f"it has {len(index.ids)} {side} ids for {n_rows} rows of factors")
    history = {name: arrays[f"history_{name}"] for name in HISTORY}
    n_epochs = len(history["epoch"])
    if (history["epoch"] != np.arange(1, n_epochs + 1)).any():
        raise ValueError(f"history_epoch does not count from 1 to {n_epochs}")
    for name, column in history.items():
        if len(column) != n_epochs:
            raise ValueError(f"history_{name} has {len(column)} entries for {n_epochs} epochs")
    if metadata.best_epoch > n_epochs:
        raise ValueError(f"best_epoch is {metadata.best_epoch} of {n_epochs} epochs")
    return RatingState(
        factors=factors,
        user_index=user_index,
        item_index=item_index,
        history=history,
        library=metadata.library,
        seen=_restore_seen(arrays, n_users, n_items),
        progress=_restore_progress(arrays, n_users, n_items),
        accumulators=_restore_accumulators(arrays, factors),
        seed=metadata.seed,
        n_partial_fits=metadata.n_partial_fits,
        best_epoch=metadata.best_epoch,
        bounds=metadata.bounds,
        rule=metadata.rule,
    )


def _restore_factors(metadata: ModelMetadata, arrays: Arrays) -> Factors:
    P, Q = arrays["user_factors"], arrays["item_factors"]
    if P.shape[1] > MAX_FACTORS or max(len(P), len(Q)) > MAX_ROWS:
        raise ValueError(
            f"user_factors has shape {P.shape} and item_factors {Q.shape}; expected at "
            f"most {MAX_FACTORS} columns and {MAX_ROWS} rows"
        )
    shapes = {
        "user_factors": P.shape,
        "item_factors": (len(Q), P.shape[1]),
        "user_bias": P.shape[:1],
        "item_bias": Q.shape[:1],
        SVDPP: Q.shape,
    }
    for name, shape in shapes.items():
        array = arrays.get(name, Q)
        if array.shape != shape or array.dtype != P.dtype:
            raise ValueError(
                f"{name} has shape {array.shape} and dtype {array.dtype}; expected {shape} and "
                f"{P.dtype}"
            )
    if P.dtype == np.float16:
        arrays |= {name: arrays[name].astype(np.float32) for name in shapes if name in arrays}
    return Factors(
        **{name: arrays[name] for name in FACTORS},
        mean=metadata.mean,
        scale=metadata.scale,
        svdpp=arrays.get(SVDPP),
    )


def _restore_progress(arrays: Arrays, n_users: int, n_items: int) -> tuple[Doubles, Doubles]:
    users, items = (arrays[name] for name in PROGRESS)
    for name, array, n in zip(PROGRESS, (users, items), (n_users, n_items), strict=True):
        if array.shape != (n, 2) or not (
            np.isfinite(array).all() and (array >= 0).all() and (array[:, 1] <= 1).all()
        ):
            raise ValueError(
                f"{name} is not {n} rows of a number of ratings and a fraction from 0 to 1"
            )
    return users, items


def _restore_accumulators(arrays: Arrays, factors: Factors) -> tuple[Floats, Floats] | None:
    if not _has_all_or_none(arrays, ACCUMULATORS):
        return None
    n_rows = len(factors.user_factors), len(factors.item_factors)
    for name, n in zip(ACCUMULATORS, n_rows, strict=True):
        if arrays[name].shape != (n, 2) or not (arrays[name] > 0).all():
            raise ValueError(f"{name} is not {n} rows of two accumulators, all > 0")
    dtype = factors.user_factors.dtype
    with np.errstate(over="ignore"):
        user_accumulators, item_accumulators = (
            arrays[name].astype(dtype, copy=False) for name in ACCUMULATORS
        )
    return user_accumulators, item_accumulators


def _restore_seen(arrays: Arrays, n_users: int, n_items: int) -> Seen | None:
    if not _has_all_or_none(arrays, SEEN):
        return None
    starts, items = arrays["seen_starts"], arrays["seen_items"]
    if starts.shape != (n_users + 1,) or starts[0] != 0 or (starts[1:] < starts[:-1]).any():
        raise ValueError(f"seen_starts does not rise from 0 in {n_users + 1} entries")
    if starts[-1] != len(items):
        raise ValueError(f"seen_starts ends at {starts[-1]} for {len(items)} seen items")
    if len(items) and not 0 <= items.min() <= items.max() < n_items:
        raise ValueError(
            f"seen_items has rows from {items.min()} to {items.max()}; there are {n_items} items"
        )
    rises = items[1:] > items[:-1]
    rises[starts[(starts > 0) & (starts < len(items))] - 1] = True  # from one user to the next
    if not rises.all():
        raise ValueError("seen_items does not rise within each user")
    return Seen(starts, items)


def _has_all_or_none(arrays: Arrays, names: tuple[str, ...]) -> bool:
    """Return whether all the arrays are present; raise ValueError if only some are."""
    present = [name for name in names if name in arrays]
    if present and len(present) < len(names):
        raise ValueError(f"it has the member {present[0]!r}, but not all of {', '.join(names)}")
    return bool(present)


def _check_finite(arrays: Arrays, names: tuple[str, ...]) -> None:
    for name in names:
        flat = arrays[name].reshape(-1) if name in arrays else np.empty(0)
        for begin in range(0, len(flat), _CHUNK):
            if not np.isfinite(flat[begin : begin + _CHUNK]).all():
                raise ValueError(f"{name} has NaN or infinity; expected finite numbers")
