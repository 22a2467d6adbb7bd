"""The arrays of the file of a model of implicit feedback."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.implicit_state import HISTORY, ImplicitState, make_factors
from factorate._fitted.npz_archive import Expected
from factorate._fitted.stored_members import (
    COMMON,
    SEEN,
    check_finite,
    check_sizes,
    narrow,
    restore_history,
    restore_indexes,
    restore_seen,
)

if TYPE_CHECKING:
    from factorate._fitted.implicit_metadata import ImplicitMetadata
    from factorate._fitted.seen import Seen
    from factorate._training.factors import Factors
    from factorate._utils.types import Arrays, Floats

FACTORS = ("user_factors", "item_factors")
COUNTS = "seen_counts"
EXPECTED = {
    **COMMON,
    **{f"history_{name}": Expected("f8", ndim=1) for name in HISTORY[1:]},
    COUNTS: Expected("f4 f8", ndim=1, mappable="f4 f8"),
}
REQUIRED = (*FACTORS, *(f"history_{name}" for name in HISTORY), "user_ids", "item_ids")


def implicit_arrays(fitted: ImplicitState, dtype: str | None) -> Arrays:
    """Return the arrays of a file, the factors in another dtype if it is not None."""
    arrays: Arrays = {name: getattr(fitted.factors, name) for name in FACTORS}
    if dtype is not None:
        arrays = {name: narrow(array, dtype, name) for name, array in arrays.items()}
    arrays |= {f"history_{name}": fitted.history[name] for name in HISTORY}
    seen = fitted.seen
    if seen is not None:
        arrays |= dict(zip(SEEN, (seen.starts, seen.items), strict=True))
        if seen.counts is not None:
            counts = seen.counts
            arrays[COUNTS] = counts if dtype is None else narrow(counts, "float32", COUNTS)
    return arrays


def restore_interactions(metadata: ImplicitMetadata, arrays: Arrays, mapped: bool) -> ImplicitState:
    """Return the fitted state in a file.

    Raises
    ------
    ValueError
        If an array has wrong values, or does not fit the others.
    """
    factors = _restore_factors(arrays)
    if not mapped:
        check_finite(arrays, FACTORS)
    n_users, n_items = len(factors.user_factors), len(factors.item_factors)
    user_index, item_index = restore_indexes(
        arrays, (metadata.user_kind, metadata.item_kind), (n_users, n_items)
    )
    return ImplicitState(
        factors=factors,
        user_index=user_index,
        item_index=item_index,
        history=restore_history(arrays, HISTORY, metadata.best_epoch),
        library=metadata.library,
        seen=_restore_counts(
            restore_seen(arrays, n_users, n_items), arrays, factors.user_factors.dtype
        ),
        seed=metadata.seed,
        n_partial_fits=metadata.n_partial_fits,
        best_epoch=metadata.best_epoch,
        unobserved_weight=metadata.unobserved_weight,
        mean_weight=metadata.mean_weight,
    )


def _restore_factors(arrays: Arrays) -> Factors:
    P, Q = arrays["user_factors"], arrays["item_factors"]
    check_sizes(P, Q)
    if Q.shape[1] != P.shape[1] or Q.dtype != P.dtype or not P.shape[1]:
        raise ValueError(
            f"item_factors has shape {Q.shape} and dtype {Q.dtype}; expected "
            f"({len(Q)}, {P.shape[1]}) and {P.dtype}, with at least one column"
        )
    if P.dtype == np.float16:
        P, Q = P.astype(np.float32), Q.astype(np.float32)
    return make_factors(P, Q)


def _restore_counts(seen: Seen | None, arrays: Arrays, dtype: np.dtype[np.floating]) -> Seen | None:
    if COUNTS not in arrays:
        return seen
    if seen is None:
        raise ValueError(f"it has the member {COUNTS!r}, but no {SEEN[0]!r}")
    counts: Floats = arrays[COUNTS]
    if counts.shape != seen.items.shape:
        raise ValueError(f"{COUNTS} has {len(counts)} entries for {len(seen.items)} seen items")
    if not ((counts > 0) & (counts < np.inf)).all():
        raise ValueError(f"{COUNTS} has an entry that is not finite and above 0")
    with np.errstate(over="ignore"):
        converted = counts.astype(dtype, copy=False)
    if not np.isfinite(converted).all():
        raise ValueError(f"{COUNTS} has an entry that is too large for {dtype}")
    return replace(seen, counts=converted)
