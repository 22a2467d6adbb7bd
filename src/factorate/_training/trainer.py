"""Trainer: the training loop, from ratings to factors."""

from __future__ import annotations

import logging
import math
import sys
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._training import losses
from factorate._training.backend import LOCAL
from factorate._training.continuation import continue_rows, to_progress
from factorate._training.epoch import Epoch
from factorate._training.learning_rates import learning_rate_factor
from factorate._training.saved_training import SavedTraining
from factorate._training.scale import standardize
from factorate._training.state import is_finite, to_accumulators, to_factors
from factorate._training.validator import make_validator
from factorate._utils.workers import Workers
from factorate.exceptions import DivergenceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from factorate._training.backend import Backend, Runner
    from factorate._training.factors import Factors, WarmStart
    from factorate._training.held_out import HeldOut
    from factorate._training.settings import Callbacks, Settings
    from factorate._training.validator import Validation
    from factorate._utils.types import Floats


MAX_HALVINGS = 5
MAX_GROWTH = 2.0  # an epoch diverged if its RMSE exceeds this many times that of the start

logger = logging.getLogger("factorate")


class Trainer:
    """Trains on ratings, from random factors or from a warm start.

    If `run_epochs` raises KeyboardInterrupt, `history` holds the finished epochs, and `result`
    returns the factors after the last of them.

    Parameters
    ----------
    ratings : Ratings, RatingsInStore or others that the backend takes
        At least one rating.
    settings : Settings
        Settings of training.
    weights : ndarray, shape (n_ratings,), default=None
        Weight of each rating, in the dtype of the ratings; None if all are equal.
    held_out : HeldOut, default=None
        Ratings to validate on after each epoch.
    warm_start : WarmStart, default=None
        Parameters to continue from.
    backend : Backend, default=LOCAL
        Where the ratings and parameters are, and where epochs run.

    Attributes
    ----------
    history : list of Epoch
        The finished epochs.
    schedule : Schedule
        The ratings, standardized.
    """

    def __init__(
        self,
        ratings: Any,
        settings: Settings,
        *,
        weights: Floats | None = None,
        held_out: HeldOut | None = None,
        warm_start: WarmStart | None = None,
        backend: Backend = LOCAL,
    ) -> None:
        self.history: list[Epoch] = []
        self._factors: list[float] = []  # of the learning rates in the finished epochs
        self._began = time.perf_counter()
        self._settings = settings
        self._warm_start = warm_start
        workers = Workers(settings.n_threads)
        unscaled = backend.make_schedule(ratings, settings, weights, workers)
        standardized, self._scale = standardize(unscaled, settings, warm_start)
        self.schedule, continuations = continue_rows(standardized, settings, warm_start)
        self._runner = backend.make_runner(self.schedule, settings, workers, continuations)
        self._state = self._runner.begin(self._scale, warm_start)
        self._validator = None
        if held_out is not None:
            self._validator = make_validator(held_out, self.schedule, settings, self._scale)
        self._max_squared = self._find_max_squared()
        self._previous = _Snapshot(
            self._runner
        )  # of the last finished epoch, while the next is running
        self._best = _Snapshot(self._runner)
        self._n_halvings = 0
        self._failed = 0  # number of the last epoch that diverged

    def train(self, callbacks: Callbacks = ()) -> Trained:
        """Run the epochs and return their result; see `run_epochs`."""
        self.run_epochs(callbacks)
        return self.result()

    def run_epochs(self, callbacks: Callbacks = ()) -> None:
        """Run the epochs until the last, or until a callback or early stopping ends training.

        An epoch that diverges is undone and repeated at half the learning rate. If it diverges
        again, training starts again from the first epoch.

        Parameters
        ----------
        callbacks : sequence of callables, default=()
            Called with each `Epoch`. Training ends if one returns True.

        Raises
        ------
        DivergenceError
            If training still diverges after five halvings of the learning rate.
        KeyboardInterrupt
            As soon as all threads have stopped.
        """
        while len(self.history) < self._settings.n_epochs and not self._is_patience_exhausted():
            self._previous.take(self._state, len(self.history))
            outcome = self._run_epoch()
            if self._has_diverged(outcome):
                self._recover()
                continue
            self._record(outcome)
            if self._should_stop(callbacks):
                break

    def checksums(self) -> dict[str, int]:
        """Return checksums of what training depends on, besides the settings."""
        schedule, validator, start = self.schedule, self._validator, self._warm_start
        ratings: list[NDArray[Any]] = [
            *(schedule.user_order, schedule.item_order, schedule.user_counts, schedule.item_counts),
            *(schedule.ratings.levels, np.array(self._runner.block_checksums(), np.uint32)),
        ]
        held_out = (
            []
            if validator is None
            else [validator.user_positions, validator.item_positions, validator.ratings]
        )
        factors = [] if start is None else [start.factors.user_factors, start.factors.item_factors]
        return {
            "ratings": _checksum(ratings),
            "eval_set": _checksum(held_out),
            "earlier factors": _checksum(factors),
        }

    def save(self) -> SavedTraining:
        """Return what training needs to continue after the last epoch."""
        best = self._best.epoch
        return SavedTraining(
            state=self._runner.fetch(self._state),
            best=None if best is None else self._runner.fetch(self._best.state),
            best_epoch=best,
            history=tuple(self.history),
            factors=tuple(self._factors),
            n_halvings=self._n_halvings,
            failed=self._failed,
        )

    def resume(self, saved: SavedTraining) -> None:
        """Continue after the epochs that were saved."""
        self._state = self._runner.send(saved.state)
        if saved.best is not None and saved.best_epoch is not None:
            self._best.take(self._runner.send(saved.best), saved.best_epoch)
        self.history[:] = saved.history
        self._factors[:] = saved.factors
        self._n_halvings, self._failed = saved.n_halvings, saved.failed
        if saved.history:
            self._began -= saved.history[-1].seconds

    def result(self) -> Trained:
        """Return the factors of the best epoch, or of the last if early stopping is off.

        Raises
        ------
        DivergenceError
            If the factors are not finite.
        """
        chosen, epoch = self._chosen_state()
        state = self._runner.fetch(chosen)
        self._runner.complete(state)
        # Divergence is detected from errors computed before each update, so the last updates are
        # checked here.
        if not is_finite(state):
            raise self._divergence_error(epoch)
        n_factors = self._settings.n_factors
        factor = self._factors[epoch - 1] if epoch else 1.0
        accumulators = None
        if self._settings.rule.adagrad:
            accumulators = to_accumulators(state, self.schedule, n_factors)
        return Trained(
            factors=to_factors(state, self.schedule, self._scale, n_factors),
            progress=to_progress(self.schedule, self._runner.continuations, factor),
            accumulators=accumulators,
            history=tuple(self.history),
            best=epoch,
        )

    def _run_epoch(self) -> _Outcome:
        settings, number = self._settings, len(self.history) + 1
        factor = learning_rate_factor(settings.learning_rate_schedule, number, settings.n_epochs)
        factor *= 0.5**self._n_halvings
        squared = self._runner.run(self._state, number, factor)
        validation = None
        if self._validator is not None:
            state = self._runner.fetch(self._state)
            self._runner.complete(state)
            validation = self._validator.validate(state)
        return _Outcome(factor, squared, validation)

    def _has_diverged(self, outcome: _Outcome) -> bool:
        if not outcome.squared <= self._max_squared:  # NaN too
            return True
        if outcome.validation is not None and not all(map(math.isfinite, outcome.validation)):
            return True
        # Errors are computed before each update, so none shows the effect of the last updates.
        is_last = len(self.history) + 1 == self._settings.n_epochs
        return is_last and not self._runner.is_finite(self._state)

    def _recover(self) -> None:
        """Halve the learning rate and undo one epoch, or all if the same epoch diverged before."""
        number = len(self.history) + 1
        self._n_halvings += 1
        if self._n_halvings > MAX_HALVINGS:
            raise self._divergence_error(number)
        if self._n_halvings == 1:
            logger.log(
                self._settings.log_level,
                "training diverged in epoch %d of %d; repeating it at half the learning rate",
                number,
                self._settings.n_epochs,
            )
        if number == self._failed:
            self.history.clear()
            self._factors.clear()
            self._best.discard()
            self._runner.copy(self._runner.begin(self._scale, self._warm_start), self._state)
        else:
            self._runner.copy(self._previous.state, self._state)
            self._failed = number

    def _record(self, outcome: _Outcome) -> None:
        """Add an epoch to the history, and copy its state if it is the best so far."""
        mean_square = outcome.squared / self.schedule.n_ratings
        validation = outcome.validation
        epoch = Epoch(
            number=len(self.history) + 1,
            learning_rate=self._settings.rates.user_factors * outcome.factor,
            train_rmse=self._scale.scale * math.sqrt(mean_square),
            valid_rmse=math.nan if validation is None else validation.rmse,
            valid_loss=math.nan if validation is None else validation.loss,
            seconds=time.perf_counter() - self._began,
        )
        self._factors.append(outcome.factor)  # first, so that an interrupt leaves enough of them
        self.history.append(epoch)
        if self._settings.patience is not None and validation is not None:
            best = self._best.epoch
            if best is None or epoch.valid_loss < self.history[best - 1].valid_loss:
                self._best.take(self._state, epoch.number)

    def _should_stop(self, callbacks: Callbacks) -> bool:
        """Call the callbacks; return whether one returned True or patience is exhausted."""
        epoch = self.history[-1]
        answers = [callback(epoch) for callback in callbacks]
        stop = any(isinstance(answer, bool | np.bool) and bool(answer) for answer in answers)
        return stop or self._is_patience_exhausted()

    def _is_patience_exhausted(self) -> bool:
        patience, best = self._settings.patience, self._best.epoch
        return patience is not None and best is not None and len(self.history) - best >= patience

    def _chosen_state(self) -> tuple[Any, int]:
        """Return the state of the result, and the number of its epoch."""
        if self._best.epoch is not None:
            return self._best.state, self._best.epoch
        n_finished = len(self.history)
        if self._previous.epoch == n_finished:  # the next epoch was interrupted
            return self._previous.state, n_finished
        return self._state, n_finished

    def _find_max_squared(self) -> float:
        """Return the squared error above which an epoch has diverged."""
        if self._settings.rule.loss in losses.TWO_VALUED:
            return sys.float_info.max  # margins may grow without bound
        n = self.schedule.n_ratings
        squared = n * max(1.0, self._scale.spread) ** 2
        if self._warm_start is not None:
            squared = max(squared, self._runner.squared_error(self._state))
        return squared * MAX_GROWTH**2

    def _divergence_error(self, number: int) -> DivergenceError:
        settings = self._settings
        rate = max(settings.rates)
        return DivergenceError(
            f"training diverged in epoch {number} of {settings.n_epochs}, even after halving "
            f"{settings.rates_name}={rate:g} up to {MAX_HALVINGS} times; set it below "
            f"{rate / 2**MAX_HALVINGS:.2g}, and check that its product with "
            f"regularization={max(settings.l2):g} is far below 1 and that no rating or "
            f"sample_weight is far larger than the others"
        )


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The result of training.

    Attributes
    ----------
    factors : Factors
        Factors and biases after epoch `best`.
    progress : tuple of ndarray of shape (n, 2)
        For users and items, the number of ratings that each row was trained with, or the sum of
        their weights, and the fraction of its learning rate at which training ended.
    accumulators : tuple of ndarray or None
        Squared-gradient accumulators of users and items; None without AdaGrad.
    history : tuple of Epoch
        The finished epochs.
    best : int
        Number of the epoch with the lowest validation loss if early stopping is on, else of the
        last.
    """

    factors: Factors
    progress: tuple[Floats, Floats]
    accumulators: tuple[Floats, Floats] | None
    history: tuple[Epoch, ...]
    best: int


def _checksum(arrays: Sequence[NDArray[Any]]) -> int:
    crc = 0
    for array in arrays:
        crc = zlib.crc32(array.tobytes(), crc)
    return crc


class _Outcome(NamedTuple):
    """The factor of the learning rates in an epoch, its squared error, and any validation."""

    factor: float
    squared: float
    validation: Validation | None


class _Snapshot:
    """A copy of the state after an epoch; later copies reuse its memory."""

    def __init__(self, runner: Runner[Any]) -> None:
        self._runner = runner
        self.epoch: int | None = None  # None while there is no complete copy
        self._state: Any = None

    @property
    def state(self) -> Any:
        if self._state is None:
            raise RuntimeError("no snapshot was taken")
        return self._state

    def take(self, state: Any, epoch: int) -> None:
        self.epoch = None
        self._state = self._runner.copy(state, self._state)
        self.epoch = epoch

    def discard(self) -> None:
        self.epoch = None
