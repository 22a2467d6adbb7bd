"""fit_implicit: train on interactions in any form and store the fitted state."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from factorate._fitted.implicit_eval_set import read_implicit_eval_set
from factorate._fitted.implicit_state import HISTORY, ImplicitState, make_factors
from factorate._fitted.interactions_in_store import read_store_of_interactions
from factorate._fitted.training_interactions import TrainingInteractions
from factorate._input.interactions import read_interactions
from factorate._training.als import run_epochs
from factorate._training.implicit_epoch import ImplicitEpoch
from factorate._training.implicit_settings import check_implicit_settings
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
from factorate.rating_store import RatingStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from factorate._fitted.interactions_in_store import InteractionsInStore
    from factorate._fitted.seen import Seen
    from factorate._fitted.training_interactions import Prepared
    from factorate._input.id_index import IdIndex
    from factorate._training.als import AlsEpoch
    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._utils.types import Floats, Rows

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


class Described(Protocol):
    """Interactions with the ids of their rows; the attributes are those of `Ratings`."""

    @property
    def user_index(self) -> IdIndex:
        """The ids of the users."""

    @property
    def item_index(self) -> IdIndex:
        """The ids of the items."""

    @property
    def library(self) -> str | None:
        """Name of the DataFrame library that they came from, if any."""

    @property
    def column_names(self) -> tuple[str, str] | None:
        """Names of the columns of users and items, if they had any."""


class InteractionsToFit(Protocol):
    """Interactions that were read, wherever they are."""

    @property
    def given(self) -> Described:
        """The interactions."""

    def prepare(self, settings: ImplicitSettings) -> Prepared:
        """Sort the interactions for training."""


def fit_implicit(
    parameters: Parameters,
    read: Callable[[], InteractionsToFit],
    callbacks: ImplicitCallbacks,
    make_validator: MakeValidator,
    store: Callable[[ImplicitState], None],
) -> None:
    """Train on interactions and store the fitted state.

    Parameters
    ----------
    parameters : mapping
        Parameters of the model.
    read : callable
        Reads the interactions.
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
        read(),
        parameters,
        settings,
        make_validator,
        callbacks=callbacks,
        store=store,
    )


def read_training_interactions(
    parameters: Parameters, data: InteractionData
) -> TrainingInteractions:
    """Read the interactions that a user passed to ``fit``."""
    dtype, names = check_dtype(parameters["dtype"]), check_columns(parameters["columns"])
    workers = Workers(count_threads(parameters["n_threads"]))
    given = read_interactions(data.X, data.y, dtype=dtype, names=names, workers=workers)
    eval_set = None
    if data.eval_set is not None:
        eval_set = read_implicit_eval_set(data.eval_set, given, names)
    return TrainingInteractions(given=given, eval_set=eval_set)


def read_in_this_process(
    parameters: Parameters, data: InteractionData
) -> TrainingInteractions | InteractionsInStore:
    """Read the interactions, or open the store, that a user passed to ``fit``."""
    if not isinstance(data.X, RatingStore):
        return read_training_interactions(parameters, data)
    if data.y is not None:
        raise ValueError("a RatingStore holds its counts; pass it without y")
    return read_store_of_interactions(parameters, data.X, data.eval_set)


def train_implicit(
    data: InteractionsToFit,
    parameters: Parameters,
    settings: ImplicitSettings,
    make_validator: MakeValidator,
    *,
    callbacks: ImplicitCallbacks = (),
    store: Callable[[ImplicitState], None],
) -> None:
    """Train on interactions that were read before; see `fit_implicit`."""
    given, keep_seen = data.given, parameters["keep_seen"]
    user_index, item_index = given.user_index, given.item_index
    library, column_names = given.library, given.column_names
    weighed, validation, collect_seen, make_runner = data.prepare(settings)
    del data, given  # training needs their memory
    als = settings.complete(weighed)
    runner = make_runner(weighed, als)

    def solve(item_factors: Floats) -> Floats:
        # Exactly, as `add_users` does, where an epoch only takes steps in that direction.
        user_factors = runner.solve_users(item_factors)
        _check_finite(user_factors, "user")
        return user_factors

    validate = None
    if validation is not None:
        ndcg = make_validator(*validation)

        def validate(item_factors: Floats) -> float:
            return ndcg(solve(item_factors), item_factors)

    recorder = _Recorder(validate=validate, callbacks=callbacks, patience=settings.patience)

    def store_result() -> None:
        item_factors = recorder.item_factors
        store(
            ImplicitState(
                factors=make_factors(solve(item_factors), item_factors),
                user_index=user_index,
                item_index=item_index,
                history=_history_columns(recorder.history),
                library=library,
                seen=collect_seen() if keep_seen else None,
                seed=als.seed,
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
            run_epochs(runner, als.n_epochs, recorder.record)
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
        if not math.isfinite(epoch.loss):
            _check_finite(epoch.user_factors, "user")
        item_factors = epoch.item_factors
        _check_finite(item_factors, "item")
        seconds = time.perf_counter() - self.begin
        ndcg = float("nan") if self.validate is None else self.validate(item_factors)
        best = self.history[self.best_epoch - 1].valid_ndcg if self.history else -1.0
        report = ImplicitEpoch(
            number=epoch.number, loss=epoch.loss, valid_ndcg=ndcg, seconds=seconds
        )
        if self.patience is None or ndcg > best:
            self.item_factors, self.best_epoch = item_factors, epoch.number
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


def _history_columns(epochs: Sequence[ImplicitEpoch]) -> dict[str, NDArray[Any]]:
    """Return the columns of the history, one entry per epoch."""
    numbers = np.array([epoch.number for epoch in epochs], np.int64)
    columns = {
        name: np.array([getattr(epoch, name) for epoch in epochs], np.float64)
        for name in HISTORY[1:]
    }
    return {"epoch": numbers, **columns}
