"""Remove users or items from a fitted state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from factorate._fitted.seen import remove_seen_items, remove_seen_users
from factorate._input.make_index import remaining_rows, without

if TYPE_CHECKING:
    from typing import Literal

    from factorate._fitted.fitted_state import FittedState
    from factorate._utils.types import Rows


def remove_rows(fitted: FittedState, side: Literal["user", "item"], rows: Rows) -> FittedState:
    """Return a fitted state without some users (or items); the rows after theirs move up.

    Their ids, factors, biases, SVD++ terms, progress, accumulators and seen items are removed; the
    other side does not change.
    """
    return _remove_users(fitted, rows) if side == "user" else _remove_items(fitted, rows)


def _remove_users(fitted: FittedState, rows: Rows) -> FittedState:
    old, accumulators, seen = fitted.factors, fitted.accumulators, fitted.seen
    remaining = remaining_rows(rows, len(old.user_factors))
    if accumulators is not None:
        accumulators = accumulators[0].take(remaining, axis=0), accumulators[1]
    return replace(
        fitted,
        factors=replace(
            old,
            user_factors=old.user_factors.take(remaining, axis=0),
            user_bias=old.user_bias.take(remaining),
        ),
        user_index=without(fitted.user_index, rows),
        progress=(fitted.progress[0].take(remaining, axis=0), fitted.progress[1]),
        accumulators=accumulators,
        seen=None if seen is None else remove_seen_users(seen, rows),
    )


def _remove_items(fitted: FittedState, rows: Rows) -> FittedState:
    old, accumulators, seen = fitted.factors, fitted.accumulators, fitted.seen
    remaining = remaining_rows(rows, len(old.item_factors))
    if accumulators is not None:
        accumulators = accumulators[0], accumulators[1].take(remaining, axis=0)
    return replace(
        fitted,
        factors=replace(
            old,
            item_factors=old.item_factors.take(remaining, axis=0),
            item_bias=old.item_bias.take(remaining),
            svdpp=None if old.svdpp is None else old.svdpp.take(remaining, axis=0),
        ),
        item_index=without(fitted.item_index, rows),
        progress=(fitted.progress[0], fitted.progress[1].take(remaining, axis=0)),
        accumulators=accumulators,
        seen=None if seen is None else remove_seen_items(seen, rows, len(old.item_factors)),
    )
