"""partial_fit: one pass over more ratings, after which new users and items are folded in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._fitted.fold_in import fold_in
from factorate._fitted.put_rows import put_rows
from factorate._fitted.rating_state import extend_accumulators
from factorate._fitted.seen import add_seen
from factorate._fitted.stored_training import check_alone
from factorate._fitted.warm_start import gather_rows
from factorate._input.id_index import IdIndex
from factorate._input.rating_values import value_range
from factorate._input.ratings import Ratings, read_further
from factorate._training import losses
from factorate._training.factors import check_predictions, replace_rows
from factorate._training.progress import open_bar
from factorate._training.sample_weights import (
    drop_unweighted,
    read_weights,
    replace_unweighted,
    select_ratings,
)
from factorate._training.settings import check_columns, check_partial_rates, check_settings
from factorate._training.trainer import Trainer
from factorate.rating_store import RatingStore

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from factorate._fitted.rating_state import RatingState
    from factorate._training.factors import Factors
    from factorate._training.per_kind import PerKind
    from factorate._training.settings import Parameters, Settings
    from factorate._utils.types import Floats, Rows


def partial_fit(
    parameters: Parameters,
    X: object,
    y: ArrayLike | None,
    sample_weight: ArrayLike | None,
    old: RatingState,
) -> RatingState:
    """Return the state after one pass over more ratings.

    Only the parameters of rated users and items change; new users and items are appended.

    Parameters
    ----------
    parameters : mapping
        Parameters of the model.
    X, y, sample_weight : object
        Ratings and weights, in any form that ``fit`` accepts. The ratings of a store are used batch
        by batch, with a pass over each.
    old : RatingState
        The state to continue from.

    Returns
    -------
    RatingState
    """
    if isinstance(X, RatingStore):
        check_alone(y, sample_weight)
        return _partial_fit_batches(parameters, X, old)
    n_partial_fits = old.n_partial_fits + 1
    settings = _check_settings(parameters, old, n_partial_fits)
    factors, dtype = old.factors, old.factors.user_factors.dtype
    ratings, _ = read_further(
        X,
        y,
        old.user_index,
        old.item_index,
        dtype=dtype,
        names=check_columns(parameters["columns"]),
        new_users=True,
        new_items=True,
    )
    weights = read_weights(sample_weight, len(ratings.values), dtype)
    losses.check(replace_unweighted(ratings.values, weights), settings.rule, old.bounds)
    weighted, weights = drop_unweighted(ratings, weights)
    values = np.append(weighted.values, np.array(old.bounds, dtype))
    user_index, item_index = ratings.user_index, ratings.item_index
    n_old = len(old.user_index.ids), len(old.item_index.ids)
    n_rows = len(user_index.ids), len(item_index.ids)
    # Training numbers the rated users and items from 0; `changed_*` are their rows in the model.
    changed_users, user_rows = _renumber(weighted.user_rows)
    changed_items, item_rows = _renumber(weighted.item_rows)
    trained = Trainer(
        Ratings(
            user_rows=user_rows,
            item_rows=item_rows,
            values=weighted.values,
            user_index=IdIndex(user_index.ids[changed_users], user_index.kind),
            item_index=IdIndex(item_index.ids[changed_items], item_index.kind),
            library=None,
        ),
        _one_pass(settings, check_partial_rates(parameters)),
        weights=weights,
        warm_start=gather_rows(
            old,
            np.where(changed_users < n_old[0], changed_users, -1),
            np.where(changed_items < n_old[1], changed_items, -1),
            further=True,
        ),
    ).train()
    accumulators = extend_accumulators(old.accumulators, n_rows, settings.n_factors)
    if accumulators is not None and trained.accumulators is not None:
        accumulators[0][changed_users], accumulators[1][changed_items] = trained.accumulators
    n_users, n_items = n_rows
    new = trained.factors
    arrays = {
        "user_factors": put_rows(factors.user_factors, changed_users, new.user_factors, n_users),
        "item_factors": put_rows(factors.item_factors, changed_items, new.item_factors, n_items),
        "user_bias": put_rows(factors.user_bias, changed_users, new.user_bias, n_users),
        "item_bias": put_rows(factors.item_bias, changed_items, new.item_bias, n_items),
    }
    progress = (
        put_rows(old.progress[0], changed_users, trained.progress[0], n_users),
        put_rows(old.progress[1], changed_items, trained.progress[1], n_items),
    )
    if weights is None or (weights == 1).all():
        for side, first, of_side in zip(("user", "item"), n_old, progress, strict=True):
            _fold_in_new(factors, arrays, weighted, side, first, settings)
            of_side[first:, 1] = 1.0
    updated = replace_rows(factors, arrays, users=changed_users, items=changed_items)
    check_predictions(updated)
    seen = old.seen
    if seen is not None:
        seen = add_seen(seen, weighted.user_rows, weighted.item_rows, *n_rows)
    return replace(
        old,
        factors=updated,
        user_index=user_index,
        item_index=item_index,
        seen=seen,
        progress=progress,
        accumulators=accumulators,
        n_partial_fits=n_partial_fits,
        bounds=value_range(values),
    )


def _partial_fit_batches(
    parameters: Parameters, store: RatingStore, old: RatingState
) -> RatingState:
    """Return the state after one pass over each batch of a store."""
    state = old
    if not parameters["verbose"]:
        for batch in store.batches():
            state = partial_fit(parameters, tuple(batch), None, None, state)
        return state
    with open_bar(total=len(store), unit=" ratings", unit_scale=True, desc="training") as bar:
        for batch in store.batches():
            state = partial_fit(parameters, tuple(batch), None, None, state)
            bar.update(len(batch.ratings))
    return state


def _fold_in_new(
    old: Factors,
    arrays: dict[str, Floats],
    ratings: Ratings,
    side: str,
    n_old: int,
    settings: Settings,
) -> None:
    """Compute the rows from `n_old` on from their ratings, and write them to the arrays."""
    is_new = (ratings.user_rows if side == "user" else ratings.item_rows) >= n_old
    if not is_new.any():
        return
    views: dict[str, Any] = {name: array.view() for name, array in arrays.items()}
    current, chosen = replace(old, **views), select_ratings(ratings, is_new)
    found = fold_in(current, chosen, side, settings, without_blas=True)
    found.put(arrays[f"{side}_factors"], arrays[f"{side}_bias"], side)


def _check_settings(parameters: Parameters, old: RatingState, n_partial_fits: int) -> Settings:
    """Return the settings of the model, with a seed of its own for each call."""
    sequence = np.random.SeedSequence(old.seed, spawn_key=(5, n_partial_fits))
    seed = int.from_bytes(sequence.generate_state(4, np.uint32).tobytes(), "little")
    settings = check_settings(parameters, seed)
    if settings.svdpp or old.factors.svdpp is not None:
        raise ValueError(
            "partial_fit does not support svdpp=True, because the SVD++ terms of a user depend on "
            "all their ratings; use fit with warm_start=True on all ratings, or add_users and "
            "add_items"
        )
    settings.rule.check_same(old.rule)
    return replace(settings, n_factors=old.factors.user_factors.shape[1])


def _one_pass(settings: Settings, rates: PerKind) -> Settings:
    """Return the settings of one pass."""
    return replace(
        settings,
        n_epochs=1,
        rates=rates,
        rates_name="partial_learning_rate",
        learning_rate_schedule="adagrad" if settings.rule.adagrad else "constant",
        patience=None,
    )


def _renumber(rows: Rows) -> tuple[NDArray[np.intp], Rows]:
    """Return the distinct rows, sorted, and the index of each row among them."""
    changed, numbers = np.unique(rows, return_inverse=True)
    return changed.astype(np.intp), numbers.astype(np.int32)
