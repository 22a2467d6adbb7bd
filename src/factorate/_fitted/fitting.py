"""From settings and any form of ratings to what a fit leaves behind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._fitted.fitted_state import HISTORY, FittedState, extend_accumulators
from factorate._fitted.seen import add_seen, find_seen
from factorate._input.id_column import IdColumn
from factorate._input.id_index import IdIndex
from factorate._input.id_to_row import look_up
from factorate._input.pairs import read_pairs
from factorate._input.rating_values import read_values
from factorate._input.ratings import Ratings, read_further, read_ratings
from factorate._training import losses
from factorate._training import trainer as solver
from factorate._training.factors import Factors
from factorate._training.progress import progress_bar
from factorate._training.settings import (
    check_callbacks,
    check_columns,
    check_dtype,
    check_partial_rates,
    check_settings,
    draw_seed,
)
from factorate._training.state import WarmStart
from factorate._training.trainer import HeldOut
from factorate._utils.validation import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from factorate._input.column_names import Names
    from factorate._training.settings import Callbacks, Parameters
    from factorate._training.trainer import Epoch, Settings
    from factorate._utils.types import Flags, Floats, Rows


def read_weights(weights: ArrayLike | None, n: int, dtype: np.dtype[Any]) -> Floats | None:
    """Read the weight of each rating; raise ValueError for one below 0, or another length."""
    if weights is None:
        return None
    values = read_values(weights, dtype, "sample_weight")
    if len(values) != n:
        raise ValueError(f"sample_weight has {len(values)} entries for {n} ratings")
    bad = np.flatnonzero(values < 0)
    if len(bad):
        raise ValueError(f"sample_weight[{bad[0]}] is {show(values[bad[0]])}; expected ≥ 0")
    if n and not values.any():
        raise ValueError("sample_weight is 0 for every rating; at least one must count")
    return values


def _counted(values: Floats, weights: Floats | None) -> Floats:
    """Return ratings with one that counts in place of those that don't."""
    return values if weights is None else np.where(weights > 0, values, values[weights > 0][:1])


def _that_count(ratings: Ratings, weights: Floats | None) -> tuple[Ratings, Floats | None]:
    """Leave out the ratings of weight 0, and divide weights by their mean.

    So it is the proportions of weights that matter, not their unit, which would be one of rates.
    """
    if weights is None:
        return ratings, None
    count = weights > 0
    some, weights = _some(ratings, count), weights[count]
    if (weights == weights[0]).all():
        return some, None
    return some, weights / weights.dtype.type(np.mean(weights, dtype=np.float64))


def _some(ratings: Ratings, rows: Flags) -> Ratings:
    return replace(
        ratings, users=ratings.users[rows], items=ratings.items[rows], values=ratings.values[rows]
    )


def hold_out(users: Rows, items: Rows, fraction: float, seed: int) -> Flags:
    """Choose which ratings to validate on, by a hash of user and item, so in any order the same.

    Two ratings of one pair go the same way. The mixing is that of SplitMix64 (Steele, Lea and
    Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, fig. 17).

    Examples
    --------
    >>> import numpy as np
    >>> users, items = np.indices((10, 10), np.int32).reshape(2, -1)
    >>> int(hold_out(users, items, 0.2, seed=0).sum())
    20
    """
    salt = np.random.SeedSequence(seed, spawn_key=(4,)).generate_state(1, np.uint64)
    keys = (users.astype(np.uint64) << np.uint64(32)) + items.astype(np.uint64) + salt
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        keys = (keys ^ (keys >> np.uint64(shift))) * np.uint64(factor)
    n_held = max(1, round(fraction * len(keys)))
    held: Flags = keys <= np.partition(keys, n_held - 1)[n_held - 1]
    if held.all():
        raise ValueError(
            f"early_stopping holds out {int(held.sum())} of {len(held)} ratings, which leaves none "
            f"to train on; give more ratings, or an eval_set"
        )
    return held


def _split(
    ratings: Ratings, weights: Floats | None, fraction: float, seed: int
) -> tuple[Ratings, Floats | None, HeldOut]:
    held = hold_out(ratings.users, ratings.items, fraction, seed)
    training, rest = _some(ratings, ~held), _some(ratings, held)
    validation = HeldOut(
        rest.users, rest.items, rest.values, None if weights is None else weights[held]
    )
    return training, None if weights is None else weights[~held], validation


