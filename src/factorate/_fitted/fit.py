"""fit: train on ratings in any form and store the fitted state."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._cluster.cluster_held_out import split_cluster_ratings
from factorate._cluster.cluster_ratings import ClusterRatings
from factorate._fitted.checkpoint import Checkpoint
from factorate._fitted.rating_state import HISTORY, RatingState
from factorate._fitted.seen import collect_seen
from factorate._fitted.stored_training import StoredTraining, check_alone, read_store
from factorate._fitted.warm_start import continue_from
from factorate._input.rating_values import value_range
from factorate._input.ratings import Ratings, read_ratings
from factorate._training import losses
from factorate._training.backend import LOCAL
from factorate._training.held_out import read_eval_set, split_ratings
from factorate._training.progress import progress_bar
from factorate._training.ratings_in_store import RatingsInStore
from factorate._training.sample_weights import (
    drop_unweighted,
    normalize_weights,
    read_weights,
    replace_unweighted,
)
from factorate._training.schedule import iterate_rows
from factorate._training.settings import (
    check_callbacks,
    check_columns,
    check_dtype,
    check_settings,
    draw_seed,
)
from factorate._training.stored_held_out import split_stored_ratings
from factorate._training.trainer import Trainer
from factorate._utils.cores import count_threads
from factorate._utils.workers import Workers, finish_if_interrupted
from factorate.exceptions import DivergenceError
from factorate.rating_store import RatingStore

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from factorate._training.epoch import Epoch
    from factorate._training.held_out import HeldOut
    from factorate._training.settings import Callbacks, Parameters, Settings
    from factorate._training.trainer import Trained
    from factorate._training.update_rule import UpdateRule
    from factorate._utils.types import Floats, Rows


class TrainingData(NamedTuple):
    """The data that a user passes to ``fit``."""

    X: object
    y: ArrayLike | None = None
    sample_weight: ArrayLike | None = None
    eval_set: object = None


def fit(
    parameters: Parameters,
    read: Callable[[UpdateRule], TrainingRatings | StoredTraining],
    callbacks: Callbacks,
    old: RatingState | None,
    store: Callable[[RatingState], None],
    checkpoint: str | os.PathLike[str] | None = None,
) -> None:
    """Train on ratings and store the fitted state.

    Parameters
    ----------
    parameters : mapping
        Parameters of the model.
    read : callable
        Reads the ratings, for an update rule.
    callbacks : sequence of callables
        Called after each epoch.
    old : RatingState or None
        The state to continue from if ``warm_start`` is True.
    store : callable
        Called with the new state, twice if it is interrupted; not called if training is interrupted
        in the first epoch.
    checkpoint : str or path-like, default=None
        File to write the state of training to after each epoch, and to continue from.

    Raises
    ------
    KeyboardInterrupt
        After the finished epochs have been stored, if there are any.
    """
    settings = check_settings(parameters, 0)
    saved = None if checkpoint is None else Checkpoint(checkpoint)
    settings = replace(settings, seed=_choose_seed(parameters["random_state"], saved))
    callbacks = check_callbacks(callbacks)
    if not parameters["warm_start"]:
        old = None
    # Not bound to a name here, so that `train` can release the rows of the ratings.
    train(
        read(settings.rule),
        parameters,
        settings,
        callbacks=callbacks,
        old=old,
        store=store,
        checkpoint=saved,
    )


def _choose_seed(random_state: object, checkpoint: Checkpoint | None) -> int:
    """Return a seed from a `random_state`; if that is None, the seed of a checkpoint, if any."""
    seed = None if checkpoint is None or random_state is not None else checkpoint.seed
    return draw_seed(random_state) if seed is None else seed


@dataclass(frozen=True, kw_only=True)
class TrainingRatings:
    """The ratings and weights that a user passed to ``fit``, checked.

    Attributes
    ----------
    ratings : Ratings
        All ratings; their users and items become known.
    weighted : Ratings
        The ratings whose weight is not 0, which are used.
    weights : ndarray or None
        The weights of these, with mean 1; None if all are equal.
    eval_set : HeldOut or None
        The validation ratings, if the user passed some.
    bounds : tuple of float
        Minimum and maximum of `weighted`.
    """

    ratings: Ratings
    weighted: Ratings
    weights: Floats | None
    eval_set: HeldOut | None
    bounds: tuple[float, float]


def read_training(parameters: Parameters, data: TrainingData, rule: UpdateRule) -> TrainingRatings:
    """Read the ratings that a user passed to ``fit``."""
    dtype, names = check_dtype(parameters["dtype"]), check_columns(parameters["columns"])
    workers = Workers(count_threads(parameters["n_threads"]))
    ratings = read_ratings(data.X, data.y, dtype=dtype, names=names, workers=workers)
    weights = read_weights(data.sample_weight, len(ratings.values), dtype)
    losses.check(replace_unweighted(ratings.values, weights), rule)
    weighted, weights = drop_unweighted(ratings, weights)
    bounds = value_range(weighted.values)
    eval_set = None
    if data.eval_set is not None:
        eval_set = read_eval_set(data.eval_set, ratings, rule, names, bounds)
    return TrainingRatings(
        ratings=ratings,
        weighted=weighted,
        weights=normalize_weights(weights),
        eval_set=eval_set,
        bounds=bounds,
    )


def read_data(
    parameters: Parameters, data: TrainingData, rule: UpdateRule
) -> TrainingRatings | StoredTraining:
    """Read the ratings, or open the store, that a user passed to ``fit``."""
    if not isinstance(data.X, RatingStore):
        return read_training(parameters, data, rule)
    check_alone(data.y, data.sample_weight)
    return read_store(parameters, data.X, data.eval_set, rule)


def train(
    data: TrainingRatings | StoredTraining,
    parameters: Parameters,
    settings: Settings,
    *,
    callbacks: Callbacks = (),
    old: RatingState | None = None,
    store: Callable[[RatingState], None],
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train on ratings that were read before; see `fit`."""
    # A warm start holds out the same ratings again, because it was trained on all others.
    seed = settings.seed if old is None else old.seed
    ratings, held_out = data.ratings, data.eval_set
    training: Ratings | RatingsInStore | ClusterRatings = ratings
    weights, backend = None, LOCAL
    if isinstance(data, TrainingRatings):
        training, weights = data.weighted, data.weights
    else:
        backend = data.backend
    batches: list[tuple[Rows, Rows]] = []  # of ratings that are not trained on, but seen
    if held_out is None and settings.patience is not None:
        fraction = parameters["validation_fraction"]
        if isinstance(training, RatingsInStore):
            n_threads = settings.n_threads
            training, held_out = split_stored_ratings(training, fraction, seed, n_threads)
        elif isinstance(training, ClusterRatings):
            training, held_out = split_cluster_ratings(training, fraction, seed)
        else:
            training, weights, held_out = split_ratings(training, weights, fraction, seed)
        batches = [(held_out.user_rows, held_out.item_rows)]
    warm_start = None
    if old is not None:
        warm_start = continue_from(old, ratings, settings)
    trainer: Trainer | None = Trainer(
        training,
        settings,
        weights=weights,
        held_out=held_out,
        warm_start=warm_start,
        backend=backend,
    )
    assert trainer is not None  # noqa: S101  (for the type checker)
    if checkpoint is not None:
        checkpoint.resume(trainer, settings)
    trained: Trained | None = None
    n_ratings, bounds = trainer.schedule.n_ratings, data.bounds
    user_index, item_index = ratings.user_index, ratings.item_index
    library, column_names = ratings.library, ratings.column_names
    shape = trainer.schedule.shape
    rows: Callable[[], Iterator[tuple[Rows, Rows]]] | None = None  # of all ratings
    if parameters["keep_seen"]:
        rows = partial(iterate_rows, trainer.schedule)
        if isinstance(training, ClusterRatings):
            rows = training.read_row_batches
    del data, ratings, training, weights  # the schedule is smaller

    def store_result() -> None:
        nonlocal trainer, trained
        if trainer is not None:
            trained = trainer.result()
            trainer = None  # the next step takes as much memory as its ratings and states
        assert trained is not None  # noqa: S101  (for the type checker)
        seen = None
        if rows is not None:
            seen = collect_seen(lambda: chain(rows(), batches), *shape)
        store(
            RatingState(
                factors=trained.factors,
                user_index=user_index,
                item_index=item_index,
                history=_history_columns(trained.history),
                library=library,
                seen=seen,
                progress=trained.progress,
                accumulators=trained.accumulators,
                seed=seed,
                n_partial_fits=0,
                best_epoch=trained.best,
                bounds=bounds,
                rule=settings.rule,
                column_names=column_names,
            )
        )

    def write_checkpoint(_: Epoch) -> None:
        if checkpoint is not None and trainer is not None:
            checkpoint.write(trainer, settings)

    def run() -> None:
        assert trainer is not None  # noqa: S101  (for the type checker)
        with progress_bar(settings.n_epochs, n_ratings, parameters["verbose"]) as bar:
            trainer.run_epochs((write_checkpoint, *callbacks, *bar))
        store_result()
        if checkpoint is not None:
            checkpoint.remove()

    def finish() -> None:
        if trainer is None or trainer.history:
            with suppress(DivergenceError):
                store_result()

    finish_if_interrupted(run, finish)


def _history_columns(epochs: Sequence[Epoch]) -> dict[str, NDArray[Any]]:
    """Return the columns of the history, one entry per epoch."""
    columns = {name: [getattr(epoch, name) for epoch in epochs] for name in HISTORY[1:]}
    return {
        "epoch": np.array([epoch.number for epoch in epochs], np.int64),
        **{name: np.array(column, np.float64) for name, column in columns.items()},
    }
