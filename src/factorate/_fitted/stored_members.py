"""Members of model files that all models have: indexes, histories and seen items, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._fitted.npz_archive import Expected
from factorate._fitted.seen import Seen
from factorate._input.stored_ids import restore_ids
from factorate._training.settings import MAX_FACTORS
from factorate._utils.validation import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from factorate._input.id_index import IdIndex
    from factorate._utils.types import Arrays, Floats

SEEN = ("seen_starts", "seen_items")
FACTORS_EXPECTED = Expected("f2 f4 f8", ndim=2, mappable="f4 f8")
_IDS = Expected("b1 i8 u8 M8 u1", ndim=1)
COMMON = {
    "user_factors": FACTORS_EXPECTED,
    "item_factors": FACTORS_EXPECTED,
    "history_epoch": Expected("i8", ndim=1),
    "user_ids": _IDS,
    "item_ids": _IDS,
    "user_id_ends": Expected("i8", ndim=1),
    "item_id_ends": Expected("i8", ndim=1),
    "seen_starts": Expected("i8", ndim=1),
    "seen_items": Expected("i4", ndim=1, mappable="i4"),
}
_CHUNK = 1 << 16  # numbers checked at a time, few enough for the cache


def check_sizes(P: Floats, Q: Floats) -> None:
    """Raise ValueError if there are too many factors, users or items."""
    if P.shape[1] > MAX_FACTORS or max(len(P), len(Q)) > MAX_ROWS:
        raise ValueError(
            f"user_factors has shape {P.shape} and item_factors {Q.shape}; expected at "
            f"most {MAX_FACTORS} columns and {MAX_ROWS} rows"
        )


def restore_indexes(
    arrays: Arrays, kinds: tuple[str, str], n_rows: tuple[int, int]
) -> tuple[IdIndex, IdIndex]:
    """Return the ids of users and items; raise ValueError unless there are as many as rows."""
    indexes = []
    for side, kind, n in zip(("user", "item"), kinds, n_rows, strict=True):
        index = restore_ids(arrays, side, kind)
        if len(index.ids) != n:
            raise ValueError(f"it has {len(index.ids)} {side} ids for {n} rows of factors")
        indexes.append(index)
    users, items = indexes
    return users, items


def restore_history(
    arrays: Arrays, names: Sequence[str], best_epoch: int
) -> dict[str, NDArray[Any]]:
    """Return the columns of the history, the first of which is "epoch"."""
    history = {name: arrays[f"history_{name}"] for name in names}
    n_epochs = len(history["epoch"])
    if (history["epoch"] != np.arange(1, n_epochs + 1)).any():
        raise ValueError(f"history_epoch does not count from 1 to {n_epochs}")
    for name, column in history.items():
        if len(column) != n_epochs:
            raise ValueError(f"history_{name} has {len(column)} entries for {n_epochs} epochs")
    if best_epoch > n_epochs:
        raise ValueError(f"best_epoch is {best_epoch} of {n_epochs} epochs")
    return history


def restore_seen(arrays: Arrays, n_users: int, n_items: int) -> Seen | None:
    """Return the seen items, or None if the file has none."""
    if not has_all_or_none(arrays, SEEN):
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


def has_all_or_none(arrays: Arrays, names: tuple[str, ...]) -> bool:
    """Return whether all the arrays are present; raise ValueError if only some are."""
    present = [name for name in names if name in arrays]
    if present and len(present) < len(names):
        raise ValueError(f"it has the member {present[0]!r}, but not all of {', '.join(names)}")
    return bool(present)


def check_finite(arrays: Arrays, names: Sequence[str]) -> None:
    """Raise ValueError if an array has NaN or infinity."""
    for name in names:
        flat = arrays[name].reshape(-1) if name in arrays else np.empty(0)
        for begin in range(0, len(flat), _CHUNK):
            if not np.isfinite(flat[begin : begin + _CHUNK]).all():
                raise ValueError(f"{name} has NaN or infinity; expected finite numbers")


def narrow(array: NDArray[Any], dtype: str, name: str) -> NDArray[Any]:
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
