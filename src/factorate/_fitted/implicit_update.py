"""Update a fitted state by interactions: fold-in of users and items, and partial fits.

Every row is the exact minimizer of the objective given the other side, so that a row depends only
on its own interactions and on the factors of the other side.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.implicit_state import make_factors
from factorate._fitted.put_rows import extend
from factorate._fitted.seen import Seen
from factorate._fitted.seen_interactions import Lists, drop, merge, of_items, of_users
from factorate._input.id_index import range_index
from factorate._training.interactions import make_interactions
from factorate._training.solve_rows import solve_rows
from factorate.exceptions import DivergenceError

if TYPE_CHECKING:
    from typing import Literal

    from factorate._fitted.implicit_state import ImplicitState
    from factorate._input.ratings import Ratings
    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._utils.types import Doubles, Floats, Rows


def add_interactions(
    fitted: ImplicitState,
    given: Ratings,
    side: Literal["user", "item"],
    settings: ImplicitSettings,
) -> ImplicitState:
    """Return a fitted state with the users (or items) of more interactions; other rows stay.

    Parameters
    ----------
    fitted : ImplicitState
        The old state.
    given : Ratings
        Rows of users and items are those of `fitted`, followed by new ones; −1 is an unknown row of
        the other side, whose interactions are left out.
    side : {"user", "item"}
        The side whose factors are computed. These interactions replace those of rows that `fitted`
        already has.
    settings : ImplicitSettings
        Settings of training.
    """
    old = fitted.factors
    n_users, n_items = len(given.user_index.ids), len(given.item_index.ids)
    rows, others = given.user_rows, given.item_rows
    fixed, gram = old.item_factors, fitted.item_gram if side == "user" else None
    if side == "item":
        rows, others = others, rows
        fixed = old.user_factors
    changed, numbers = np.unique(rows, return_inverse=True)
    known = others >= 0
    found = make_interactions(
        numbers.astype(np.int32)[known],
        others[known],
        given.values[known],
        (len(changed), len(fixed)),
        fixed.dtype,
    )
    lists = Lists(found.user_starts, found.user_items, found.user_weights)
    solved = solve(fixed, lists, settings, gram)
    if side == "user":
        user_factors = extend(old.user_factors, n_users)
        user_factors[changed] = solved
        factors = make_factors(user_factors, old.item_factors)
    else:
        item_factors = extend(old.item_factors, n_items)
        item_factors[changed] = solved
        factors = make_factors(old.user_factors, item_factors)
    seen = fitted.seen
    if seen is not None:
        seen = drop(seen, users=changed) if side == "user" else drop(seen, items=changed)
        pairs = given.user_rows[known], given.item_rows[known], given.values[known]
        seen = merge(seen, *pairs, (n_users, n_items))
    added = replace(
        fitted,
        factors=factors,
        user_index=given.user_index,
        item_index=given.item_index,
        seen=seen,
    )
    if gram is not None:
        vars(added)["item_gram"] = gram  # the items have not changed
    return added


def partial_fit_implicit(
    fitted: ImplicitState, given: Ratings, settings: ImplicitSettings
) -> ImplicitState:
    """Return a fitted state in which the rows of more interactions are computed again.

    The users of these interactions are solved given the items, the items given the users, and the
    users again, each from all of its interactions, old and new.

    Parameters
    ----------
    fitted : ImplicitState
        The old state.
    given : Ratings
        Rows of users and items are those of `fitted`, followed by new ones.
    settings : ImplicitSettings
        Settings of training.

    Raises
    ------
    ValueError
        If the interactions of the fit were not stored.
    """
    if fitted.seen is None:
        raise ValueError(
            "partial_fit needs the interactions of the fit, which were not stored "
            "(keep_seen=False); fit with keep_seen=True, or use add_users and add_items"
        )
    shape = len(given.user_index.ids), len(given.item_index.ids)
    seen = merge(fitted.seen, given.user_rows, given.item_rows, given.values, shape)
    P = extend(fitted.factors.user_factors, shape[0])
    Q = extend(fitted.factors.item_factors, shape[1])
    users, items = np.unique(given.user_rows), np.unique(given.item_rows)
    of_changed_users = of_users(seen, users, P.dtype)
    P[users] = solve(Q, of_changed_users, settings)
    Q[items] = solve(P, of_items(seen, items, P.dtype), settings)
    P[users] = solve(Q, of_changed_users, settings)
    return replace(
        fitted,
        factors=make_factors(P, Q),
        user_index=given.user_index,
        item_index=given.item_index,
        seen=seen,
        n_partial_fits=fitted.n_partial_fits + 1,
    )


def user_of_interactions(
    fitted: ImplicitState, item_rows: Rows, counts: Floats, settings: ImplicitSettings
) -> ImplicitState:
    """Return a fitted state whose only user, row 0, has the factors of some interactions.

    Without interactions with known items, they are those of an unknown user.

    Parameters
    ----------
    fitted : ImplicitState
        The state with the items.
    item_rows : ndarray
        Rows of the items, int32, shape (n,); −1 is an unknown item, which is left out.
    counts : ndarray
        Shape (n,).
    settings : ImplicitSettings
        Settings of training.
    """
    old, known = fitted.factors, item_rows >= 0
    items, numbers = np.unique(item_rows[known], return_inverse=True)
    summed = np.bincount(numbers, counts[known], len(items)).astype(counts.dtype)
    starts = np.array([0, len(items)])
    user_factors = old.unknown_user[None]
    if len(items):
        lists = Lists(starts, items, summed)
        user_factors = solve(old.item_factors, lists, settings, fitted.item_gram)
    factors = replace(old, user_factors=user_factors, user_bias=np.zeros(1, user_factors.dtype))
    return replace(fitted, factors=factors, user_index=range_index(1), seen=Seen(starts, items))


def solve(
    fixed: Floats, lists: Lists, settings: ImplicitSettings, gram: Doubles | None = None
) -> Floats:
    """Return the factors of rows with these interactions, given the other side.

    Raises
    ------
    DivergenceError
        If they are not finite.
    """
    starts, others, counts = lists
    weights = settings.weights(counts, len(others))
    solved = solve_rows(fixed, starts, others, weights, settings.als, gram)
    if not np.isfinite(solved).all():
        raise DivergenceError(
            f"the interactions give factors that are not finite; use a higher regularization, or "
            f"lower counts than {counts.max(initial=1):.3g}"
        )
    return solved
