"""fit_implicit: train on interactions in any form and store the fitted state."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._fitted.implicit_state import HISTORY, ImplicitState, make_factors
from factorate._fitted.seen import Seen
from factorate._fitted.seen_interactions import to_seen
from factorate._input.id_column import read_ids
from factorate._input.id_to_row import look_up
from factorate._input.interactions import read_interaction_columns, read_interactions
from factorate._training.als import solve_users, train_als
from factorate._training.held_out import hold_out
from factorate._training.implicit_epoch import ImplicitEpoch
from factorate._training.implicit_settings import check_implicit_settings
from factorate._training.interactions import make_interactions
from factorate._training.progress import implicit_progress_bar
from factorate._training.settings import (
    check_callbacks,
    check_columns,
    check_dtype,
    draw_seed,
)
from factorate._utils.cores import count_threads
from factorate._utils.workers import Workers, finish_if_interrupted
from factorate.exceptions import DivergenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from factorate._input.column_names import Names
    from factorate._input.ratings import Ratings
    from factorate._training.als import AlsEpoch
    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._training.interactions import Interactions
    from factorate._utils.types import Flags, Floats, Rows

    Parameters = Mapping[str, Any]
    ImplicitCallbacks = Sequence[Callable[[ImplicitEpoch], object]]
    # Returns the validation NDCG of user and item factors.
    Validator = Callable[[Floats, Floats], float]
    # Makes it from the training interactions and the rows of the validation interactions.
    MakeValidator = Callable[[Seen, Rows, Rows], Validator]


class InteractionData(NamedTuple):
    """The data that a user passes to ``fit``."""

    X: object
    y: ArrayLike | None = None
    eval_set: object = None


def fit_implicit(
    parameters: Parameters,
    data: InteractionData,
    callbacks: ImplicitCallbacks,
    make_validator: MakeValidator,
    store: Callable[[ImplicitState], None],
) -> None:
    """Train on interactions and store the fitted state.

    Parameters
    ----------
    parameters : mapping
        Parameters of the model.
    data : InteractionData
        Interactions and a validation set.
    callbacks : sequence of callables
        Called after each epoch with an `ImplicitEpoch`. Training ends if one returns True.
    make_validator : callable
        Makes the function that computes the validation NDCG.
    store : callable
        Called with the new state; not called if training is interrupted in the first epoch.

    Raises
    ------
    KeyboardInterrupt
        After the finished epochs have been stored, if there are any.
    """
    check_implicit_settings(parameters, 0)  # before `draw_seed` advances a generator
    settings = check_implicit_settings(parameters, draw_seed(parameters["random_state"]))
    callbacks = check_callbacks(callbacks)
    # Not bound to a name here, so that `train_implicit` can release the rows.
    train_implicit(
        read_training_interactions(parameters, data),
        parameters,
        settings,
        make_validator,
        callbacks=callbacks,
        store=store,
    )


@dataclass(frozen=True, kw_only=True)
class TrainingInteractions:
    """The interactions that a user passed to ``fit``, checked.

    Attributes
    ----------
    given : Ratings
        The interactions in the order of the input; the values are their counts.
    eval_set : tuple of ndarray or None
        The user and item rows of the validation interactions, if the user passed some.
    """

    given: Ratings
    eval_set: tuple[Rows, Rows] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        return len(self.given.user_index.ids), len(self.given.item_index.ids)


def read_training_interactions(
    parameters: Parameters, data: InteractionData
) -> TrainingInteractions:
    """Read the interactions that a user passed to ``fit``."""
    dtype, names = check_dtype(parameters["dtype"]), check_columns(parameters["columns"])
    workers = Workers(count_threads(parameters["n_threads"]))
    given = read_interactions(data.X, data.y, dtype=dtype, names=names, workers=workers)
    eval_set = None
    if data.eval_set is not None:
        eval_set = _read_eval_set(data.eval_set, given, names)
    return TrainingInteractions(given=given, eval_set=eval_set)


def train_implicit(
    data: TrainingInteractions,
    parameters: Parameters,
    settings: ImplicitSettings,
    make_validator: MakeValidator,
    *,
    callbacks: ImplicitCallbacks = (),
    store: Callable[[ImplicitState], None],
) -> None:
    """Train on interactions that were read before; see `fit_implicit`."""
    seed, shape = settings.als.seed, data.shape
    ratings, held_out, held = data.given, data.eval_set, None
    if held_out is None and settings.patience is not None:
        pairs = ratings.user_rows, ratings.item_rows
        held = hold_out(*pairs, settings.validation_fraction, seed)
        held_out = pairs[0][held], pairs[1][held]
    training = select_interactions(ratings, shape, None if held is None else ~held)
    user_index, item_index = ratings.user_index, ratings.item_index
    library, column_names = ratings.library, ratings.column_names
    whole = None if held is None else ratings
    del data, ratings  # training needs their memory
    weighed = settings.weigh(training)
    als = settings.complete(weighed)

    def solve(item_factors: Floats) -> Floats:
        # Exactly, as `add_users` does, where an epoch only takes steps in that direction.
        user_factors = solve_users(weighed, item_factors, als)
        _check_finite(user_factors, "user")
        return user_factors

    validate = None
    if held_out is not None:
        seen = Seen(training.user_starts.view(), training.user_items.view())
        ndcg = make_validator(seen, *held_out)

        def validate(item_factors: Floats) -> float:
            return ndcg(solve(item_factors), item_factors)

    recorder = _Recorder(validate=validate, callbacks=callbacks, patience=settings.patience)

    def store_result() -> None:
        item_factors = recorder.item_factors
        everything = training if whole is None else select_interactions(whole, shape)
        store(
            ImplicitState(
                factors=make_factors(solve(item_factors), item_factors),
                user_index=user_index,
                item_index=item_index,
                history=_history_columns(recorder.history),
                library=library,
                seen=to_seen(everything) if parameters["keep_seen"] else None,
                seed=seed,
                n_partial_fits=0,
                best_epoch=recorder.best_epoch,
                column_names=column_names,
                unobserved_weight=als.unobserved_weight,
                mean_weight=als.mean_weight,
            )
        )

    def run() -> None:
        bar = implicit_progress_bar(settings.als.n_epochs, parameters["verbose"])
        with bar as further:
            recorder.callbacks = (*callbacks, *further)
            train_als(weighed, als, after_epoch=recorder.record)
        store_result()

    def finish() -> None:
        if recorder.history:
            store_result()

    finish_if_interrupted(run, finish)


@dataclass
class _Recorder:
    """Records the epochs and the items of the best one, or of the last without patience."""

    validate: Callable[[Floats], float] | None  # returns the NDCG of item factors
    callbacks: ImplicitCallbacks
    patience: int | None
    history: list[ImplicitEpoch] = field(default_factory=list)
    best_epoch: int = 0
    item_factors: Floats = field(default_factory=lambda: np.empty((0, 0)))
    begin: float = field(default_factory=time.perf_counter)

    def record(self, epoch: AlsEpoch) -> bool:
        """Record an epoch; return whether training ends."""
        _check_finite(epoch.user_factors, "user")
        _check_finite(epoch.item_factors, "item")
        seconds = time.perf_counter() - self.begin
        ndcg = float("nan") if self.validate is None else self.validate(epoch.item_factors)
        best = self.history[self.best_epoch - 1].valid_ndcg if self.history else -1.0
        report = ImplicitEpoch(
            number=epoch.number, loss=epoch.loss, valid_ndcg=ndcg, seconds=seconds
        )
        if self.patience is None or ndcg > best:
            self.item_factors, self.best_epoch = epoch.item_factors, epoch.number
        self.history.append(report)
        answers = [callback(report) for callback in self.callbacks]
        stop = any(isinstance(answer, bool | np.bool) and bool(answer) for answer in answers)
        waited = epoch.number - self.best_epoch
        return stop or (self.patience is not None and waited >= self.patience)


def _check_finite(factors: Floats, side: str) -> None:
    if not np.isfinite(factors.sum()) and not np.isfinite(factors).all():
        raise DivergenceError(
            f"the {side} factors are not finite; use a higher regularization, lower counts, or "
            f"dtype='float64'"
        )


def select_interactions(
    ratings: Ratings, shape: tuple[int, int], chosen: Flags | None = None
) -> Interactions:
    """Return all interactions, or the chosen ones, by user and by item, without weighing them."""
    users, items, counts = ratings.user_rows, ratings.item_rows, ratings.values
    if chosen is not None:
        users, items, counts = users[chosen], items[chosen], counts[chosen]
    return make_interactions(users, items, counts, shape, counts.dtype)


def _read_eval_set(eval_set: object, ratings: Ratings, names: Names | None) -> tuple[Rows, Rows]:
    """Return the rows of the validation interactions; those of unknown users are left out."""
    kinds = ratings.user_index.kind, ratings.item_index.kind
    if isinstance(eval_set, tuple) and len(eval_set) == 2 and _holds_pairs(eval_set[0]):
        eval_set, _ = eval_set  # (X, y), not (users, items)
    try:
        columns = read_interaction_columns(eval_set, names=names, kinds=kinds)
        users = look_up(ratings.user_index, read_ids(columns.user_ids, "users"), "users")
        items = look_up(ratings.item_index, read_ids(columns.item_ids, "items"), "items")
    except TypeError as error:
        raise TypeError(f"eval_set: {error}") from error
    except ValueError as error:  # also its subclasses, such as UnicodeDecodeError
        raise ValueError(f"eval_set: {error}") from error
    known = users >= 0
    if not known.any():
        raise ValueError(
            "eval_set has no interactions of users that have training interactions; expected at "
            "least one"
        )
    return users[known], items[known]


def _holds_pairs(X: Any) -> bool:
    """Return whether an object holds more than one column."""
    if isinstance(X, list):
        return bool(X) and isinstance(X[0], list | tuple | np.ndarray)
    return isinstance(X, Mapping) or len(getattr(X, "shape", ())) == 2


def _history_columns(epochs: Sequence[ImplicitEpoch]) -> dict[str, NDArray[Any]]:
    """Return the columns of the history, one entry per epoch."""
    numbers = np.array([epoch.number for epoch in epochs], np.int64)
    columns = {
        name: np.array([getattr(epoch, name) for epoch in epochs], np.float64)
        for name in HISTORY[1:]
    }
    return {"epoch": numbers, **columns}
