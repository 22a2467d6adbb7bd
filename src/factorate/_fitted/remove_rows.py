"""Remove users or items from a fitted state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from factorate._fitted.fitted_state import FittedState
from factorate._fitted.rating_state import RatingState
from factorate._fitted.seen import remove_seen_items, remove_seen_users
from factorate._input.make_index import remaining_rows, without

if TYPE_CHECKING:
    from typing import Literal

    from numpy.typing import NDArray

    from factorate._training.factors import Factors
    from factorate._utils.types import Rows

State = TypeVar("State", bound=FittedState)


def remove_rows(fitted: State, side: Literal["user", "item"], rows: Rows) -> State:
    """Return a fitted state without some users (or items); the rows after theirs move up.

    Their ids, factors, biases, SVD++ terms, progress, accumulators and seen items are removed; the
    other side does not change.
    """
    changes: dict[str, Any]
    old, seen = fitted.factors, fitted.seen
    if side == "user":
        remaining = remaining_rows(rows, len(old.user_factors))
        changes = {
            "factors": _take_users(old, remaining),
            "user_index": without(fitted.user_index, rows),
            "seen": None if seen is None else remove_seen_users(seen, rows),
        }
    else:
        n_items = len(old.item_factors)
        remaining = remaining_rows(rows, n_items)
        changes = {
            "factors": _take_items(old, remaining),
            "item_index": without(fitted.item_index, rows),
            "seen": None if seen is None else remove_seen_items(seen, rows, n_items),
        }
    if isinstance(fitted, RatingState):
        changes |= _take_progress(fitted, 0 if side == "user" else 1, remaining)
    return replace(fitted, **changes)


def _take_users(old: Factors, remaining: NDArray[Any]) -> Factors:
    return replace(
        old,
        user_factors=old.user_factors.take(remaining, axis=0),
        user_bias=old.user_bias.take(remaining),
    )


def _take_items(old: Factors, remaining: NDArray[Any]) -> Factors:
    return replace(
        old,
        item_factors=old.item_factors.take(remaining, axis=0),
        item_bias=old.item_bias.take(remaining),
        svdpp=None if old.svdpp is None else old.svdpp.take(remaining, axis=0),
    )


def _take_progress(fitted: RatingState, side: int, remaining: NDArray[Any]) -> dict[str, Any]:
    """Return the progress and accumulators of both sides (0 users, 1 items)."""
    changed: dict[str, Any] = {}
    for name in ("progress", "accumulators"):
        both = getattr(fitted, name)
        if both is not None:
            of_side = both[side].take(remaining, axis=0)
            changed[name] = (of_side, both[1]) if side == 0 else (both[0], of_side)
    return changed
