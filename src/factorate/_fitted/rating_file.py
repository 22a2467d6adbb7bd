"""The arrays of the file of a model of ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.npz_archive import Expected
from factorate._fitted.rating_state import HISTORY, RatingState
from factorate._fitted.stored_members import (
    COMMON,
    FACTORS_EXPECTED,
    SEEN,
    check_finite,
    check_sizes,
    has_all_or_none,
    narrow,
    restore_history,
    restore_indexes,
    restore_seen,
)
from factorate._training.factors import Factors

if TYPE_CHECKING:
    from factorate._fitted.model_metadata import ModelMetadata
    from factorate._utils.types import Arrays, Doubles, Floats

FACTORS = ("user_factors", "item_factors", "user_bias", "item_bias")
SVDPP = "svdpp_factors"
PROGRESS = ("user_progress", "item_progress")
ACCUMULATORS = ("user_accumulators", "item_accumulators")
_BIAS = Expected("f2 f4 f8", ndim=1, mappable="f4 f8")

# Every array that a file may have. Only large ones may be memory-mapped; the others are copied.
EXPECTED = {
    **COMMON,
    "user_bias": _BIAS,
    "item_bias": _BIAS,
    SVDPP: FACTORS_EXPECTED,
    **dict.fromkeys(PROGRESS, Expected("f8", ndim=2)),
    **dict.fromkeys(ACCUMULATORS, Expected("f4 f8", ndim=2)),
    **{f"history_{name}": Expected("f8", ndim=1) for name in HISTORY[1:]},
}
REQUIRED = (*FACTORS, *PROGRESS, *(f"history_{name}" for name in HISTORY), "user_ids", "item_ids")


def rating_arrays(fitted: RatingState, dtype: str | None) -> Arrays:
    """Return the arrays of a file, the factors and biases in another dtype if it is not None."""
    factors = fitted.factors
    arrays: Arrays = {name: getattr(factors, name) for name in FACTORS}
    if factors.svdpp is not None:
        arrays[SVDPP] = factors.svdpp
    if dtype is not None:
        arrays = {name: narrow(array, dtype, name) for name, array in arrays.items()}
    arrays |= {f"history_{name}": fitted.history[name] for name in HISTORY}
    arrays |= dict(zip(PROGRESS, fitted.progress, strict=True))
    if fitted.accumulators is not None:
        arrays |= dict(zip(ACCUMULATORS, fitted.accumulators, strict=True))
    if fitted.seen is not None:
        arrays |= dict(zip(SEEN, (fitted.seen.starts, fitted.seen.items), strict=True))
    return arrays


def restore_ratings(metadata: ModelMetadata, arrays: Arrays, mapped: bool) -> RatingState:
    """Return the fitted state in a file.

    Raises
    ------
    ValueError
        If an array has wrong values, or does not fit the others.
    """
    factors = _restore_factors(metadata, arrays)
    if not mapped:
        check_finite(arrays, (*FACTORS, SVDPP))
    n_users, n_items = len(factors.user_factors), len(factors.item_factors)
    user_index, item_index = restore_indexes(
        arrays, (metadata.user_kind, metadata.item_kind), (n_users, n_items)
    )
    history = restore_history(arrays, HISTORY, metadata.best_epoch)
    return RatingState(
        factors=factors,
        user_index=user_index,
        item_index=item_index,
        history=history,
        library=metadata.library,
        seen=restore_seen(arrays, n_users, n_items),
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
    check_sizes(P, Q)
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
        user_factors=arrays["user_factors"],
        item_factors=arrays["item_factors"],
        user_bias=arrays["user_bias"],
        item_bias=arrays["item_bias"],
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
    if not has_all_or_none(arrays, ACCUMULATORS):
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