def _read_held(
    eval_set: Any,
    ratings: Ratings,
    rule: losses.UpdateRule,
    names: Names | None,
    bounds: tuple[float, float],
) -> HeldOut:
    if isinstance(eval_set, list):
        raise TypeError("eval_set is a list; expected ratings in any form fit takes, or (X, y)")
    X, y = eval_set if isinstance(eval_set, tuple) and len(eval_set) == 2 else (eval_set, None)
    try:
        users, items, columns = read_pairs(
            X, ratings.user_index, ratings.item_index, y=y, names=names, with_ratings=True
        )
        values = read_values(columns.ratings, np.dtype(np.float64))
    except TypeError as error:
        raise TypeError(f"eval_set: {error}") from error
    except ValueError as error:  # or one that is made of more than a message: UnicodeDecodeError
        raise ValueError(f"eval_set: {error}") from error
    if not len(values):
        raise ValueError("there are no ratings in eval_set; at least one is needed")
    losses.check(values, rule, bounds, "ratings of eval_set")
    return HeldOut(users, items, values)


def history_columns(epochs: Sequence[Epoch]) -> dict[str, NDArray[Any]]:
    """Turn epochs into columns."""
    columns = {name: [getattr(epoch, name) for epoch in epochs] for name in HISTORY[1:]}
    return {
        "epoch": np.array([epoch.number for epoch in epochs], np.int64),
        **{name: np.array(column, np.float64) for name, column in columns.items()},
    }


def _warm(old: FittedState, ratings: Ratings, settings: Settings) -> WarmStart:
    """Line up the rows of an old model with the ids of new ratings."""
    old_k, old_dtype = old.factors.user_factors.shape[1], old.factors.user_factors.dtype
    if (old_k, old_dtype) != (settings.n_factors, ratings.values.dtype):
        raise ValueError(
            f"warm_start=True goes on from n_factors={old_k} and dtype={old_dtype.name!r}, but "
            f"n_factors={settings.n_factors} and dtype={ratings.values.dtype.name!r} were asked "
            f"for; keep them, or set warm_start=False"
        )
    rows = [
        look_up(index, IdColumn(new.ids, new.kind), what)
        for index, new, what in (
            (old.user_index, ratings.user_index, "users"),
            (old.item_index, ratings.item_index, "items"),
        )
    ]
    start = _take(old, rows[0], rows[1], keep_scale=False)
    if settings.rule.fit_bias:
        return start
    factors = start.factors
    none = np.zeros_like(factors.user_bias), np.zeros_like(factors.item_bias)
    return replace(start, factors=replace(factors, user_bias=none[0], item_bias=none[1]))


def _bounds(values: Floats) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _take(old: FittedState, users: Rows, items: Rows, keep_scale: bool) -> WarmStart:
    """Gather rows of an old model, −1 standing for a new one."""
    factors, accumulators = old.factors, old.accumulators
    taken = replace(
        factors,
        user_factors=_gather(factors.user_factors, users),
        item_factors=_gather(factors.item_factors, items),
        user_bias=_gather(factors.user_bias, users),
        item_bias=_gather(factors.item_bias, items),
        svdpp=None if factors.svdpp is None else _gather(factors.svdpp, items),
    )
    taken_accumulators = (
        None
        if accumulators is None
        else (_gather(accumulators[0], users), _gather(accumulators[1], items))
    )
    return WarmStart(taken, users >= 0, items >= 0, taken_accumulators, keep_scale)


def _gather(array: Floats, rows: Rows) -> Floats:
    """Return rows of an array; at −1 any, or zeros where there is none."""
    return array[rows] if len(array) else np.zeros((len(rows), *array.shape[1:]), array.dtype)


def fit(
    parameters: Parameters,
    X: object,
    y: ArrayLike | None,
    weights: ArrayLike | None,
    eval_set: object,
    callbacks: Callbacks,
    old: FittedState | None,
) -> tuple[FittedState, KeyboardInterrupt | None]:
    """Train on ratings; return what was learnt, and the interrupt that ended it, if one did."""
    dtype, names = check_dtype(parameters["dtype"]), check_columns(parameters["columns"])
    settings = check_settings(parameters, 0)
    settings = replace(settings, seed=draw_seed(parameters["random_state"]))
    callbacks = check_callbacks(callbacks)
    warm = parameters["warm_start"]
    # The same ratings are held out again: those learnt before say nothing of what is to come.
    seed = old.seed if warm and old is not None else settings.seed
    ratings = read_ratings(X, y, dtype=dtype, names=names)
    weight_values = read_weights(weights, len(ratings.values), dtype)
    losses.check(_counted(ratings.values, weight_values), settings.rule)
    indexes = ratings.user_index, ratings.item_index
    counted, training_weights = _that_count(ratings, weight_values)
    training, bounds, held = counted, _bounds(counted.values), None
    if eval_set is not None:
        held = _read_held(eval_set, ratings, settings.rule, names, bounds)
    elif settings.patience is not None:
        training, training_weights, held = _split(
            training, training_weights, parameters["validation_fraction"], seed
        )
    start = _warm(old, ratings, settings) if warm and old is not None else None
    with progress_bar(settings.n_epochs, len(training.values), parameters["verbose"]) as bar:
        trained = solver.train(
            training, settings, (*callbacks, *bar),
            weights=training_weights, held=held, start=start,
        )  # fmt: skip
    seen = None
    if parameters["keep_seen"]:
        seen = find_seen(counted.users, counted.items, *(len(index.ids) for index in indexes))
    return (
        FittedState(
            factors=trained.factors,
            user_index=ratings.user_index,
            item_index=ratings.item_index,
            history=history_columns(trained.history),
            library=ratings.library,
            seen=seen,
            accumulators=trained.accumulators,
            seed=seed,
            n_updates=0,
            best_epoch=trained.best,
            bounds=bounds,
            rule=settings.rule,
        ),
        trained.interruption,
    )


def partial_fit(
    parameters: Parameters,
    X: object,
    y: ArrayLike | None,
    weights: ArrayLike | None,
    old: FittedState,
) -> FittedState:
    """Make one pass over more ratings; only the rows they touch move, and new ids are appended."""
    n_updates = old.n_updates + 1
    sequence = np.random.SeedSequence(old.seed, spawn_key=(5, n_updates))
    seed = int.from_bytes(sequence.generate_state(4, np.uint32).tobytes(), "little")
    settings = check_settings(parameters, seed)
    if settings.svdpp or old.factors.svdpp is not None:
        raise ValueError(
            "partial_fit does not go with svdpp=True: the SVD++ terms of a user are of all "
            "their ratings. Use fit with warm_start=True on all ratings, or add_users and add_items"
        )
    settings.rule.check_same(old.rule)
    factors = old.factors
    dtype = factors.user_factors.dtype
    ratings, _ = read_further(
        X, y, old.user_index, old.item_index, dtype=dtype,
        names=check_columns(parameters["columns"]), new_users=True, new_items=True,
    )  # fmt: skip
    user_index, item_index = ratings.user_index, ratings.item_index
    weight_values = read_weights(weights, len(ratings.values), dtype)
    losses.check(_counted(ratings.values, weight_values), settings.rule, old.bounds)
    if weight_values is not None:
        count = weight_values > 0
        ratings, weight_values = _some(ratings, count), weight_values[count]
    users, items, values = ratings.users, ratings.items, ratings.values
    bounds = _bounds(np.append(values, np.array(old.bounds, dtype)))
    touched_users, some_users = _renumber(users)
    touched_items, some_items = _renumber(items)
    n_old = len(old.user_index.ids), len(old.item_index.ids)
    start = _take(
        old,
        np.where(touched_users < n_old[0], touched_users, -1),
        np.where(touched_items < n_old[1], touched_items, -1),
        keep_scale=True,
    )
    # Rows are numbered anew, so the ids of the batch are not those of the model.
    some = Ratings(
        some_users, some_items, values,
        IdIndex(user_index.ids[touched_users], user_index.kind),
        IdIndex(item_index.ids[touched_items], item_index.kind), None,
    )  # fmt: skip
    settings = replace(
        settings, n_epochs=1, rates=check_partial_rates(parameters),
        rates_name="partial_learning_rate", patience=None,
        n_factors=factors.user_factors.shape[1],
        schedule="adagrad" if settings.rule.adagrad else "constant",
    )  # fmt: skip
    trained = solver.train(some, settings, weights=weight_values, start=start)
    if trained.interruption is not None:
        raise trained.interruption
    moved = trained.factors
    n_rows, n_factors = (len(user_index.ids), len(item_index.ids)), settings.n_factors
    accumulators = extend_accumulators(old.accumulators, n_rows, n_factors)
    if accumulators is not None and trained.accumulators is not None:
        accumulators[0][touched_users], accumulators[1][touched_items] = trained.accumulators
    seen = None
    if old.seen is not None:
        seen = add_seen(old.seen, users, items, *n_rows)
    return replace(
        old,
        factors=Factors(
            _put(factors.user_factors, touched_users, moved.user_factors, n_rows[0]),
            _put(factors.item_factors, touched_items, moved.item_factors, n_rows[1]),
            _put(factors.user_bias, touched_users, moved.user_bias, n_rows[0]),
            _put(factors.item_bias, touched_items, moved.item_bias, n_rows[1]),
            factors.mean,
            factors.scale,
        ),
        user_index=user_index,
        item_index=item_index,
        seen=seen,
        accumulators=accumulators,
        n_updates=n_updates,
        bounds=bounds,
    )


def _renumber(codes: Rows) -> tuple[NDArray[np.intp], Rows]:
    touched, numbers = np.unique(codes, return_inverse=True)
    return touched.astype(np.intp), numbers.astype(np.int32)


def _put(old: Floats, rows: NDArray[np.intp], new: Floats, n: int) -> Floats:
    """Return a copy of `old`, `n` rows long, with some rows replaced."""
    out = np.zeros((n, *old.shape[1:]), old.dtype)
    out[: len(old)] = old
    out[rows] = new
    return out
